"""`openrek serve`."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

import typer

from openrek.cli.options import Data, settings
from openrek.cli.output import err
from openrek.errors import SettingsError
from openrek.settings import Settings


def serve(
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", show_default="4599")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    data: Data = None,
) -> None:
    """Serve Rekognition Video, S3, SNS, SQS, Lambda, Logs, IAM and STS on one port until Ctrl-C.

    Prints the lines to export; with them, programs for AWS work unmodified.
    """
    from openrek.log import configure
    from openrek.server.app import run

    chosen = settings(port=port, host=host, data=data)
    try:
        chosen.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{chosen.data} cannot be the data folder: {error.strerror}. Name another one: --data DIR.") from error
    configure(chosen.log_level)
    run(chosen, ready=lambda url: _greet(chosen, url))


def _greet(chosen: Settings, url: str) -> None:
    err.print(f"openrek serves {url} and keeps its data in {chosen.data.absolute()}", soft_wrap=True)
    for line in exports(chosen, url):
        typer.echo(line)


def exports(chosen: Settings, url: str) -> list[str]:
    """Lines for a shell with which AWS programs find this server."""
    return [
        f"export AWS_ENDPOINT_URL={url}",
        f"export AWS_DEFAULT_REGION={chosen.region}",
        f"export AWS_REGION={chosen.region}",
        f"export AWS_ACCESS_KEY_ID={quote(chosen.access_key_id)}",
        f"export AWS_SECRET_ACCESS_KEY={quote(chosen.secret_access_key)}",
    ]
