"""A job of a million rows through the whole product: how long, how much memory, how long a page takes, how long others wait meanwhile.

The detector's observations are made up; all that follows is real: reduction, serialisation, sorts, blocks, pages, HTTP.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from chaos_media import long_clip
from chaos_site import VIEWS, Site, Started
from made_up_observations import make_up
from sqlalchemy import select

from openrek.jobs.schema import generations, listings

HOURS = 2
ROWS = 1_000_000
MEGABYTE = 1e6
TITLE = "a job of a million rows"
GROWTH, API, RECEIVE, PAGES = 200, 250, 100, 1.5
"""The issue's bounds: megabytes that the worker grows by, megabytes of the API process, milliseconds at p99, last page by first page."""


class Watch(threading.Thread):
    """The memory of processes and the progress of the job, looked at from outside."""

    def __init__(self, site: Site, processes: Mapping[str, psutil.Process]) -> None:
        super().__init__()
        self.site, self.processes = site, processes
        self.before = {name: resident(process) for name, process in processes.items()}
        self.most = dict(self.before)
        self.seen: dict[str, float] = {}
        self.stopped = threading.Event()

    def run(self) -> None:
        with self.site.database() as database:
            while not self.stopped.wait(0.05):
                for name, process in self.processes.items():
                    self.most[name] = max(self.most[name], resident(process))
                with database.read() as connection:
                    if connection.execute(select(generations.c.id)).first() is not None:
                        self.seen.setdefault("sorted", time.time())
                    written = select(listings.c.rows_of, listings.c.sorted_by).where(listings.c.row_count.is_not(None))
                    for table, order in connection.execute(written):
                        self.seen.setdefault(f"{table} by {order}", time.time())


