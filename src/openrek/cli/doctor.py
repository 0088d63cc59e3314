"""`openrek doctor`: what works on this machine, what is missing, what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import typer
from rich.table import Table

from openrek import __version__
from openrek.cli.models import upgrade_advice
from openrek.cli.options import AsJson, Data, settings
from openrek.cli.output import dump, out
from openrek.errors import OpenrekError
from openrek.settings import Settings

GIGABYTE = 10**9
LITTLE_MEMORY = 4 * GIGABYTE
MARKS = {"works": "[green]works[/]", "limited": "[yellow]limited[/]", "missing": "[red]missing[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, how it stands, and what to do if that is not well."""

    what: str
    state: Literal["works", "limited", "missing"]
    found: str
    advice: str = ""


def doctor(data: Data = None, as_json: AsJson = False) -> None:
    """Look at what openrek needs and say what works, what is missing and what to do; fails if something is missing."""
    chosen = settings(data=data)
    findings = [finding for check in CHECKS for finding in check(chosen)]
    if as_json:
        dump([asdict(finding) for finding in findings])
    else:
        table = Table(title=f"openrek {__version__}", title_justify="left")
        for column in ("", "state", "found", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            table.add_row(finding.what, MARKS[finding.state], finding.found, finding.advice)
        out.print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _machine(_: Settings) -> Iterator[Finding]:
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("machine", "works", f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}")
    free = psutil.virtual_memory().available
    enough = free > LITTLE_MEMORY
    advice = "" if enough else "Large videos may not fit; OPENREK_WORKER__CORES=1 starts fewer processes."
    yield Finding("memory", "works" if enough else "limited", f"{free / GIGABYTE:.1f} GB available", advice)


def _disk(chosen: Settings) -> Iterator[Finding]:
    folder = next(parent for parent in (chosen.data.absolute(), *chosen.data.absolute().parents) if parent.exists())
    if not os.access(folder, os.W_OK):
        yield Finding("data folder", "missing", f"{folder} cannot be written", "Name another one: --data DIR, or OPENREK_DATA.")
        return
    free = shutil.disk_usage(folder).free
    enough = free > chosen.worker.disk_reserve_megabytes * 10**6 + GIGABYTE
    advice = "" if enough else "Free some space, or name a folder on another disk: --data DIR."
    yield Finding("data folder", "works" if enough else "limited", f"{chosen.data.absolute()}, {free / GIGABYTE:.1f} GB free", advice)


def _database(chosen: Settings) -> Iterator[Finding]:
    from openrek.db import Database

    if chosen.database is None and not Path(chosen.data, "openrek.db").exists():
        yield Finding("job database", "works", "none yet", "The server makes it when it starts.")
        return
    try:
        with Database(chosen.database_url, "jobs") as database:
            database.check_version()
            yield Finding("job database", "works", database.dialect)
    except OpenrekError as error:
        yield Finding("job database", "limited", "of another version", error.message)
    except Exception as error:
        yield Finding("job database", "missing", f"{type(error).__name__}: {error}", "Look at OPENREK_DATABASE.")


def _video(_: Settings) -> Iterator[Finding]:
    import av

    wanted = ("h264", "hevc", "vp9", "av1", "mpeg2video", "prores", "aac")
    lacking = [name for name in wanted if name not in av.codecs_available]
    state: Literal["works", "limited"] = "limited" if lacking else "works"
    found = f"PyAV {metadata.version('av')}, FFmpeg {av.ffmpeg_version_info}" + (f", without {', '.join(lacking)}" if lacking else "")
    yield Finding("video", state, found, "Install the PyAV wheel from the package index." if lacking else "")


def _inference(_: Settings) -> Iterator[Finding]:
    try:
        import openvino
    except ImportError as error:
        yield Finding("networks", "missing", f"OpenVINO cannot be loaded: {error}", "Install openrek again.")
        return
    core = openvino.Core()
    yield Finding("networks", "works", f"OpenVINO {openvino.__version__.split('-')[0]} on {core.get_property('CPU', 'FULL_DEVICE_NAME')}")


def _models(chosen: Settings) -> Iterator[Finding]:
    from openrek.vision.library import ModelLibrary

    library = ModelLibrary.of(chosen)
    try:
        facts = library.choose("objects", chosen.labels.model)
    except OpenrekError as error:
        yield Finding("labels", "missing", "no detector", error.message)
        return
    yield Finding("labels", "works", f"answered by {facts.version}", upgrade_advice(facts.name))


def _sandbox(chosen: Settings) -> Iterator[Finding]:
    from openrek.engine.pool import Child

    with Child(chosen.worker.child_megabytes, chosen.worker.stuck_seconds) as child:
        try:
            confinement = child.greet()
        except OpenrekError as error:
            yield Finding("reading videos", "missing", error.message, "Look at the message; openrek's parts may not be installed whole.")
            return
    if confinement.network:
        advice = "The kernel does not let a process give up its network; openrek never asks FFmpeg for anything but files."
        yield Finding("reading videos", "limited", "in a process of its own that could reach the network", advice)
    else:
        yield Finding("reading videos", "works", "in a process of its own without network")


def _addresses(chosen: Settings) -> Iterator[Finding]:
    name = f"some-bucket.{chosen.base_domain}"
    try:
        socket.getaddrinfo(name, chosen.port)
    except OSError:
        advice = f"Add it to the hosts file, or let S3 clients use path-style addresses; {name} is what the JavaScript SDK asks for."
        yield Finding("bucket addresses", "limited", f"{name} has no address", advice)
    else:
        yield Finding("bucket addresses", "works", f"{name} has an address")


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _machine,
    _disk,
    _database,
    _video,
    _inference,
    _models,
    _sandbox,
    _addresses,
)
