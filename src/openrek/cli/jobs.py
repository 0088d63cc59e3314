"""`openrek jobs`: what the server has been asked to do, and how far it is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from openrek.cli.options import AsJson, Data, settings
from openrek.cli.output import dump, out
from openrek.clock import SystemClock
from openrek.db import Database
from openrek.errors import SettingsError
from openrek.jobs.records import Job
from openrek.jobs.states import State
from openrek.jobs.store import JobStore
from openrek.settings import Settings

SHORT = 12
"""Digits of an id in the list; `show` takes as few."""

app = typer.Typer(help="The jobs of this server: list them, look at one.", no_args_is_help=True)


@app.command("list")
def list_jobs(
    state: Annotated[State | None, typer.Option(help="Only jobs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest jobs of all accounts and regions."""
    with _database(chosen := settings(data=data)) as database:
        jobs = JobStore(database, SystemClock(), chosen.limits).list(state=state, limit=limit)
    if as_json:
        dump([asdict(job) for job in jobs])
        return
    table = Table()
    table.add_column("job", no_wrap=True)
    for column in ("operation", "state", "progress", "video", "started", "message"):
        table.add_column(column)
    for job in jobs:
        progress = f"{job.chunks_done}/{job.chunks_total}" if job.chunks_total else ""
        video = f"{job.object.bucket}/{job.object.name}"
        table.add_row(
            job.id[:SHORT], job.operation, job.state, progress, video, _when(job.created_at), job.status_message or job.last_error or ""
        )
    out.print(table)


@app.command()
def show(job_id: Annotated[str, typer.Argument(help="A job's id, or how it begins.")], data: Data = None, as_json: AsJson = False) -> None:
    """Show all that is known of one job."""
    with _database(chosen := settings(data=data)) as database:
        job = JobStore(database, SystemClock(), chosen.limits).find(job_id)
    if as_json:
        dump(asdict(job))
        return
    table = Table(show_header=False)
    for name, value in _lines(job):
        table.add_row(name, str(value))
    out.print(table)


def _lines(job: Job) -> list[tuple[str, object]]:
    facts = asdict(job)
    times = {"created_at", "started_at", "completed_at", "expires_at"}
    return [(name, _when(value) if name in times else value) for name, value in facts.items() if value is not None]


def _when(milliseconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")


def _database(chosen: Settings) -> Database:
    if chosen.database is None and not Path(chosen.data, "openrek.db").exists():
        raise SettingsError(f"No server has worked in {chosen.data} yet. Name the folder of yours: --data DIR, or OPENREK_DATA.")
    database = Database(chosen.database_url, "jobs")
    database.check_version()
    return database
