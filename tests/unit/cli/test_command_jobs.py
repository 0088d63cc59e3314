"""`openrek jobs`, on each database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from openrek.clock import ManualClock
from openrek.db import Database
from openrek.jobs.claims import Claims
from openrek.jobs.records import NewJob
from openrek.jobs.store import JobStore
from openrek.settings import LimitSettings
from openrek.video import ObjectReference

NAMES = ("film.mp4", "[red]odd[/blue]:smile:.mp4", "映画.mp4")


class Desk:
    """Jobs: one has failed, one runs, one waits."""

    def __init__(self, database: Database, openrek: Any) -> None:
        self.database = database
        self.openrek = openrek
        clock = ManualClock()
        clock.advance(days=365 * 100)  # the command has a clock of its own
        limits = LimitSettings()
        store, claims = JobStore(database, clock, limits), Claims(database, clock, limits, 20)
        self.ids = []
        for name in NAMES:
            owner = {"account": "000000000000", "region": "eu-west-1", "operation": "StartLabelDetection", "request": {"JobTag": "tag"}}
            new = NewJob(**owner, object=ObjectReference("bucket", name), object_etag="e", object_bytes=1, models={}, settings={})
            self.ids.append(store.insert(new))
            clock.advance(seconds=1)
        [first], [second] = claims.claim("worker"), claims.claim("worker")
        claims.fail(first, "The file is [text], not a video.")
        claims.progress(second, 3, 7)

    def __call__(self, *arguments: str) -> Any:
        return self.openrek("jobs", *arguments, DATABASE=self.database.url)

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert (done.status, done.err) == (0, "")
        return json.loads(done.out)


@pytest.fixture
def jobs(jobs_database: Database, openrek: Any) -> Desk:
    return Desk(jobs_database, openrek)


def test_the_newest_first(jobs: Desk) -> None:
    done = jobs("list")
    assert (done.status, done.err) == (0, "")
    lines = [line for line in done.out.splitlines() if line.startswith("│")]
    for line, job_id, name in zip(lines, reversed(jobs.ids), reversed(NAMES), strict=True):
        assert line.startswith(f"│ {job_id[:12]} │ StartLabelDetection │")
        assert f"bucket/{name}" in line
    assert "3/7" in lines[1]
    assert "The file is [text], not a video." in lines[2]
    assert [job["id"] for job in jobs.json("list")] == jobs.ids[::-1]


def test_in_one_state(jobs: Desk) -> None:
    for state, job_id in zip(("FAILED", "RUNNING", "QUEUED"), jobs.ids, strict=True):
        assert [job["id"] for job in jobs.json("list", "--state", state)] == [job_id]
    assert jobs.json("list", "--state", "SUCCEEDED") == []


def test_so_many(jobs: Desk) -> None:
    assert [job["id"] for job in jobs.json("list", "--limit", "2")] == jobs.ids[:0:-1]


def test_one(jobs: Desk) -> None:
    for given in (jobs.ids[0], jobs.ids[0][:12]):
        shown = jobs.json("show", given)
        assert (shown["id"], shown["state"], shown["status_message"]) == (jobs.ids[0], "FAILED", "The file is [text], not a video.")
        assert (shown["request"], shown["object"]["name"]) == ({"JobTag": "tag"}, NAMES[0])
    table = jobs("show", jobs.ids[1][:12]).out
    assert jobs.ids[1] in table
    assert NAMES[1] in table
    started = datetime.fromtimestamp(jobs.json("show", jobs.ids[1])["created_at"] / 1000, UTC)
    assert f"│ {started:%Y-%m-%d %H:%M:%S}.000+00:00 " in table


@pytest.mark.parametrize(
    ("prefix", "told"), [("xyz", "No job has an id that begins with 'xyz'."), ("", "Several jobs have ids that begin with ''.")]
)
def test_none_or_several(prefix: str, told: str, jobs: Desk) -> None:
    done = jobs("show", prefix)
    assert (done.status, done.complaint) == (1, f"{told} `openrek jobs list` shows the newest ones.")


def test_in_the_data_folder(openrek: Any, tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'data' / 'openrek.db'}", "jobs") as database:
        database.migrate()
        desk = Desk(database, openrek)
    found = openrek("jobs", "list", "--json", "--data", tmp_path / "data")
    assert [job["id"] for job in json.loads(found.out)] == desk.ids[::-1]
    assert json.loads(openrek("jobs", "list", "--json", DATA=tmp_path / "data").out)


def test_a_database_that_no_server_has_made_ready(openrek: Any, tmp_path: Path) -> None:
    done = openrek("jobs", "list", DATABASE=f"sqlite:///{tmp_path / 'new.db'}")
    assert done.status == 1
    assert done.complaint.endswith("Start `openrek serve` once: it migrates.")
