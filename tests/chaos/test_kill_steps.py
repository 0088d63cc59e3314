"""kill -9 of the server, the worker, its children, or server and worker, before, inside and after every step of a job's way.

All cases of a database happen to one server over one folder, one after the other, each with a video of its own: afterwards bucket, topic,
subscription and queue are there, every job has ended once with the rows of an undisturbed run, and the queue holds one message a job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from chaos_site import REQUEST, Site
from victim_steps import lives

POSITIONS = ("before", "inside", "after")
TARGETS = (("server",), ("worker",), ("child",), ("server", "worker"))
NAMED = ("claim", "chunk", "block", "completion", "publish", "acknowledgement")
OTHERS = {"start": "server", "stage": "worker", "index": "worker", "progress": "worker", "generation": "worker"}
NTH = {"chunk": 2, "block": 6, "progress": 3}
"""The second chunk, a block in the middle of the second listing."""
ON_POSTGRESQL = (("claim", "inside"), ("completion", "inside"), ("acknowledgement", "inside"))
"""What the short form kills there: transactions that the database has to roll back."""


def cases() -> Iterator[object]:
    """Database, step, position, targets. The short form has every position of every named step, its targets in turn, on SQLite."""
    for number, step in enumerate(NAMED):
        for turn, position in enumerate(POSITIONS):
            for target, targets in enumerate(TARGETS):
                marks = [pytest.mark.short] if (number + turn) % len(TARGETS) == target else []
                yield case("sqlite", step, position, targets, marks)
    for step, own in OTHERS.items():
        for position in POSITIONS:
            for targets in ((own,), ("server", "worker")):
                yield case("sqlite", step, position, targets, [])
    for number, step in enumerate(NAMED):
        for turn, position in enumerate(POSITIONS):
            for target, targets in enumerate((TARGETS[0], TARGETS[1], TARGETS[3])):
                marks = [pytest.mark.short] if (step, position) in ON_POSTGRESQL and (number + turn) % 3 == target else []
                yield case("postgresql", step, position, targets, marks)


def case(database: str, step: str, position: str, targets: tuple[str, ...], marks: list[pytest.MarkDecorator]) -> object:
    return pytest.param(database, step, position, targets, marks=marks, id=f"{database}-{step}-{position}-{'+'.join(targets)}")


@pytest.fixture(scope="module")
def sites(jobs_database_of, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Site]]:
    """The site of a database, made when it is first asked for."""
    made: dict[str, Site] = {}

    def site(database: str) -> Site:
        if database not in made:
            made[database] = Site(tmp_path_factory.mktemp("steps"), jobs_database_of(database))
            made[database].start()
            made[database].prepare()
        return made[database]

    yield site
    for each in made.values():
        each.close()


@pytest.mark.parametrize(("database", "step", "position", "targets"), list(cases()))
def test_step(sites, database, step, position, targets, clip, intact, report):
    site = sites(database)
    key = site.upload(clip)
    began = time.monotonic()
    plan = site.arm(step, position, *targets, nth=NTH.get(step, 1))
    job = site.begin(key, **REQUEST)
    intact(site, job)
    site.notified(job)
    seconds = time.monotonic() - began
    struck = site.wait("strike", lambda: plan.struck(site.folder))
    assert struck
    site.wait("end of those that were struck", lambda: not any(map(lives, struck)))
    site.revive()
    assert site.told() == len(site.begun)
    assert site.wired()
    report(f"kill -9 at named steps, jobs in {database}", step, position, " and ".join(targets), seconds, "s")


@pytest.mark.short
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_afterwards(sites, database):
    """Also what has been struck long ago has left nothing behind, and nothing has been told twice meanwhile."""
    site = sites(database)
    assert site.begun
    site.assert_tidy()
