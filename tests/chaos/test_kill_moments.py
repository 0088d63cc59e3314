"""kill -9 at random moments, of the server, the worker, a child, several of them or everything at once.

`OPENREK_CHAOS_SEED=N` repeats a run as far as the machine's timing allows: who is struck, how often, and how long after what.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import time
from collections.abc import Iterator

import psutil
import pytest
from chaos_site import REQUEST, Site
from sqlalchemy import select
from victim_steps import lives

from openrek.jobs.schema import jobs

SEED = int(os.environ.get("OPENREK_CHAOS_SEED", secrets.randbelow(10**6)))
MOMENTS = 50
SHORT = 5
TITLE = f"kill -9 at random moments, OPENREK_CHAOS_SEED={SEED}"
VICTIMS = ("server", "worker", "child", "server and worker", "everything")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("moments")) as site:
        site.start()
        site.prepare()
        yield site


@pytest.fixture(scope="module")
def usual_seconds(site, clip) -> float:
    """From the start of a job to the message of its end, on this machine, now."""
    key = site.upload(clip)
    began = time.monotonic()
    job = site.begin(key, **REQUEST)
    site.notified(job)
    return time.monotonic() - began


def state(site: Site, job_id: str) -> str:
    """Where a job stands."""
    with site.database() as database, database.read() as connection:
        row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one()
    return f"chunk {row['chunks_done']} of {row['chunks_total']}" if row["state"] == "RUNNING" else str(row["state"]).lower()


def strike(site: Site, victim: str, rng: random.Random) -> list[int]:
    """Kill; the process ids of those that were there to be killed."""
    if victim == "everything":
        everything = [process.pid for process in site.processes()]
        site.cut_the_power()
        return everything
    found = [process for role in victim.split(" and ") for process in sorted(site.processes(role), key=lambda process: process.pid)]
    if victim == "child" and found:
        found = [rng.choice(found)]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return [process.pid for process in found]


@pytest.mark.parametrize("number", [pytest.param(number, marks=[pytest.mark.short] if number < SHORT else []) for number in range(MOMENTS)])
def test_moment(site, number, usual_seconds, clip, intact, report):
    rng = random.Random(f"{SEED} {number}")
    blows = [(rng.uniform(0, 1.1 * usual_seconds), rng.choice(VICTIMS))]
    if rng.random() < 0.3:
        blows.append((rng.uniform(0, usual_seconds), rng.choice([victim for victim in VICTIMS if victim != "child"])))
    key = site.upload(clip)
    began = time.monotonic()
    started = [site.begin(key, **REQUEST)]
    if rng.random() < 0.3:  # another job on the same video, to share the pass
        started.append(site.begin(key, "FaceDetection"))
    told = []
    for pause, victim in blows:
        site.revive()
        time.sleep(pause)
        stood = state(site, started[0].id)
        struck = strike(site, victim, rng)
        site.wait("end of those that were struck", lambda struck=struck: not any(map(lives, struck)))
        told.append(f"{victim if struck else f'no {victim} there'} after {pause:.2f} s ({stood})")
    for job in started:
        intact(site, job)
    site.notified(*started)
    seconds = time.monotonic() - began
    assert site.told() == len(site.begun)
    assert site.wired()
    report(TITLE, f"{number:2}", f"{len(started)} jobs" if len(started) > 1 else "1 job", ", then ".join(told), seconds, "s")


@pytest.mark.short
def test_afterwards(site, usual_seconds, report):
    site.assert_tidy()
    report(TITLE, "", "", f"an undisturbed job took {usual_seconds:.1f} s; {len(site.begun)} jobs, a message each")
