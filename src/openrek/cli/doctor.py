"""`openrek doctor`: what works on this machine, what is missing, what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import typer
from rich.table import Table
from rich.text import Text

from openrek import __version__
from openrek.cli.models import upgrade_advice
from openrek.cli.options import AsJson, Data, settings
from openrek.cli.output import dump, out
from openrek.errors import OpenrekError
from openrek.settings import Settings

GIGABYTE = 10**9
LITTLE_MEMORY = 4 * GIGABYTE
COLOURS = {"works": "green", "limited": "yellow", "missing": "red"}
PATIENCE = 120
"""Seconds that a library may take to load."""


REINSTALL = "Install openrek again, in an environment of its own, on a machine that its libraries are made for."
CODECS = ("h264", "hevc", "vp9", "av1", "mpeg2video", "prores", "aac")
_LOOK_AT_VIDEO = """
import sys, av
lacking = [name for name in sys.argv[1:] if name not in av.codecs_available]
print(f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}" + (f" without {', '.join(lacking)}" if lacking else ""))
"""
_LOOK_AT_OPENVINO = """
import openvino
print(f"OpenVINO {openvino.__version__.split('-')[0]} on {openvino.Core().get_property('CPU', 'FULL_DEVICE_NAME')}")
"""
_OPEN_DETECTOR = """
import sys
from pathlib import Path
from openrek.vision.registry import open_observer
open_observer("objects", sys.argv[1], [Path(path) for path in sys.argv[2:]]).close()
"""


class DoctorError(OpenrekError):
    """Something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, how it stands, and what to do if that is not well."""

    what: str
    state: Literal["works", "limited", "missing"]
    found: str
    advice: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def doctor(data: Data = None, as_json: AsJson = False) -> None:
    """Look at what openrek needs and say what works, what is missing and what to do; fails if something is missing."""
    chosen = settings(data=data)
    findings = [finding for what, check in CHECKS.items() for finding in _looked(what, check, chosen)]
    if as_json:
        dump([asdict(finding) for finding in findings])
    else:
        table = Table(title=f"openrek {__version__}", title_justify="left")
        for column in ("", "state", "found", "what to do"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            table.add_row(finding.what, Text(finding.state, COLOURS[finding.state]), finding.found, finding.advice)
        out.print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)


def _looked(what: str, check: Check, chosen: Settings) -> list[Finding]:
    """What a check found; one that breaks has found something, too."""
    try:
        return list(check(chosen))
    except Exception as error:
        return [Finding(what, "missing", f"{type(error).__name__}: {error}", REINSTALL)]


def _run(program: str, *arguments: str) -> str:
    """What a program in Python prints. It runs in a process of its own: a library that does not fit the machine may take its process down.

    Raises
    ------
    DoctorError
        It fails.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise DoctorError(f"not ready after {PATIENCE} s") from error
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"its process ended by signal {-done.returncode}"]
        raise DoctorError(last[0])
    return done.stdout.strip()


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
    try:
        found, _without, lacking = _run(_LOOK_AT_VIDEO, *CODECS).partition(" without ")
        _run("import cv2")
    except DoctorError as error:
        yield Finding("video", "missing", error.message, REINSTALL)
        return
    if lacking:
        yield Finding("video", "limited", f"{found}, without {lacking}", "Install the PyAV wheel from the package index.")
    else:
        yield Finding("video", "works", found)


def _inference(_: Settings) -> Iterator[Finding]:
    try:
        yield Finding("networks", "works", _run(_LOOK_AT_OPENVINO))
    except DoctorError as error:
        yield Finding("networks", "missing", f"OpenVINO cannot be loaded: {error.message}", REINSTALL)


def _models(chosen: Settings) -> Iterator[Finding]:
    from openrek.vision.library import ModelLibrary

    library = ModelLibrary.of(chosen)
    try:
        facts = library.choose("objects", chosen.labels.model)
    except OpenrekError as error:
        yield Finding("labels", "missing", "no detector", error.message)
        return
    try:
        _run(_OPEN_DETECTOR, facts.sha256, *map(str, library.locate(facts.sha256)))
    except DoctorError as error:
        yield Finding("labels", "missing", f"{facts.version} cannot be opened: {error.message}", REINSTALL)
        return
    yield Finding("labels", "works", f"answered by {facts.version}", upgrade_advice(facts.name))


def _sandbox(chosen: Settings) -> Iterator[Finding]:
    from openrek.engine.pool import Child

    with Child(chosen.worker.child_megabytes, chosen.worker.stuck_seconds) as child:
        try:
            confinement = child.greet()
        except OpenrekError as error:
            yield Finding("reading videos", "missing", error.message, REINSTALL)
            return
    if confinement.network:
        advice = "The kernel does not let a process give up its network; openrek never asks FFmpeg for anything but files."
        yield Finding("reading videos", "limited", "in a process of its own that could reach the network", advice)
    else:
        yield Finding("reading videos", "works", "in a process of its own without network")


def _functions(chosen: Settings) -> Iterator[Finding]:
    from openrek.localaws.functions.service import missing_part
    from openrek.server.functions import refusal

    reason = refusal(chosen) or missing_part()
    if reason is None:
        yield Finding("functions", "works", "run when a topic or a bucket has news")
    else:
        yield Finding("functions", "limited", "do not run here", reason)


def _addresses(chosen: Settings) -> Iterator[Finding]:
    name = f"some-bucket.{chosen.base_domain}"
    try:
        socket.getaddrinfo(name, chosen.port)
    except OSError:
        advice = f"Add it to the hosts file, or let S3 clients use path-style addresses; {name} is what the JavaScript SDK asks for."
        yield Finding("bucket addresses", "limited", f"{name} has no address", advice)
    else:
        yield Finding("bucket addresses", "works", f"{name} has an address")


CHECKS: Mapping[str, Check] = {
    "machine": _machine,
    "data folder": _disk,
    "job database": _database,
    "video": _video,
    "networks": _inference,
    "labels": _models,
    "reading videos": _sandbox,
    "functions": _functions,
    "bucket addresses": _addresses,
}
