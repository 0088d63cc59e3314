"""The tables of the job database. The migrations make them; a test compares the two.

Times are milliseconds since 1970 (`openrek.clock`). Structured values are JSON in a text, so that they are read back byte for byte.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(naming_convention={"pk": "%(table_name)s_pk", "fk": "%(table_name)s_%(column_0_name)s_fk"})

_serial = BigInteger().with_variant(Integer, "sqlite")


def _owner() -> tuple[Column[str], Column[str]]:
    return Column("account", String(12), nullable=False), Column("region", String(64), nullable=False)


jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    *_owner(),
    Column("operation", String(64), nullable=False),
    Column("request", Text, nullable=False),
    Column("job_tag", Text),
    Column("topic_arn", Text),
    Column("role_arn", Text),
    Column("object_bucket", Text, nullable=False),
    Column("object_name", Text, nullable=False),
    Column("object_version", Text),
    Column("object_etag", Text, nullable=False),
    Column("object_bytes", BigInteger, nullable=False),
    Column("location", String(64), nullable=False),
    Column("models", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("status_message", Text),
    Column("last_error", Text),
    Column("video", Text),
    Column("generation", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("place", BigInteger, nullable=False),
    Column("claimable_at", BigInteger, nullable=False),
    Column("worker", Text),
    Column("token", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("chunks_done", Integer, nullable=False),
    Column("chunks_total", Integer, nullable=False),
    CheckConstraint("state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED')", name="jobs_state"),
    CheckConstraint("(state IN ('SUCCEEDED', 'FAILED')) = (completed_at IS NOT NULL)", name="jobs_ended"),
    CheckConstraint("(completed_at IS NULL) = (expires_at IS NULL)", name="jobs_expiry"),
    CheckConstraint("(state = 'RUNNING') = (worker IS NOT NULL)", name="jobs_worker"),
    CheckConstraint("(state = 'SUCCEEDED') = (generation IS NOT NULL)", name="jobs_generation"),
    CheckConstraint("state <> 'SUCCEEDED' OR video IS NOT NULL", name="jobs_video"),
    CheckConstraint("(state = 'FAILED') = (status_message IS NOT NULL)", name="jobs_message"),
    CheckConstraint("(topic_arn IS NULL) = (role_arn IS NULL)", name="jobs_channel"),
    CheckConstraint("object_bytes >= 0 AND token >= 0 AND attempt >= 0 AND crashes >= 0 AND errors >= 0", name="jobs_counts"),
    CheckConstraint("chunks_done >= 0 AND chunks_done <= chunks_total", name="jobs_chunks"),
)
"""One row a job.

location
    Hash of account, region, bucket, name and version: jobs with the same one share a pass.
place
    The queue's order: the moment of the start, later once the job has gone down with its workers too often.
claimable_at
    The end of the lease while a job is running, the end of the back-off while it is queued.
token
    The fencing token of the latest claim; every claim raises it.
alone
    It shared a pass that crashed and shares none any more.
"""

_open = jobs.c.completed_at.is_(None)
Index("jobs_open", jobs.c.account, jobs.c.region, sqlite_where=_open, postgresql_where=_open)
Index("jobs_queue", jobs.c.place, jobs.c.id, sqlite_where=_open, postgresql_where=_open)
Index("jobs_location", jobs.c.location, jobs.c.place, jobs.c.id, sqlite_where=_open, postgresql_where=_open)
Index("jobs_created", jobs.c.created_at, jobs.c.id)
Index("jobs_expires", jobs.c.expires_at)

start_tokens = Table(
    "start_tokens",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("operation", String(64), primary_key=True),
    Column("token", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
"""A ClientRequestToken, the hash of the parameters that it came with, and the job that they started, which may be gone already."""

Index("start_tokens_expires", start_tokens.c.expires_at)

generations = Table(
    "generations",
    metadata,
    Column("id", _serial, primary_key=True),
    *_owner(),
    Column("job_id", String(64), nullable=False),
    Column("token", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""All rows that one claim wrote for a job. They are visible once the job's row names the generation."""

Index("generations_job", generations.c.job_id)

listings = Table(
    "listings",
    metadata,
    Column("id", _serial, primary_key=True),
    *_owner(),
    Column("generation", BigInteger, ForeignKey("generations.id"), nullable=False),
    Column("rows_of", String(64), nullable=False),
    Column("sorted_by", String(64), nullable=False),
    Column("row_count", BigInteger),
    UniqueConstraint("generation", "rows_of", "sorted_by", name="listings_once"),
    CheckConstraint("row_count >= 0", name="listings_count"),
    sqlite_autoincrement=True,
)
"""One table of a generation in one order. `row_count` is known when it has been written to its end."""

blocks = Table(
    "blocks",
    metadata,
    Column("listing", BigInteger, ForeignKey("listings.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    *_owner(),
    Column("data", LargeBinary, nullable=False),
)
"""A thousand rows, the last block fewer."""

notifications = Table(
    "notifications",
    metadata,
    Column("id", String(36), primary_key=True),
    *_owner(),
    Column("job_id", String(64), nullable=False),
    Column("topic_arn", Text, nullable=False),
    Column("role_arn", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("published_at", BigInteger),
    UniqueConstraint("job_id", name="notifications_once"),
    CheckConstraint("due_at IS NULL OR published_at IS NULL", name="notifications_done"),
)
"""The outbox. `due_at` is the next try; without one and without `published_at` the relay has given up."""

_waiting = notifications.c.due_at.is_not(None)
Index("notifications_due", notifications.c.attempts, notifications.c.due_at, sqlite_where=_waiting, postgresql_where=_waiting)
Index("notifications_expires", notifications.c.expires_at)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("account", String(12), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("key", LargeBinary, nullable=False),
)
"""What page tokens are signed with."""
