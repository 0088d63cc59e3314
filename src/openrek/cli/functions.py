"""`openrek functions`: functions of the embedded Lambda for people who do not want to zip."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from openrek.cli.options import AsJson, settings
from openrek.cli.output import dump, err, out
from openrek.errors import OpenrekError

app = typer.Typer(help="Functions that run when a topic has news: add one, list, invoke, remove, read the logs.", no_args_is_help=True)

Endpoint = Annotated[str | None, typer.Option(help="Address of the server.", show_default="AWS_ENDPOINT_URL, or the port in the settings")]
Name = Annotated[str, typer.Argument(help="The function's name.")]

LOOK_EVERY = 1.0
LATE = 120_000
"""Milliseconds that an event may take from its print to the log."""
_READ_SECONDS = 930
_ROLE = "openrek-functions"


class FunctionsError(OpenrekError):
    """The server did not do what was asked."""


@app.command()
def add(
    name: Name,
    code: Annotated[str, typer.Argument(metavar="FILE.py:HANDLER", help="A Python file, and the function in it that takes events.")],
    topic: Annotated[list[str] | None, typer.Option(help="Name or ARN of a topic whose news it gets; made if there is none.")] = None,
    env: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of its environment.")] = None,
    folder: Annotated[bool, typer.Option("--folder", help="Take the whole folder of the file along.")] = False,
    timeout: Annotated[int, typer.Option(min=1, max=900, help="Seconds that it may take.")] = 60,
    memory: Annotated[int, typer.Option(min=128, max=10_240, help="Megabytes that it may use.")] = 512,
    endpoint: Endpoint = None,
) -> None:
    """Add a function, or replace the one of that name.

    Examples
    --------
        openrek functions add collect collect.py:handler --topic AmazonRekognitionDemo

        openrek functions logs collect -f
    """
    file, _, function = code.rpartition(":")
    path = Path(file)
    if not file or not function.isidentifier():
        raise typer.BadParameter(f"{code} is not FILE.py:HANDLER, as in collect.py:handler")
    if path.suffix != ".py" or not path.is_file():
        raise typer.BadParameter(f"there is no Python file {file}")
    variables = dict(_variable(text) for text in env or ())
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    wanted = {
        "FunctionName": name,
        "Runtime": runtime,
        "Handler": f"{path.stem}.{function}",
        "Timeout": timeout,
        "MemorySize": memory,
        "Environment": {"Variables": variables},
    }
    with _client("lambda", endpoint) as functions, _client("sns", endpoint) as sns:
        role = f"arn:aws:iam::{settings().account}:role/{_ROLE}"
        package = zipped(path, whole=folder)
        try:
            made = functions.create_function(**wanted, Role=role, Code={"ZipFile": package})
            err.print(f"added {made['FunctionArn']}", markup=False, highlight=False, soft_wrap=True)
        except functions.exceptions.ResourceConflictException:
            functions.update_function_code(FunctionName=name, ZipFile=package)
            made = functions.update_function_configuration(**wanted)
            err.print(f"replaced {made['FunctionArn']}", markup=False, highlight=False, soft_wrap=True)
        for one in topic or ():
            arn = one if one.startswith("arn:") else sns.create_topic(Name=one)["TopicArn"]
            sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=made["FunctionArn"])
            err.print(f"gets the news of {arn}", markup=False, highlight=False, soft_wrap=True)


@app.command("list")
def list_functions(endpoint: Endpoint = None, as_json: AsJson = False) -> None:
    """Show all functions, and whose news they get."""
    with _client("lambda", endpoint) as functions, _client("sns", endpoint) as sns:
        found = [one for page in functions.get_paginator("list_functions").paginate() for one in page["Functions"]]
        pages = sns.get_paginator("list_subscriptions").paginate()
        subscribed = [(one["Endpoint"], one["TopicArn"]) for page in pages for one in page["Subscriptions"] if one["Protocol"] == "lambda"]
    if as_json:
        dump([{**one, "Topics": [topic for arn, topic in subscribed if arn == one["FunctionArn"]]} for one in found])
        return
    table = Table()
    for column in ("function", "handler", "timeout", "memory", "changed", "topics"):
        table.add_column(column, overflow="fold")
    for one in found:
        topics = [topic.rpartition(":")[2] for arn, topic in subscribed if arn == one["FunctionArn"]]
        changed = one["LastModified"].partition(".")[0].replace("T", " ")
        table.add_row(one["FunctionName"], one["Handler"], f"{one['Timeout']} s", f"{one['MemorySize']} MB", changed, ", ".join(topics))
    out.print(table)


@app.command()
def invoke(
    name: Name,
    event: Annotated[str, typer.Argument(help="The event as JSON; @FILE reads it from a file, - from standard input.")] = "{}",
    endpoint: Endpoint = None,
) -> None:
    """Have a function take an event, and print what it returns. Its log goes to standard error."""
    import base64

    text = sys.stdin.read() if event == "-" else Path(event[1:]).read_text("utf-8") if event.startswith("@") else event
    try:
        json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"the event is not JSON: {error}") from error
    with _client("lambda", endpoint) as functions:
        answer = functions.invoke(FunctionName=name, Payload=text.encode(), LogType="Tail")
        payload = answer["Payload"].read().decode()
    sys.stderr.write(base64.b64decode(answer["LogResult"]).decode("utf-8", "replace"))
    sys.stderr.flush()
    typer.echo(payload)
    if answer.get("FunctionError"):
        raise typer.Exit(1)


@app.command()
def remove(name: Name, endpoint: Endpoint = None) -> None:
    """Remove a function, its subscriptions with it. Its logs stay."""
    with _client("lambda", endpoint) as functions, _client("sns", endpoint) as sns:
        arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
        for page in sns.get_paginator("list_subscriptions").paginate():
            for one in page["Subscriptions"]:
                if (one["Protocol"], one["Endpoint"]) == ("lambda", arn):
                    sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
        functions.delete_function(FunctionName=name)
    err.print(f"removed {arn}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    since: Annotated[float, typer.Option(min=0, metavar="MINUTES", help="How far to look back.")] = 60,
    endpoint: Endpoint = None,
) -> None:
    """Show what a function has printed."""
    start = round((time.time() - since * 60) * 1000)
    with _client("lambda", endpoint) as functions, _client("logs", endpoint) as service:
        group = functions.get_function_configuration(FunctionName=name)["LoggingConfig"]["LogGroup"]
        shown: set[str] = set()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                found = list(_events(service, group, start))
                for event in found:
                    if event["eventId"] not in shown:
                        when = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                        typer.echo(f"{when:%H:%M:%S}.{event['timestamp'] % 1000:03d} {event['message'].rstrip()}")
                if not follow:
                    return
                shown = {event["eventId"] for event in found}
                start = max(start, round(time.time() * 1000) - LATE)
                sys.stdout.flush()
                time.sleep(LOOK_EVERY)


def _events(service: Any, group: str, start: int) -> Iterator[Any]:
    try:
        for page in service.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start):
            yield from page["events"]
    except service.exceptions.ResourceNotFoundException:  # it has never run
        return


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text} is not NAME=VALUE")
    return name, value


def zipped(path: Path, *, whole: bool) -> bytes:
    """A package with the file, or with its folder; the same files make the same bytes."""
    root = path.parent
    files = sorted(one for one in root.rglob("*") if one.is_file() and "__pycache__" not in one.parts) if whole else [path]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(str(file.relative_to(root)))
            entry.external_attr = 0o755 << 16 if os.access(file, os.X_OK) else 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return packed.getvalue()


@contextlib.contextmanager
def _client(service: str, endpoint: str | None) -> Iterator[Any]:
    """A client of the server; what the server refuses, and that none answers, is told to a person."""
    import botocore.config
    import botocore.session
    from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

    chosen = settings()
    url = endpoint or os.environ.get("AWS_ENDPOINT_URL") or f"http://127.0.0.1:{chosen.port}"
    try:
        client = botocore.session.Session().create_client(
            service,
            region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or chosen.region,
            endpoint_url=url,
            aws_access_key_id=chosen.access_key_id,
            aws_secret_access_key=chosen.secret_access_key,
            config=botocore.config.Config(read_timeout=_READ_SECONDS, retries={"total_max_attempts": 1}),
        )
    except ValueError as error:
        raise FunctionsError(f"{url} is not the address of a server, as in http://127.0.0.1:4599. Name it: --endpoint URL.") from error
    try:
        yield client
    except EndpointConnectionError as error:
        raise FunctionsError(f"No server answers at {url}. Start one: openrek serve. Or name its address: --endpoint URL.") from error
    except ClientError as error:
        raise FunctionsError(error.response["Error"]["Message"]) from error
    except BotoCoreError as error:
        raise FunctionsError(str(error)) from error
    finally:
        client.close()
