"""The commands and what they have in common: errors that say what to do next, and nothing heavy imported before it is needed."""

from __future__ import annotations

import sys

import typer

from openrek import __version__
from openrek.cli import analyze, demo, demo_lambda, doctor, functions, jobs, models, serve
from openrek.cli.failures import told
from openrek.cli.output import complain

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
app.command("demo-lambda")(demo_lambda.demo_lambda)
app.command("doctor")(doctor.doctor)
app.add_typer(models.app, name="models")
app.add_typer(jobs.app, name="jobs")
app.add_typer(functions.app, name="functions")


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command that the arguments name."""
    try:
        app()
    except Exception as error:
        failure = told(error)
        if failure is None:
            raise
        lines, status = failure
        for line in lines:
            complain(line)
        sys.exit(status)


if __name__ == "__main__":
    main()
