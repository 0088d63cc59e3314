"""`openrek models`: which networks there are, which are here, and how to get the others."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Annotated

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from openrek.cli.options import AsJson
from openrek.cli.output import bar, dump, err, out
from openrek.errors import ModelError
from openrek.settings import Settings
from openrek.vision.catalogue import catalogue
from openrek.vision.library import ModelLibrary, ModelReport

app = typer.Typer(help="The networks: list, fetch and check them.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Show the catalogue and what of it is on this machine; the best network of a role that is present answers it."""
    settings = Settings()
    library = ModelLibrary.of(settings)
    _show(library.inventory(), as_json)
    if not as_json:
        with contextlib.suppress(ModelError):
            answering = library.choose("objects", settings.labels.model)
            line = f"Labels: answered by {answering.name}. {upgrade_advice(answering.name)}".rstrip()
            err.print(line, soft_wrap=True)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Read every model file again and compare it with the catalogue; fails if one is corrupt."""
    reports = ModelLibrary.of(Settings()).verify()
    _show(reports, as_json)
    if any(report.state == "corrupt" for report in reports):
        raise typer.Exit(1)


@app.command()
def pull(
    names: Annotated[list[str], typer.Argument(help="Names from `openrek models list`.")],
    accept_licence: Annotated[str | None, typer.Option(help="The model's licence, if it is not a permissive one.")] = None,
) -> None:
    """Fetch models into the user's cache; an interrupted download goes on where it stopped."""
    library = ModelLibrary.of(Settings())
    for name in names:
        with bar() as progress:
            task = progress.add_task(name, total=None)
            tell = partial(_tell, progress, task)
            paths = library.pull(name, tell, accept_licence=accept_licence)
        for path in paths:
            err.print(f"{name}: {path}", soft_wrap=True)


def upgrade_advice(name: str) -> str:
    """How to get a more accurate network than the named one; empty if there is none."""
    better = catalogue().better(name)
    return f"More accurate, and slower: openrek models pull {better.name} ({better.bytes / 1e6:.0f} MB)." if better else ""


def _tell(progress: Progress, task: TaskID, done: int, total: int) -> None:
    progress.update(task, completed=done, total=total)


def _show(reports: tuple[ModelReport, ...], as_json: bool) -> None:
    if as_json:
        dump([_facts(report) for report in reports])
        return
    table = Table()
    for column in ("name", "role", "state", "MB", "licence", "accuracy", "where"):
        table.add_column(column, justify="right" if column == "MB" else "left", overflow="fold")
    for report in reports:
        entry = report.entry
        best = entry.accuracy[0]
        where = ", ".join(str(file.path) for file in report.files if file.path) or f"openrek models pull {entry.name}"
        accuracy = f"{best.measure} {best.value:.3f} on {best.data}"
        table.add_row(entry.name, entry.role, report.state, f"{entry.bytes / 1e6:.1f}", entry.licence, accuracy, where)
    out.print(table)


def _facts(report: ModelReport) -> dict[str, object]:
    return {
        **report.entry.model_dump(mode="json"),
        "state": report.state,
        "paths": [str(file.path) if file.path else None for file in report.files],
    }
