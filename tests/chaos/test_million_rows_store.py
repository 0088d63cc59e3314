"""A job of a million rows in four orders: time, memory, pages, and how long other writers wait. Prints what it measured."""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

from openrek.clock import ManualClock, SystemClock
from openrek.db import Database
from openrek.jobs.records import NewJob
from openrek.jobs.results import ResultReader
from openrek.jobs.retention import Retention
from openrek.jobs.schema import signing_keys
from openrek.jobs.store import JobStore
from openrek.settings import LimitSettings
from openrek.video import ObjectReference

ROWS = 1_000_000
OWNER = ("000000000000", "eu-west-1")
LISTINGS = [(table, order) for table in ("TIMESTAMPS", "SEGMENTS") for order in ("TIMESTAMP", "NAME")]

WRITER = """
    import contextlib, json, random, sys, time
    from fractions import Fraction
    from pathlib import Path
    from openrek.clock import SystemClock
    from openrek.db import Database
    from openrek.jobs.claims import Claims
    from openrek.jobs.results import ResultWriter
    from openrek.jobs.sorting import ExternalSort
    from openrek.settings import LimitSettings
    from openrek.video import VideoFacts

    held = []
    write = Database.write

    @contextlib.contextmanager
    def timed(database):
        with write(database) as connection:
            began = time.monotonic()
            yield connection
        held.append(time.monotonic() - began)

    Database.write = timed

    def memory(name):
        return int(Path("/proc/self/status").read_text().split(name + ":")[1].split()[0]) / 1024

    url, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    database = Database(url, "jobs")
    claims = Claims(database, SystemClock(), LimitSettings(), 3600)
    (claim,) = claims.claim("writer")
    generator = random.Random(1)
    names = ["Person", "Car", "Dog", "Bicycle", "Chair", "Cup", "Bottle", "Bus", "Truck", "Cat"]

    def rows():
        for number in range(count):
            name = names[number % len(names)]
            number -= number % 40
            boxes = [
                {"BoundingBox": dict(zip(("Width", "Height", "Left", "Top"), (generator.random() for _ in range(4)))), "Confidence": generator.uniform(50, 100)}
                for _ in range(generator.choice((0, 1, 1, 2)))
            ]
            label = {"Name": name, "Confidence": generator.uniform(50, 100), "Instances": boxes, "Parents": [{"Name": "Thing"}], "Aliases": [], "Categories": []}
            yield {"Timestamp": number * 50, "Label": label}

    keys = {
        "TIMESTAMP": lambda row: (row["Timestamp"], row["Label"]["Name"]),
        "NAME": lambda row: (row["Label"]["Name"], -row["Label"]["Confidence"], row["Timestamp"]),
    }
    baseline = memory("VmRSS")
    began = time.monotonic()
    cpu = time.process_time()
    listings = [(table, order) for table in ("TIMESTAMPS", "SEGMENTS") for order in ("TIMESTAMP", "NAME")]
    sorts = {listing: ExternalSort(folder) for listing in listings}
    for row in rows():
        line = json.dumps(row, separators=(",", ":")).encode()
        for (table, order), sort in sorts.items():
            sort.add(keys[order](row), line)
    sorted_at, sorted_cpu = time.monotonic(), time.process_time()
    print("writing", flush=True)
    with ResultWriter(database, claim) as writer:
        for (table, order), sort in sorts.items():
            writer.write(table, order, sort)
            sort.close()
        claims.complete(
            claim,
            writer.generation,
            VideoFacts("h264", "QuickTime / MOV", 1, 1, 0, Fraction(1, 25), 0, 1, Fraction(25), 2, 80, "LIMITED"),
        )
    ended = time.monotonic()
    print(json.dumps({
        "make_and_sort_s": sorted_at - began, "merge_and_write_s": ended - sorted_at, "cpu_s": time.process_time() - cpu,
        "write_cpu_s": time.process_time() - sorted_cpu, "growth_mb": memory("VmHWM") - baseline,
        "lock_ms": [1000 * seconds for seconds in sorted(held)], "transactions": len(held),
    }))
"""


