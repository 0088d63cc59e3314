"""The commands and what they have in common: errors that say what to do next, and nothing heavy imported before it is needed."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from openrek import __version__
from openrek.cli import analyze, demo, doctor, jobs, models, serve
from openrek.cli.output import complain
from openrek.errors import OpenrekError

app = typer.Typer(
    name="openrek",
    help="Self-hosted video analysis that speaks the Amazon Rekognition Video API.",
    epilog="Settings come from OPENREK_… in the environment and from openrek.toml; docs/reference/settings.md lists them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("serve")(serve.serve)
app.command("analyze")(analyze.analyze)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")
app.add_typer(jobs.app, name="jobs")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command that the arguments name."""
    try:
        app()
    except OpenrekError as error:
        complain(error.message)
        sys.exit(1)
    except ValidationError as error:
        for problem in error.errors():
            complain(f"Setting {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}")
        sys.exit(2)


if __name__ == "__main__":
    main()
