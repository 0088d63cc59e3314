"""The worker on real databases and a real clip, in this process; what goes wrong is scripted."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from openrek.clock import ManualClock
from openrek.db import Database
from openrek.engine.runners import HereRunner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import Alive, ChunkAnswer, ChunkTask, IndexAnswer, Task, VideoLimits
from openrek.errors import (
    ChildCrashedError,
    ChildStuckError,
    ChildUnfitError,
    DamagedVideoError,
    ModelNotFoundError,
    ObjectNotFoundError,
    StagingError,
)
from openrek.features.base import Params, Reduction, Row, Table
from openrek.jobs.claims import Claims
from openrek.jobs.records import Job, NewJob
from openrek.jobs.results import ResultReader, ResultWriter
from openrek.jobs.schema import generations, notifications
from openrek.jobs.states import State
from openrek.jobs.store import JobStore
from openrek.media.stage import Room
from openrek.media.stage_folder import FolderSource, LocatedFile
from openrek.observations import Demand, Sampling
from openrek.settings import LimitSettings
from openrek.video import ObjectReference
from openrek.vision.registry import VERSIONS
from openrek.worker import run
from openrek.worker.rows import Rows
from openrek.worker.run import Worker
from openrek.worker.scratch import Scratch
from openrek.worker.staged import StagedVideos

ACCOUNT, REGION = "000000000000", "eu-west-1"
LEASE = 20
LONGEST_BACK_OFF = 300
CHUNKS = 3
MEGABYTE = 1_000_000


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s of nothing much, in three chunks."""
    path = tmp_path_factory.mktemp("worker") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 5, options={"preset": "ultrafast", "x264-params": "keyint=5:scenecut=0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(100):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 2 * number, np.uint8), "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Light:
    """How light it is, a few times a second; breaks where the request says so."""

    noun = member = "Light"
    version = 1
    tables: Mapping[str, Table] = {"ROWS": Table({"TIME": lambda row: (row["pts"],)})}
    resources: tuple[str, ...] = ()

    def __init__(self, name: str, rate: int) -> None:
        self.name = name
        self.demand = Demand("luma-statistics", Sampling("rate", Fraction(rate)))
        self.rate = Fraction(rate)

    def check(self, request: Params) -> None: ...

    def demands(self, request: Params, settings: Mapping[str, Any]) -> tuple[Demand, ...]:
        return (self.demand,)

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        for moment in reduction.observed(self.demand):
            if "broken" in reduction.request and moment.pts:
                raise ArithmeticError("there is no such light")
            yield "ROWS", {"pts": moment.pts, "light": float(moment["mean"][0])}


FEATURES = {"StartLight": Light("light", 1), "StartMoreLight": Light("more-light", 2), "StartPoison": Light("poison", 3)}
Fault = Callable[["Bench", Task, Alive], BaseException | None]


@dataclass
class Bench:
    """A worker that stops when all jobs have ended, and everything that it works with."""

    database: Database
    clock: ManualClock
    folder: Path
    clip: Path
    reserve: int = 0
    faults: list[Fault] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    fetching: Callable[[], None] = lambda: None
    enough: Callable[[], bool] | None = None

    def __post_init__(self) -> None:
        limits = LimitSettings(open_jobs=0)
        self.store = JobStore(self.database, self.clock, limits)
        self.claims = Claims(self.database, self.clock, limits, LEASE)
        self.objects = FolderSource(self)
        self.observations = ObservationStore(self.folder / "observations")
        self.scratch = self.folder / "work/1-own"
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.jobs: list[str] = []
        self.worker = self.new_worker()

    def new_worker(self, name: str = "worker", lease_seconds: float = 3600) -> Worker:
        staged = StagedVideos(self.scratch, self.observations, lambda sha256: ())
        self.here = HereRunner(staged.locate)
        return Worker(
            name=name,
            claims=self.claims,
            rows=Rows(lambda claim: ResultWriter(self.database, claim), lambda feature, row: json.dumps(row).encode()),
            features=FEATURES,
            runner=self,
            staged=staged,
            observations=self.observations,
            objects=self.objects,
            room=Room(0, self.reserve),
            resources=lambda job, names: {},
            versions=VERSIONS,
            limits=VideoLimits(),
            scratch=Scratch(self.scratch),
            width=1,
            lease_seconds=lease_seconds,
            observations_bytes=1000 * MEGABYTE,
            ended=self.ended,
        )

    def run(self, worker: Worker | None = None) -> None:
        """Work until all jobs have ended, or `enough` says so. What waits is not waited for: the clock goes on."""
        self.worker = worker or self.worker
        self.worker.run()
        self.here.close()

    def start(self, operation: str = "StartLight", name: str = "clip.mp4", **request: Any) -> str:
        topic = {"topic_arn": f"arn:aws:sns:{REGION}:{ACCOUNT}:topic", "role_arn": f"arn:aws:iam::{ACCOUNT}:role/role"}
        reference = ObjectReference("bucket", name)
        owner = {"account": ACCOUNT, "region": REGION, "operation": operation, "request": request, "object": reference}
        self.jobs.append(self.store.insert(NewJob(**owner, object_etag="e", object_bytes=1, models={}, settings={}, **topic)))
        return self.jobs[-1]

    def get(self, job_id: str) -> Job:
        return self.store.get(ACCOUNT, REGION, job_id)

    def rows(self, job_id: str) -> list[Row]:
        page = ResultReader(self.database).page(self.get(job_id), "ROWS", "TIME", 0, 1000)
        return [json.loads(row) for row in page.rows]

    def count(self, table: Any) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    @property
    def chunk_tasks(self) -> list[ChunkTask]:
        return [task for task in self.tasks if isinstance(task, ChunkTask)]

    def ended(self) -> None:
        over = self.enough() if self.enough else all(self.get(job_id).completed_at for job_id in self.jobs)
        if over:
            self.worker.stop()
        else:
            self.clock.advance(seconds=LONGEST_BACK_OFF)
            self.worker.wake()

    # A `Locator`.

    def locate(self, reference: ObjectReference) -> LocatedFile:
        self.fetching()
        if reference.name == "gone.mp4":
            raise ObjectNotFoundError
        path = self.folder / reference.name
        if not path.exists():
            path.write_bytes(self.clip.read_bytes())
        return LocatedFile(path, f'"{reference.name}"', path.stat().st_size)

    # A `Runner`.

    width = 1

    def submit(self, task: Task, alive: Alive) -> Future[IndexAnswer | ChunkAnswer]:
        self.tasks.append(task)
        for fault in self.faults:
            error = fault(self, task, alive)
            if error is not None:
                future: Future[IndexAnswer | ChunkAnswer] = Future()
                future.set_exception(error)
                return future
        return self.here.submit(task, alive)

    def close(self) -> None: ...


@pytest.fixture
def bench(jobs_database: Database, clock: ManualClock, tmp_path: Path, small_clip: Path) -> Bench:
    return Bench(jobs_database, clock, tmp_path, small_clip)


def poisoned(error: type[Exception], role_rate: int = 3) -> Fault:
    """Whatever is asked for at this rate brings its process down."""

    def fault(_: Bench, task: Task, alive: Alive) -> BaseException | None:
        if isinstance(task, ChunkTask) and any(o.demand.sampling.rate == role_rate for o in task.observables):
            return error("The process that reads the video ended by signal 11.")
        return None

    return fault


class TestPasses:
    def test_jobs_on_one_object_share_one(self, bench: Bench) -> None:
        jobs = [bench.start(), bench.start("StartMoreLight"), bench.start()]
        bench.run()
        assert [bench.get(job_id).state for job_id in jobs] == [State.SUCCEEDED] * 3
        assert [len(bench.rows(job_id)) for job_id in jobs] == [20, 40, 20]
        assert bench.rows(jobs[0]) == bench.rows(jobs[2])
        assert len(bench.chunk_tasks) == CHUNKS
        assert bench.count(notifications) == 3
        assert not list(bench.scratch.iterdir())

    def test_what_was_observed_is_not_observed_again(self, bench: Bench) -> None:
        first = bench.start()
        bench.run()
        bench.tasks.clear()
        second, third = bench.start(), bench.start("StartMoreLight")
        bench.run(bench.new_worker())
        assert bench.rows(second) == bench.rows(first)
        assert len(bench.rows(third)) == 40
        assert len(bench.tasks) == CHUNKS  # the packets are not read again either
        assert {o.demand.sampling.rate for task in bench.chunk_tasks for o in task.observables} == {Fraction(2)}

    def test_progress_is_told(self, bench: Bench) -> None:
        seen: list[tuple[int, int]] = []

        def look(bench: Bench, task: Task, alive: Alive) -> None:
            job = bench.get(bench.jobs[0])
            seen.append((job.chunks_done, job.chunks_total))

        bench.faults.append(look)
        job = bench.start()
        bench.run()
        assert seen == [(0, 0), (0, 3), (1, 3), (2, 3)]
        assert (bench.get(job).chunks_done, bench.get(job).chunks_total) == (3, 3)


class TestTrouble:
    @pytest.mark.parametrize("error", [ChildCrashedError, ChildStuckError])
    def test_a_crash_is_counted_and_the_neighbours_go_on_alone(self, error: type[Exception], bench: Bench) -> None:
        bench.faults.append(poisoned(error))
        light, poison, more = bench.start(), bench.start("StartPoison"), bench.start("StartMoreLight")
        bench.run()
        assert [bench.get(job_id).state for job_id in (light, poison, more)] == [State.SUCCEEDED, State.FAILED, State.SUCCEEDED]
        assert [bench.get(job_id).crashes for job_id in (light, poison, more)] == [1, 3, 1]
        assert bench.get(poison).status_message == "The process that reads the video ended by signal 11."
        assert bench.get(light).errors == 0
        assert (len(bench.rows(light)), len(bench.rows(more))) == (20, 40)
        assert bench.count(notifications) == 3

    @pytest.mark.allows_errors
    @pytest.mark.parametrize("error", [ChildUnfitError, ModelNotFoundError])
    def test_what_is_missing_here_is_not_the_videos_fault_and_harms_no_neighbour(self, error: type[Exception], bench: Bench) -> None:
        bench.faults.append(poisoned(error))
        light, poison, more = bench.start(), bench.start("StartPoison"), bench.start("StartMoreLight")
        bench.run()
        assert [bench.get(job_id).state for job_id in (light, poison, more)] == [State.SUCCEEDED, State.FAILED, State.SUCCEEDED]
        assert [(bench.get(job_id).errors, bench.get(job_id).crashes) for job_id in (light, poison, more)] == [(1, 0), (5, 0), (1, 0)]
        assert (
            bench.get(poison).status_message
            == f"5 attempts failed, the last one with: {error('The process that reads the video ended by signal 11.')}"
        )
        assert bench.count(notifications) == 3

    @pytest.mark.allows_errors
    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (
                OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/openrek/observations/x"),
                "its disk or network: No space left on device.",
            ),
            (OperationalError("UPDATE jobs SET secret = ?", ("secret",), Exception("locked")), "its database."),
        ],
    )
    def test_owners_hear_nothing_of_folders_and_statements(self, error: Exception, told: str, bench: Bench) -> None:
        bench.faults.append(lambda *_: error)
        job = bench.start()
        bench.run()
        assert bench.get(job).status_message == f"5 attempts failed, the last one with: The worker met an error of {told}"

    def test_a_crash_that_does_not_come_again_does_no_harm(self, bench: Bench) -> None:
        def once(bench: Bench, task: Task, alive: Alive) -> BaseException | None:
            return ChildCrashedError() if len(bench.tasks) == 3 else None

        bench.faults.append(once)
        job = bench.start()
        bench.run()
        assert (bench.get(job).state, bench.get(job).crashes, len(bench.rows(job))) == (State.SUCCEEDED, 1, 20)
        assert len(bench.chunk_tasks) == CHUNKS + 1  # it went on behind its first chunk

    def test_a_video_that_cannot_be_read_fails_its_jobs_at_once(self, bench: Bench) -> None:
        def unreadable(bench: Bench, task: Task, alive: Alive) -> BaseException | None:
            return DamagedVideoError("Nothing can be read.") if task.object.name == "bad.mp4" else None

        bench.faults.append(unreadable)
        good = bench.start()
        bad = [bench.start(name="bad.mp4"), bench.start("StartMoreLight", name="bad.mp4")]
        bench.run()
        assert bench.get(good).state is State.SUCCEEDED
        for job_id in bad:
            job = bench.get(job_id)
            assert (job.state, job.status_message, job.attempt, job.errors, job.crashes) == (State.FAILED, "Nothing can be read.", 1, 0, 0)

    def test_an_object_that_has_gone_fails_its_jobs_at_once(self, bench: Bench) -> None:
        job = bench.start(name="gone.mp4")
        bench.run()
        assert bench.get(job).state is State.FAILED
        assert bench.get(job).status_message == "The object does not exist or may not be read."

    @pytest.mark.allows_errors
    def test_a_feature_that_breaks_is_tried_five_times_and_harms_no_other(self, bench: Bench) -> None:
        broken, light = bench.start(broken=True), bench.start()
        bench.run()
        assert bench.get(light).state is State.SUCCEEDED
        assert bench.get(light).attempt == 1
        job = bench.get(broken)
        assert (job.state, job.errors, job.attempt, job.crashes) == (State.FAILED, 5, 5, 0)
        assert job.status_message == "5 attempts failed, the last one with: ArithmeticError: there is no such light"
        assert len(bench.chunk_tasks) == CHUNKS
        assert bench.count(generations) == 1  # of the good one

    @pytest.mark.allows_errors
    def test_a_disk_that_is_full_is_waited_for(self, bench: Bench) -> None:
        full = iter([True] * 3 + [False] * 1000)

        def fetching() -> None:
            if next(full):
                raise StagingError("The worker's disk is too full.")

        bench.fetching = fetching
        job = bench.start()
        bench.run()
        assert (bench.get(job).state, bench.get(job).errors, bench.get(job).attempt) == (State.SUCCEEDED, 3, 4)

    @pytest.mark.allows_errors
    def test_a_disk_that_stays_full_fails_the_job_with_a_sentence(
        self, jobs_database: Database, clock: ManualClock, tmp_path: Path, small_clip: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

        monkeypatch.setattr(os, "link", refuse)
        monkeypatch.setattr("fcntl.ioctl", refuse)
        bench = Bench(jobs_database, clock, tmp_path, small_clip, reserve=10**18)
        job = bench.start()
        bench.run()
        assert bench.get(job).state is State.FAILED
        message = bench.get(job).status_message or ""
        assert message.startswith("5 attempts failed, the last one with: The worker's disk is too full: the video takes ")
        assert message.endswith(" are free. Make room and start again.")
        assert "1e+06 TB must stay free" in message
        assert not list(bench.scratch.iterdir())

    @pytest.mark.allows_errors
    def test_a_database_that_does_not_answer_is_waited_for(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        claim, calls = bench.claims.claim, iter(range(1000))

        def flaky(name: str) -> Any:
            if next(calls) < 1:
                raise ConnectionError("the server is gone")
            return claim(name)

        monkeypatch.setattr(bench.claims, "claim", flaky)
        job = bench.start()
        threading.Timer(0.05, bench.worker.wake).start()
        bench.run()
        assert bench.get(job).state is State.SUCCEEDED


class TestRoom:
    def test_observations_of_others_go_when_there_is_no_room(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "TIDY_EVERY", 0.01)
        old = bench.observations.root / "ab" / ("ab" * 32)
        old.mkdir(parents=True)
        (old / "index").write_bytes(bytes(1000))

        def wait(bench: Bench, task: Task, alive: Alive) -> None:
            if len(bench.chunk_tasks) == 2:
                swept.wait(30)

        swept = threading.Event()
        sweep = bench.observations.sweep

        def watched(most_bytes: int, in_use: Callable[[str], bool]) -> int:
            freed = sweep(0, in_use)
            if len(bench.chunk_tasks) == 2:
                swept.set()
            return freed

        monkeypatch.setattr(bench.observations.__class__, "sweep", lambda self, most_bytes, in_use: watched(most_bytes, in_use))
        bench.faults.append(wait)
        job = bench.start()
        bench.run()
        assert swept.is_set()
        assert not old.exists()
        assert (bench.get(job).state, bench.get(job).attempt, len(bench.rows(job))) == (State.SUCCEEDED, 1, 20)

    def test_what_other_workers_have_left_goes_while_this_one_works(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "TIDY_EVERY", 0.01)
        left = bench.scratch.with_name("2-other")
        left.mkdir()

        def wait(bench: Bench, task: Task, alive: Alive) -> None:
            deadline = time.monotonic() + 30
            while left.exists() and time.monotonic() < deadline:
                time.sleep(0.01)

        bench.faults.append(wait)
        job = bench.start()
        bench.run()
        assert not left.exists()
        assert bench.get(job).state is State.SUCCEEDED

    def test_leases_are_renewed_while_it_takes_long_to_tidy(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run, "TIDY_EVERY", 0.001)
        tidying, renewed, over = threading.Event(), threading.Event(), threading.Event()
        heartbeat = bench.claims.heartbeat

        def slow(*_: Any) -> int:
            tidying.set()
            over.wait(60)
            return 0

        def beat(claims: Any) -> Any:
            if tidying.is_set():
                renewed.set()
            return heartbeat(claims)

        def wait(bench: Bench, task: Task, alive: Alive) -> None:
            assert renewed.wait(30)
            over.set()

        monkeypatch.setattr(bench.observations.__class__, "sweep", slow)
        monkeypatch.setattr(bench.claims, "heartbeat", beat)
        bench.faults.append(wait)
        job = bench.start()
        bench.run(bench.new_worker(lease_seconds=0.05))
        assert bench.get(job).state is State.SUCCEEDED


class TestLeases:
    def test_a_job_that_another_worker_took_is_let_go(self, bench: Bench) -> None:
        taken: list[Any] = []

        def steal(bench: Bench, task: Task, alive: Alive) -> None:
            if isinstance(task, ChunkTask) and not taken:
                bench.clock.advance(seconds=LEASE)
                taken.extend(bench.claims.claim("other"))

        bench.faults.append(steal)
        job = bench.start()
        bench.enough = lambda: True
        bench.run()
        assert [claim.job.id for claim in taken] == [job]
        assert (bench.get(job).state, bench.get(job).worker, bench.get(job).attempt) == (State.RUNNING, "other", 2)
        assert (bench.count(generations), bench.count(notifications)) == (0, 0)
        assert len(bench.chunk_tasks) < CHUNKS

    def test_one_of_two_jobs_that_was_taken_does_not_stop_the_other(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = bench.start(), bench.start("StartMoreLight")
        claimed = []
        claim = bench.claims.claim
        monkeypatch.setattr(bench.claims, "claim", lambda name: claimed.extend(taken := claim(name)) or taken)

        def steal(bench: Bench, task: Task, alive: Alive) -> None:
            if len(bench.chunk_tasks) == 1:
                bench.claims.release([claim for claim in claimed if claim.job.id == first])
                bench.claims.claim("other")

        bench.faults.append(steal)
        bench.enough = lambda: bool(bench.get(second).completed_at)
        bench.run()
        assert bench.get(second).state is State.SUCCEEDED
        assert (bench.get(first).state, bench.get(first).worker) == (State.RUNNING, "other")

    def test_stopping_gives_jobs_back_and_the_next_worker_goes_on(self, bench: Bench) -> None:
        def stop(bench: Bench, task: Task, alive: Alive) -> None:
            if len(bench.chunk_tasks) == 2:
                bench.worker.stop()

        bench.faults.append(stop)
        jobs = [bench.start(), bench.start("StartMoreLight")]
        bench.clock.advance(milliseconds=1)  # else chance decides which of them waits
        waiting = bench.start(name="other.mp4")
        bench.run()
        for job_id in (*jobs, waiting):
            job = bench.get(job_id)
            assert (job.state, job.worker, job.errors, job.crashes) == (State.QUEUED, None, 0, 0)
        assert [bench.get(job_id).attempt for job_id in (*jobs, waiting)] == [1, 1, 0]
        observed = len(bench.chunk_tasks) - 1
        bench.tasks.clear()
        bench.faults.clear()
        bench.run(bench.new_worker("second"))
        assert [bench.get(job_id).state for job_id in (*jobs, waiting)] == [State.SUCCEEDED] * 3
        assert len([task for task in bench.chunk_tasks if task.object.name == "clip.mp4"]) == CHUNKS - observed
        assert bench.count(notifications) == 3

    def test_a_heartbeat_renews_the_lease(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        worker = bench.new_worker(lease_seconds=0.05)
        renewed = threading.Event()
        heartbeat = bench.claims.heartbeat

        def beat(claims: Any) -> Any:
            held = heartbeat(claims)
            renewed.set()
            return held

        monkeypatch.setattr(bench.claims, "heartbeat", beat)

        def wait(bench: Bench, task: Task, alive: Alive) -> None:
            if isinstance(task, ChunkTask):
                bench.clock.advance(seconds=LEASE - 1)
                renewed.clear()
                assert renewed.wait(30)

        bench.faults.append(wait)
        job = bench.start()
        bench.run(worker)
        assert (bench.get(job).state, bench.get(job).attempt) == (State.SUCCEEDED, 1)