class OtherWriter(threading.Thread):
    """Writes a row again and again, as the server does, and notes how long it waited for its turn, and how long it took in all."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.waited: list[float] = []
        self.taken: list[float] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.stopped.wait(0.01):
            number += 1
            began = time.monotonic()
            with self.database.write() as connection:
                self.waited.append(time.monotonic() - began)
                connection.execute(signing_keys.insert().values(account=f"{number:012}", region=self.name, key=b"key"))
            self.taken.append(time.monotonic() - began)


@contextlib.contextmanager
def other_writer(database):
    writer = OtherWriter(database)
    writer.start()
    try:
        yield writer
    finally:
        writer.stopped.set()
        writer.join()


def quantiles(seconds):
    ordered = sorted(seconds)
    return {
        name: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))
    }


def milliseconds(act, times=30):
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


@pytest.mark.timeout(1800)
def test_a_million_rows(jobs_database, tmp_path):
    clock, limits = SystemClock(), LimitSettings()
    store = JobStore(jobs_database, clock, limits)
    job_id = store.insert(
        NewJob(
            account=OWNER[0], region=OWNER[1], operation="StartLabelDetection", request={}, object=ObjectReference("b", "n"),
            object_etag="", object_bytes=1, models={}, settings={},
        )
    )  # fmt: skip
    measured = {"database": jobs_database.dialect}
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        command = [sys.executable, "-c", textwrap.dedent(WRITER), jobs_database.url, folder, str(ROWS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
            wal, file = 0, Path(jobs_database.engine.url.database or "")
            with other_writer(jobs_database) as other:
                while process.poll() is None:
                    time.sleep(0.2)
                    log = Path(f"{file}-wal")
                    wal = max(wal, log.stat().st_size if log.exists() else 0)
            assert process.returncode == 0
            measured |= json.loads(process.stdout.read())
    measured["lock_ms"] = {"p50": statistics.median(measured["lock_ms"]), "max": measured["lock_ms"][-1]}
    measured["other_writer_ms"] = {"waited": quantiles(other.waited), "in all": quantiles(other.taken)}
    measured["wal_mb"] = wal / 2**20
    measured["file_mb"] = file.stat().st_size / 2**20 if file.exists() else None

    job = store.get(*OWNER, job_id)
    reader = ResultReader(jobs_database)
    pages = {}
    for table, order in LISTINGS:
        assert reader.page(job, table, order, ROWS - 1000, 1000).next_offset is None
        for name, offset in (("first", 0), ("middle", ROWS // 2 + 500), ("last", ROWS - 1000)):
            assert len(reader.page(job, table, order, offset, 1000).rows) == 1000
            pages[f"{table} {order} {name}"] = milliseconds(lambda t=table, o=order, at=offset: reader.page(job, t, o, at, 1000))
    measured["page_ms"] = {name: round(median, 2) for name, median in pages.items()}

    for table, order in LISTINGS:
        number = previous = None
        total, offset = 0, 0
        while offset is not None:
            page = reader.page(job, table, order, offset, 1000)
            offset = page.next_offset
            for line in page.rows:
                row = json.loads(line)
                label = row["Label"]
                number = (
                    (row["Timestamp"], label["Name"]) if order == "TIMESTAMP" else (label["Name"], -label["Confidence"], row["Timestamp"])
                )
                assert previous is None or previous <= number
                previous = number
                total += 1
        assert total == ROWS

    with other_writer(jobs_database) as other:
        began = time.monotonic()
        assert Retention(jobs_database, ManualClock(clock.now() + 8 * 86_400_000), limits).sweep().jobs == 1
        measured["sweep_s"] = time.monotonic() - began
    measured["other_writer_while_sweeping_ms"] = {"waited": quantiles(other.waited), "in all": quantiles(other.taken)}
    print(json.dumps(measured, indent=2))

    assert measured["growth_mb"] < 200
    for table, order in LISTINGS:
        first, last = (pages[f"{table} {order} {name}"] for name in ("first", "last"))
        assert max(first, last) < 1.5 * min(first, last)
    assert measured["wal_mb"] < 64
