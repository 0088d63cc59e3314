"""The server's side of its worker, with small programs in the worker's place, and once with the worker itself."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from openrek.db import Database
from openrek.server import supervisor
from openrek.server.supervisor import Supervisor
from openrek.settings import Settings

SETTINGS = json.dumps({"data": "/tmp"})
ECHO = """
import sys
log = open(sys.argv[1], "a")
for line in sys.stdin:
    print(repr(line), file=log, flush=True)
    sys.stdout.write("\\n")
    sys.stdout.flush()
print("end", file=log, flush=True)
"""
DEAF = """
import sys, time
sys.stdin.readline()
sys.stdout.write("\\n")
sys.stdout.flush()
time.sleep(600)
"""


class Watch:
    """A supervisor of a program, and what it said."""

    def __init__(self, program: str, folder: Path) -> None:
        self.log = folder / "log"
        self.died = 0
        self.ended = 0
        self.told = asyncio.Event()
        command = (sys.executable, "-c", program, str(self.log))
        self.supervisor = Supervisor(SETTINGS, self._died, self._ended, command)

    def _died(self) -> None:
        self.died += 1

    def _ended(self) -> None:
        self.ended += 1
        self.told.set()

    async def hear(self) -> None:
        """Wait until the program has said that a job ended."""
        await asyncio.wait_for(self.told.wait(), 30)
        self.told.clear()

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()


def supervised(watch: Watch, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """Run the supervisor while something else happens, then stop it."""

    async def run() -> None:
        running = asyncio.create_task(watch.supervisor.run())
        try:
            await meanwhile()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_settings_come_first_then_every_line_wakes_and_the_end_ends(tmp_path: Path) -> None:
    watch = Watch(ECHO, tmp_path)

    async def meanwhile() -> None:
        await watch.hear()
        watch.supervisor.wake()
        await watch.hear()
        await asyncio.to_thread(watch.supervisor.wake)  # operations run in threads
        await watch.hear()

    supervised(watch, meanwhile)
    assert watch.lines() == [repr(SETTINGS + "\n"), repr("\n"), repr("\n"), "end"]
    assert (watch.died, watch.ended) == (1, 3)
    assert watch.supervisor.process is not None
    assert watch.supervisor.process.returncode == 0


def test_before_it_runs_and_after_nobody_is_woken(tmp_path: Path) -> None:
    watch = Watch(ECHO, tmp_path)
    watch.supervisor.wake()
    supervised(watch, watch.hear)
    watch.supervisor.wake()
    assert watch.lines() == [repr(SETTINGS + "\n"), "end"]


def test_one_that_does_not_listen_is_not_told_for_ever_and_is_killed_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PATIENCE", 0.1)
    watch = Watch(DEAF, tmp_path)
    waiting: list[int] = []

    async def meanwhile() -> None:
        await watch.hear()
        process = watch.supervisor.process
        assert process is not None
        assert process.stdin is not None
        for _ in range(200_000):
            watch.supervisor.wake()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.append(process.stdin.transport.get_write_buffer_size())

    supervised(watch, meanwhile)
    assert waiting[0] < 10
    assert watch.supervisor.process is not None
    assert watch.supervisor.process.returncode == -9


class Pauses:
    """Takes the place of `asyncio.sleep`: notes the pauses and takes none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        self.taken: list[float] = []
        self.enough = asyncio.Event()
        self._sleep = asyncio.sleep
        self._most = most
        monkeypatch.setattr(asyncio, "sleep", self._note)

    async def _note(self, seconds: float) -> None:
        self.taken.append(seconds)
        if len(self.taken) == self._most:
            self.enough.set()
        await self._sleep(600 if self.enough.is_set() else 0)

    async def wait(self) -> None:
        await asyncio.wait_for(self.enough.wait(), 60)


@pytest.mark.parametrize(("healthy", "pauses"), [(60, [0.5, 1, 2, 4, 8, 16, 30, 30]), (0, [0.5] * 8)])
def test_a_dead_worker_is_started_again_after_pauses(
    healthy: float, pauses: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(supervisor, "HEALTHY", healthy)
    watch = Watch("import sys; sys.exit(3)", tmp_path)
    noted = Pauses(monkeypatch, len(pauses))
    supervised(watch, noted.wait)
    assert noted.taken == pauses
    assert watch.died == len(pauses)  # before every start, also the first: an earlier server may have left claims
    assert caplog.messages.count("the worker ended with status 3") == len(pauses)
    assert "the worker is started again in 0.5 s" in caplog.messages


@pytest.mark.allows_errors
def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(ECHO, tmp_path)
    watch.supervisor.command = (str(tmp_path / "no-such-program"),)
    noted = Pauses(monkeypatch, 3)
    supervised(watch, noted.wait)
    assert noted.taken == [0.5, 1, 2]


@pytest.mark.allows_errors
def test_a_database_that_does_not_answer_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(ECHO, tmp_path)

    def died() -> None:
        raise ConnectionError("the database is gone")

    watch.supervisor.died = died
    noted = Pauses(monkeypatch, 2)
    supervised(watch, noted.wait)
    assert noted.taken == [0.5, 1]


def test_the_worker_itself_starts_and_ends_with_its_input(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, database=f"sqlite:///{tmp_path / 'openrek.db'}", worker={"cores": 1})
    with Database(settings.database_url, "jobs") as database:
        database.migrate()
    dead = tmp_path / "work" / "1-dead"
    dead.mkdir(parents=True)
    worker = Supervisor(settings.model_dump_json(), lambda: None, lambda: None)

    async def run() -> None:
        running = asyncio.create_task(worker.run())
        while worker.process is None or not list((tmp_path / "work").glob(f"{worker.process.pid}-*")):
            assert not running.done()
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())
    assert worker.process is not None
    assert worker.process.returncode == 0
    assert [each.name for each in (tmp_path / "work").iterdir()] == ["lock"]
