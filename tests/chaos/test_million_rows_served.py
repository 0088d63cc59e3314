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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from chaos_media import long_clip
from chaos_report import Report
from chaos_site import VIEWS, Site, Started
from chaos_watch import resident
from made_up_observations import make_up
from sqlalchemy import select

from openrek.jobs.schema import generations, listings

HOURS = 2
ROWS = 1_000_000
QUIET = 10
"""Seconds for which the other client is alone."""
ASKED = 40
"""Times that a page is asked for."""
PATIENCE = 1200
TITLE = "a job of a million rows"
GROWTH, API, RECEIVE, PAGES = 200, 250, 100, 1.5
"""Bounds: megabytes that the worker grows by, megabytes of the API process, milliseconds at p99, last page by first page."""


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


def quantiles(taken: list[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in (quantile(taken, 0.5), quantile(taken, 0.99), max(taken)))


def quantile(taken: list[float], share: float) -> float:
    return sorted(taken)[min(len(taken) - 1, int(share * len(taken)))]


def rank(view: Mapping[str, str], row: dict[str, Any]) -> tuple[Any, ...]:
    name, confidence = row["Label"]["Name"], row["Label"]["Confidence"]
    return (row["Timestamp"], name) if view["SortBy"] == "TIMESTAMP" else (name, -confidence, row["Timestamp"])


@dataclass
class Served:
    """The job, and what was found while it ran.

    Attributes
    ----------
    most, grown
        Megabytes of a process at most, and by how many it has grown; by its role.
    waited
        Milliseconds of each call of the other client.
    """

    site: Site
    job: Started
    most: dict[str, float]
    grown: dict[str, float]
    waited: dict[str, list[float]]
    report: Report
    _found: dict[tuple[str, str], Listing] = field(default_factory=dict)

    def listing(self, view: Mapping[str, str]) -> Listing:
        """Read to its end, once."""
        chosen = (view["AggregateBy"], view["SortBy"])
        if chosen not in self._found:
            self._found[chosen] = read(self.site, self.job, view, self.report)
        return self._found[chosen]


@dataclass(frozen=True)
class Listing:
    """How many rows there are, and the slower of first and last full page by the faster."""

    rows: int
    ratio: float


@pytest.fixture(scope="module")
def served(program, tmp_path_factory, report) -> Iterator[Served]:
    """A server that has analysed the video."""
    folder = tmp_path_factory.mktemp("million")
    video = long_clip(program, folder / "long.mp4", HOURS * 3600)
    with Site(folder / "site", {"OPENREK_LABELS__SAMPLING_RATE": "10"}, victims=False) as site:
        site.start()
        site.prepare()
        key = site.upload(video)
        moments = make_up(site.settings, key)
        site.wait("children", lambda: len(site.processes("child")) == (site.settings.worker.cores or psutil.cpu_count()))
        time.sleep(3)  # they load their libraries
        processes = {"worker": site.processes("worker")[0], "server": site.processes("server")[0]}
        with receiving(site) as quiet:
            time.sleep(QUIET)
        with watched(site, processes) as watch, receiving(site) as busy:
            job = site.begin(key, MinConfidence=50.0)
            assert site.ended(job, PATIENCE)["JobStatus"] == "SUCCEEDED", site.log
            site.notified(job)
        row = site.job(job)
        assert row["attempt"] == 1

        at = row["started_at"] / 1000
        phases = {"reduced, serialised, in sorted runs": watch.seen.pop("sorted")}
        phases |= {f"merged and written, {listing}": end for listing, end in watch.seen.items()} | {"completed": row["completed_at"] / 1000}
        for phase, end in phases.items():
            report(TITLE, phase, max(end - at, 0.0), "s")
            at = end
        report(TITLE, "the whole job", (row["completed_at"] - row["started_at"]) / 1000, "s", f"{moments} moments")
        for role, process in processes.items():
            told = f"{watch.before[role]:.1f} MB before, {resident(process):.1f} MB after"
            report(TITLE, f"memory of the {role}, at most", watch.most[role], "MB", told)
        for kind, times in busy.items():
            told = f"p50, p99, most of {len(times)}; {quantiles(quiet[kind])} while nothing else went on"
            report(TITLE, kind, quantiles(times), "ms", told)
        yield Served(site, job, watch.most, {role: watch.most[role] - watch.before[role] for role in processes}, busy, report)


def read(site: Site, job: Started, view: Mapping[str, str], report: Report) -> Listing:
    """Read all pages of a listing, look at the order of its rows, and time its first and last full page."""
    pages = Pages(site, job)
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
    assert last is not None, "there is but one full page"
    taken: dict[str | None, list[float]] = {None: [], last: []}
    for _ in range(ASKED):
        for token, times in taken.items():
            began = time.perf_counter()
            pages.get(view, token)
            times.append(1000 * (time.perf_counter() - began))
    pages.connection.close()
    first, latter = (statistics.median(times) for times in taken.values())
    name = f"all pages, {view['AggregateBy']} by {view['SortBy']}"
    report(TITLE, name, seconds, "s", f"{rows} rows; first page {first:.1f} ms, last full page {latter:.1f} ms")
    return Listing(rows, max(first, latter) / min(first, latter))


@pytest.mark.short
@pytest.mark.timeout(1800)
def test_memory(served):
    assert served.grown["worker"] < GROWTH
    assert served.most["server"] < API


def views() -> Iterator[object]:
    """The short form reads one of them."""
    for number, view in enumerate(VIEWS["LabelDetection"]):
        yield pytest.param(view, marks=[] if number else [pytest.mark.short], id=f"{view['AggregateBy']} by {view['SortBy']}")


@pytest.mark.parametrize("view", list(views()))
def test_all_rows_are_there_in_order(served, view):
    rows = served.listing(view).rows
    assert rows == served.listing(view | {"SortBy": "TIMESTAMP"}).rows
    assert view["AggregateBy"] == "SEGMENTS" or rows >= ROWS
    assert resident(served.site.processes("server")[0]) < API


def test_times(served):
    """Not in the short form: another program on the machine would make it fail."""
    ratios = {tuple(view.values()): served.listing(view).ratio for view in VIEWS["LabelDetection"]}
    assert all(ratio < PAGES for ratio in ratios.values()), ratios
    assert quantile(served.waited["receive from an empty queue"], 0.99) < RECEIVE
