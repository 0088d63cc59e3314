"""Stores on each database, jobs to put into them, and a look into the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Table, func, select

from openrek.clock import ManualClock
from openrek.db import Database
from openrek.jobs.claims import Claim, Claims
from openrek.jobs.records import Job, NewJob
from openrek.jobs.results import ResultWriter
from openrek.jobs.store import JobStore
from openrek.observations import ModelFacts
from openrek.settings import LimitSettings
from openrek.video import AudioFacts, ObjectReference, VideoFacts

ACCOUNT, REGION = "000000000000", "eu-west-1"
LEASE = 20
VIDEO = VideoFacts(
    codec="h264",
    format="QuickTime / MOV",
    width=1280,
    height=674,
    rotation=0,
    time_base=Fraction(1, 24000),
    start_pts=0,
    end_pts=119_119,
    frame_rate=Fraction(24000, 1001),
    frames=120,
    duration_millis=5005,
    color_range="LIMITED",
    audio=(AudioFacts("aac", 48_000, 2, 5005),),
)
NEW = NewJob(
    account=ACCOUNT,
    region=REGION,
    operation="StartLabelDetection",
    request={"Video": {"S3Object": {"Bucket": "bucket", "Name": "video.mp4"}}, "MinConfidence": 50},
    object=ObjectReference("bucket", "video.mp4"),
    object_etag='"0123"',
    object_bytes=5_000_000_000,
    models={"objects": ModelFacts("yolox-nano", "ab" * 32, "1.0", "coco", (3, 7))},
    settings={"sampling_rate": "2", "smoothing": True},
    job_tag="DetectingLabels",
    topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:topic",
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/role",
)


@dataclass
class Desk:
    """All that works on one database, and shorthands."""

    database: Database
    clock: ManualClock
    limits: LimitSettings

    def __post_init__(self) -> None:
        self.store = JobStore(self.database, self.clock, self.limits)
        self.claims = Claims(self.database, self.clock, self.limits, LEASE)

    def start(self, name: str = "video.mp4", **changes: Any) -> str:
        """Start a job on the object of this name, a millisecond after the one before."""
        self.clock.advance(milliseconds=1)
        return self.store.insert(replace(NEW, object=ObjectReference("bucket", name), **changes))

    def get(self, job_id: str) -> Job:
        return self.store.get(ACCOUNT, REGION, job_id)

    def claim_one(self, worker: str = "worker") -> Claim:
        (claim,) = self.claims.claim(worker)
        return claim

    def write(self, claim: Claim, rows: Iterable[bytes] = (), table: str = "TIMESTAMPS", order: str = "TIMESTAMP") -> int:
        with ResultWriter(self.database, claim) as writer:
            writer.write(table, order, rows)
        return writer.generation

    def complete(self, claim: Claim, rows: Iterable[bytes] = ()) -> Job:
        self.claims.complete(claim, self.write(claim, rows), VIDEO)
        return self.get(claim.job.id)

    def count(self, table: Table) -> int:
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def rows(self, table: Table) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()]


@pytest.fixture
def open_desk(jobs_database: Database, clock: ManualClock) -> Callable[..., Desk]:
    """A desk with limits of one's own."""
    return lambda **limits: Desk(jobs_database, clock, LimitSettings(**limits))


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    return open_desk(open_jobs=0)


@pytest.fixture
def new() -> NewJob:
    return NEW


@pytest.fixture
def video() -> VideoFacts:
    return VIDEO
