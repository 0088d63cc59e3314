"""SIGTERM and SIGINT: the server gives its jobs back and is gone soon, whatever goes on; the next one continues."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from chaos_site import PATIENCE, REQUEST, Site

from openrek.server import supervisor

TITLE = "orderly stops"


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    with Site(tmp_path / "site", {"OPENREK_LABELS__SAMPLING_RATE": "6"}) as site:
        site.start()
        site.prepare()
        yield site


def observed(site: Site) -> dict[str, tuple[int, int]]:
    """What lies in the store of observations: inode and time of change by name."""
    files = (path for path in (site.folder / "data/observations").rglob("*") if path.is_file())
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("asked", [pytest.param(signal.SIGTERM, marks=pytest.mark.short), signal.SIGINT])
def test_jobs_are_given_back_and_go_on(site, clip, report, asked):
    job = site.begin(site.upload(clip), **REQUEST)
    site.wait("finished chunk", lambda: site.job(job)["chunks_done"] >= 1)
    seconds = site.stop(asked)
    assert site.process.returncode == 0
    given_back = site.job(job)
    assert (given_back["state"], given_back["worker"]) == ("QUEUED", None)
    assert given_back["chunks_done"] < given_back["chunks_total"]
    before = observed(site)
    again = site.start()
    assert site.ended(job)["JobStatus"] == "SUCCEEDED"
    ended = site.job(job)
    assert (ended["attempt"], ended["crashes"], ended["errors"]) == (2, 0, 0)
    assert before.items() <= observed(site).items(), "a finished chunk was observed again"
    site.assert_tidy()
    report(TITLE, f"{asked.name} while chunks are observed", f"gone after {seconds:.1f} s", f"serves again after {again:.1f} s")


@pytest.mark.short
def test_waiting_clients_are_sent_home(site, report):
    answers = []
    waiting = [
        threading.Thread(target=lambda: answers.append(site.clients["sqs"].receive_message(QueueUrl=site.queue, WaitTimeSeconds=20)))
        for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    time.sleep(0.5)
    seconds = site.stop()
    for thread in waiting:
        thread.join(PATIENCE)
    assert site.process.returncode == 0
    assert [answer.get("Messages") for answer in answers] == [None] * 3
    assert seconds < 10
    report(TITLE, "SIGTERM while three clients wait for messages", f"gone after {seconds:.1f} s")


def test_a_worker_that_does_not_listen_is_killed(site, clip, intact, report):
    job = site.begin(site.upload(clip), **REQUEST)
    site.wait("finished chunk", lambda: site.job(job)["chunks_done"] >= 1)
    [worker] = site.processes("worker")
    worker.suspend()
    seconds = site.stop()
    assert site.process.returncode == 0
    assert not site.processes()
    assert seconds >= supervisor.PATIENCE
    again = site.start()
    assert site.ended(job)["JobStatus"] == "SUCCEEDED"
    site.assert_tidy()
    report(TITLE, "SIGTERM while the worker stands still", f"gone after {seconds:.1f} s", f"serves again after {again:.1f} s")


@pytest.mark.parametrize("position", ["before", "inside", "after"])
def test_a_worker_that_dies_giving_back(site, clip, position, report):
    plan = site.arm("release", position, "worker")
    job = site.begin(site.upload(clip), **REQUEST)
    site.wait("finished chunk", lambda: site.job(job)["chunks_done"] >= 1)
    seconds = site.stop()
    assert site.process.returncode == 0
    assert plan.struck(site.folder)
    site.start()
    assert site.ended(job)["JobStatus"] == "SUCCEEDED"
    site.assert_tidy()
    report(TITLE, f"SIGTERM, kill -9 of the worker {position} giving back", f"gone after {seconds:.1f} s")


@pytest.mark.short
def test_one_server_a_folder(site, clip, report):
    """A second one says so and leaves; the first one does not notice."""
    job = site.begin(site.upload(clip), **REQUEST)
    began = time.monotonic()
    second = Site(site.folder, site.environment, victims=False)
    refused = subprocess.run(second.command(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    seconds = time.monotonic() - began
    assert refused.returncode != 0
    assert "Another openrek serves from" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not refused.stdout
    assert site.ended(job)["JobStatus"] == "SUCCEEDED"
    assert site.job(job)["attempt"] == 1
    report(TITLE, "a second server on the folder", f"refused after {seconds:.1f} s")
