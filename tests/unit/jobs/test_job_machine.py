"""A model of jobs and workers, against the store: whatever happens in whatever order, each job ends once and tells so once."""

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from openrek.clock import ManualClock
from openrek.db import Database
from openrek.errors import LeaseLostError, TooManyJobsError
from openrek.jobs.claims import BACK_OFF, CRASHES, ERRORS, PATIENCE
from openrek.jobs.outbox import Relay
from openrek.jobs.results import ResultReader, ResultWriter
from openrek.jobs.retention import Retention
from openrek.jobs.schema import generations, notifications
from openrek.jobs.states import OPEN, State
from openrek.settings import LimitSettings

LEASE_MS = 20_000
OPEN_JOBS = 6


@dataclass
class Model:
    """What the test expects of a job."""

    name: str
    channel: bool
    place: int
    claimable_at: int
    state: State = State.QUEUED
    token: int = 0
    alone: bool = False
    crashes: int = 0
    errors: int = 0
    rows: list[bytes] = field(default_factory=list)


class Jobs(RuleBasedStateMachine):
    template: Path
    make_desk: type

    claims = Bundle("claims")

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copyfile(self.template, self.folder / "jobs.db")
        self.clock = ManualClock()
        self.database = Database(f"sqlite:///{self.folder / 'jobs.db'}", "jobs")
        self.desk = self.make_desk(self.database, self.clock, LimitSettings(open_jobs=OPEN_JOBS))
        self.jobs = {}
        self.published = []
        self.broken = False
        self.relay = Relay(self.database, self, self.clock, jitter=lambda: 1.0)

    def teardown(self):
        """Whatever has happened, the jobs that are left complete, and everybody is told once."""
        try:
            self.broken = False
            for _ in range(len(self.jobs)):
                self.clock.advance(seconds=300)
                for claim in self.take():
                    self.finish(claim, 1)
            assert not any(job.state in OPEN for job in self.jobs.values())
            self.clock.advance(seconds=600)
            self.relay.run_once()
            self.the_store_is_as_expected()
            self.only_completed_rows_are_seen()
            told = [json.loads(publication.message)["JobId"] for publication in self.published]
            assert sorted(told) == sorted(job_id for job_id, job in self.jobs.items() if job.channel)
        finally:
            self.database.close()
            shutil.rmtree(self.folder)

    def publish(self, publication):
        if self.broken:
            raise ConnectionError
        self.published.append(publication)

    def holder(self, claim):
        """The model of a claim's job if the claim holds."""
        job = self.jobs[claim.job.id]
        return job if job.state is State.RUNNING and job.token == claim.token else None

    def act(self, claim, act):
        """Do what only the holder may do; the model if it was allowed."""
        job = self.holder(claim)
        if job is None:
            with pytest.raises(LeaseLostError):
                act()
        else:
            act()
        return job

    def queue(self, job, after=0):
        job.state, job.claimable_at = State.QUEUED, self.clock.now() + after

    def take(self):
        now = self.clock.now()
        waiting = sorted((job.place, job_id) for job_id, job in self.jobs.items() if job.state in OPEN and job.claimable_at <= now)
        group = [job_id for _, job_id in waiting]
        if group:
            head = self.jobs[group[0]]
            together = [job_id for job_id in group[1:] if self.jobs[job_id].name == head.name and not self.jobs[job_id].alone]
            group = [group[0], *([] if head.alone else together)]
        claims = self.desk.claims.claim("worker")
        assert {claim.job.id for claim in claims} == set(group)
        for claim in claims:
            job = self.jobs[claim.job.id]
            if job.state is State.RUNNING and job.token >= PATIENCE:
                job.place = now
            job.state, job.claimable_at, job.token = State.RUNNING, now + LEASE_MS, job.token + 1
            assert claim.token == job.token
        return claims

    def finish(self, claim, count):
        rows = [b"%d" % number for number in range(count)]
        job = self.act(claim, lambda: self.desk.complete(claim, rows))
        if job:
            job.state, job.rows = State.SUCCEEDED, rows

    @rule(name=st.sampled_from("ab"), channel=st.booleans())
    def start(self, name, channel):
        changes = {} if channel else {"topic_arn": None, "role_arn": None}
        if sum(job.state in OPEN for job in self.jobs.values()) >= OPEN_JOBS:
            with pytest.raises(TooManyJobsError):
                self.desk.start(name, **changes)
        else:
            job_id = self.desk.start(name, **changes)
            self.jobs[job_id] = Model(name, channel, self.clock.now(), self.clock.now())

    @rule(target=claims)
    def claim(self):
        return multiple(*self.take())

    @rule(seconds=st.sampled_from([0.5, 5, 19.999, 20, 300]))
    def wait(self, seconds):
        self.clock.advance(seconds=seconds)

    @rule(claim=claims)
    def heartbeat(self, claim):
        job = self.holder(claim)
        assert self.desk.claims.heartbeat([claim]) == ([claim] if job else [])
        if job:
            job.claimable_at = self.clock.now() + LEASE_MS

    @rule(claim=claims, done=st.integers(0, 5))
    def progress(self, claim, done):
        self.act(claim, lambda: self.desk.claims.progress(claim, done, 5))

    @rule(claim=claims)
    def release(self, claim):
        job = self.holder(claim)
        self.desk.claims.release([claim])
        if job:
            self.queue(job)

    @rule()
    def worker_dies(self):
        self.desk.claims.release_worker("work")
        for job in self.jobs.values():
            if job.state is State.RUNNING:
                job.claimable_at = self.clock.now()

    @rule(claim=claims)
    def exception(self, claim):
        job = self.act(claim, lambda: self.desk.claims.retry_later(claim, "It did not work."))
        if job:
            job.errors += 1
            if job.errors == ERRORS:
                job.state = State.FAILED
            else:
                self.queue(job, BACK_OFF[job.errors - 1])

    @rule(crashed=st.lists(claims, min_size=1, max_size=3, unique_by=lambda claim: claim.job.id))
    def crash(self, crashed):
        held = [job for job in map(self.holder, crashed) if job]
        self.desk.claims.record_crash(crashed, "It crashed.")
        for job in held:
            job.crashes, job.alone = job.crashes + 1, True
            if job.crashes == CRASHES:
                job.state = State.FAILED
            else:
                self.queue(job)

    @rule(claim=claims)
    def fail(self, claim):
        job = self.act(claim, lambda: self.desk.claims.fail(claim, "The video is empty."))
        if job:
            job.state = State.FAILED

    @rule(claim=claims, count=st.sampled_from([0, 1, 1001]))
    def complete(self, claim, count):
        self.finish(claim, count)

    @rule(claim=claims)
    def write_and_die(self, claim):
        self.act(claim, lambda: ResultWriter(self.database, claim).write("TIMESTAMPS", "TIMESTAMP", [b"orphan"]))

    @rule(broken=st.booleans())
    def deliver(self, broken):
        self.broken = broken
        self.relay.run_once()

    @rule()
    def sweep(self):
        Retention(self.database, self.clock, self.desk.limits).sweep()
        kept = self.desk.rows(generations)
        visible = {job.generation for job in self.desk.store.list() if job.generation is not None}
        assert visible <= {row["id"] for row in kept}
        for row in kept:
            job = self.jobs[row["job_id"]]
            assert row["id"] in visible or (job.state is State.RUNNING and job.token == row["token"])

    @invariant()
    def the_store_is_as_expected(self):
        stored = {job.id: (job.state, job.attempt, job.crashes, job.errors) for job in self.desk.store.list(limit=1000)}
        assert stored == {job_id: (job.state, job.token, job.crashes, job.errors) for job_id, job in self.jobs.items()}
        told = [json.loads(row["message"]) for row in self.desk.rows(notifications)]
        ended = {job_id: job.state for job_id, job in self.jobs.items() if job.channel and job.state not in OPEN}
        assert len(told) == len(ended)
        assert {body["JobId"]: body["Status"] for body in told} == ended

    @invariant()
    def only_completed_rows_are_seen(self):
        reader = ResultReader(self.database)
        for job_id, expected in self.jobs.items():
            page = reader.page(self.desk.get(job_id), "TIMESTAMPS", "TIMESTAMP", 0, 1000)
            assert page.rows == expected.rows[:1000]
            assert page.next_offset == (1000 if len(expected.rows) > 1000 else None)


@pytest.mark.timeout(900)  # a failure takes its time to become small
@pytest.mark.parametrize("jobs_database", ["sqlite"], indirect=True)
def test_jobs_behave_as_their_model(desk):
    Jobs.template = Path(desk.database.engine.url.database)
    Jobs.make_desk = type(desk)
    run_state_machine_as_test(Jobs, settings=settings(deadline=None, max_examples=40, stateful_step_count=40))