def resident(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / MEGABYTE


@contextmanager
def watched(site: Site, processes: Mapping[str, psutil.Process]) -> Iterator[Watch]:
    watch = Watch(site, processes)
    watch.start()
    try:
        yield watch
    finally:
        watch.stopped.set()
        watch.join()


@contextmanager
def receiving(site: Site) -> Iterator[dict[str, list[float]]]:
    """How long another client waits meanwhile, in milliseconds."""
    taken: dict[str, list[float]] = {}
    command = [sys.executable, str(Path(__file__).with_name("receiving_client.py")), f"http://127.0.0.1:{site.port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stdin is not None
        assert client.stdout.readline() == "ready\n"
        yield taken
        client.stdin.close()
        taken |= json.loads(client.stdout.read())


class Pages:
    """Asks for pages as a program would, and leaves what it gets in bytes."""

    def __init__(self, site: Site, job: Started) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", site.port)
        self.job = job
        self.headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "RekognitionService.GetLabelDetection",
            "Authorization": "AWS4-HMAC-SHA256 Credential=openrek/20250101/us-east-1/rekognition/aws4_request, SignedHeaders=host, Signature=0",
        }

    def get(self, view: Mapping[str, str], token: str | None) -> bytes:
        body = {"JobId": self.job.id, **view} | ({"NextToken": token} if token else {})
        self.connection.request("POST", "/", json.dumps(body), self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content[:500]
        return content

    def walk(self, view: Mapping[str, str]) -> Iterator[tuple[str | None, dict[str, Any]]]:
        """All pages, with the token that gets each."""
        token: str | None = None
        while True:
            page = json.loads(self.get(view, token))
            yield token, page
            token = page.get("NextToken")
            if token is None:
                return


def quantile(taken: list[float], share: float) -> float:
    return sorted(taken)[min(len(taken) - 1, int(share * len(taken)))]


def rank(view: Mapping[str, str], row: dict[str, Any]) -> tuple[Any, ...]:
    name, confidence = row["Label"]["Name"], row["Label"]["Confidence"]
    return (row["Timestamp"], name) if view["SortBy"] == "TIMESTAMP" else (name, -confidence, row["Timestamp"])


@pytest.mark.timeout(1800)
def test_a_million_rows(program, tmp_path, report):
    video = long_clip(program, tmp_path / "long.mp4", HOURS * 3600)
    with Site(tmp_path / "site", {"OPENREK_LABELS__SAMPLING_RATE": "10"}, victims=False) as site:
        site.start()
        site.prepare()
        began = time.monotonic()
        key = site.upload(video)
        uploaded = time.monotonic()
        moments = make_up(site.settings, key)
        report(TITLE, "upload", uploaded - began, "s", f"{video.stat().st_size / MEGABYTE:.0f} MB")
        site.wait("children", lambda: len(site.processes("child")) == (site.settings.worker.cores or psutil.cpu_count()))
        time.sleep(3)  # they load their libraries
        processes = {"worker": site.processes("worker")[0], "server": site.processes("server")[0]}
        with receiving(site) as quiet:
            time.sleep(10)
        with watched(site, processes) as watch, receiving(site) as busy:
            job = site.begin(key, MinConfidence=50.0)
            ended = site.ended(job)
            site.notified(job)
        assert ended["JobStatus"] == "SUCCEEDED", site.log
        row = site.job(job)
        assert row["attempt"] == 1

        at = row["started_at"] / 1000
        phases = {"reduced, serialised, in sorted runs": watch.seen["sorted"], **watch.seen, "completed": row["completed_at"] / 1000}
        del phases["sorted"]
        for phase, end in phases.items():
            report(TITLE, phase if phase[0].islower() else f"merged and written, {phase}", max(end - at, 0.0), "s")
            at = end
        report(TITLE, "the whole job", (row["completed_at"] - row["started_at"]) / 1000, "s", f"{moments} moments")

        pages = Pages(site, job)
        ratios = {}
        for view in VIEWS["LabelDetection"]:
            began = time.monotonic()
            rows, previous, last, full = 0, None, None, 0
            for token, page in pages.walk(view):
                full = full or len(page["Labels"])
                last = token if len(page["Labels"]) == full else last
                for each in page["Labels"]:
                    place = rank(view, each)
                    assert previous is None or previous <= place
                    previous = place
                rows += len(page["Labels"])
            seconds = time.monotonic() - began
            assert view["AggregateBy"] == "SEGMENTS" or rows >= ROWS
            assert last is not None, "there is but one full page"
            taken: dict[str | None, list[float]] = {None: [], last: []}
            for _ in range(40):
                for token, times in taken.items():
                    began = time.perf_counter()
                    pages.get(view, token)
                    times.append(1000 * (time.perf_counter() - began))
            first, latter = (statistics.median(times) for times in taken.values())
            ratios[tuple(view.values())] = max(first, latter) / min(first, latter)
            name = f"{view['AggregateBy']} by {view['SortBy']}"
            report(TITLE, f"all pages, {name}", seconds, "s", f"{rows} rows; first page {first:.1f} ms, last full page {latter:.1f} ms")
        for name in processes:
            report(
                TITLE,
                f"memory of the {name}",
                f"{watch.most[name]:.0f}",
                "MB",
                f"{watch.before[name]:.0f} MB before, {resident(processes[name]):.0f} MB after",
            )
        for kind in busy:
            told = [
                f"{quantile(times[kind], 0.5):.1f} / {quantile(times[kind], 0.99):.1f} / {max(times[kind]):.1f}" for times in (quiet, busy)
            ]
            report(TITLE, kind, told[1], "ms", f"p50 / p99 / most of {len(busy[kind])}; {told[0]} while nothing else went on")

        assert watch.most["worker"] - watch.before["worker"] < GROWTH
        assert resident(processes["server"]) < API
        assert watch.most["server"] < API
        assert all(ratio < PAGES for ratio in ratios.values()), ratios
        for kind in ("receive from an empty queue", "publish to a long poll's answer"):
            assert quantile(busy[kind], 0.99) < RECEIVE, kind
