"""A worker that stands still loses its jobs to another one, and is fenced off when it wakes up."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from chaos_site import REQUEST, VICTIM, Site

LEASE = 2
STANDSTILL = {"options": "-c idle_in_transaction_session_timeout=4s"}
"""Of the URL: five minutes otherwise."""
TITLE = "a worker stands still past its lease (2 s), another one takes over, the first wakes up"


@contextmanager
def second_worker(site: Site) -> Iterator[psutil.Process]:
    with (site.folder / "server.log").open("a") as log:
        command = [sys.executable, str(VICTIM), "worker", str(site.folder)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, text=True)
    assert process.stdin is not None
    try:
        with process.stdin:
            process.stdin.write(site.settings.model_dump_json() + "\n")
            process.stdin.flush()
            yield psutil.Process(process.pid)
    finally:
        process.wait()


def cases() -> Iterator[object]:
    for database in ("sqlite", "postgresql"):
        for step, position, nth in (("chunk", "after", 2), ("block", "before", 6), ("completion", "before", 1)):
            marks = [pytest.mark.short] if (database, step) == ("sqlite", "block") else []
            yield pytest.param(database, step, position, nth, marks=marks, id=f"{database}-{step}-{position}")
    # A transaction that is open holds SQLite's only lock: nobody can do anything about that. PostgreSQL ends it.
    yield pytest.param("postgresql", "completion", "inside", 1, id="postgresql-completion-inside")


@pytest.mark.parametrize(("database", "step", "position", "nth"), list(cases()))
def test_the_first_is_fenced_off(database, step, position, nth, jobs_database_of, tmp_path, clip, intact, report):
    settings = {**jobs_database_of(database, STANDSTILL), "OPENREK_WORKER__LEASE_SECONDS": str(LEASE)}
    with Site(tmp_path / "site", settings) as site:
        site.start()
        site.prepare()
        plan = site.arm(step, position, "worker", nth=nth, by=signal.SIGSTOP)
        job = site.begin(site.upload(clip), **REQUEST)
        [first] = [psutil.Process(pid) for pid in site.wait("standstill", lambda: plan.struck(site.folder))]
        site.wait("standstill", lambda: first.status() == psutil.STATUS_STOPPED)
        held = site.job(job)
        assert held["worker"].endswith(f":{first.pid}")
        with second_worker(site) as second:
            site.wait("other worker", lambda: site.job(job)["attempt"] == 2 or None)
            intact(site, job)
            first.resume()
            # Both are at work again, and nothing of what the first one held back comes through.
            more = [site.begin(site.upload(clip), **REQUEST) for _ in range(3)]
            for each in more:
                intact(site, each)
            intact(site, job)
            ended = site.job(job)
            assert (ended["attempt"], ended["token"], ended["crashes"]) == (2, 2, 0)
            assert first.is_running()
            assert second.is_running()
            site.assert_tidy()
        report(TITLE, f"jobs in {database}", step, position, "fenced off, no row doubled, one message")
