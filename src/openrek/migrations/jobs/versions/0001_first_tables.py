"""The first tables: jobs, start tokens, results, the outbox, signing keys."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


_OPEN = _where("completed_at IS NULL")
_WAITING = _where("due_at IS NOT NULL")


def _owner() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("account", sa.String(12), nullable=False), sa.Column("region", sa.String(64), nullable=False)


def upgrade() -> None:
    op.create_table(
        "generations",
        sa.Column("id", _SERIAL, nullable=False),
        *_owner(),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="generations_pk"),
        sqlite_autoincrement=True,
    )
    op.create_index("generations_job", "generations", ["job_id"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), nullable=False),
        *_owner(),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("job_tag", sa.Text),
        sa.Column("topic_arn", sa.Text),
        sa.Column("role_arn", sa.Text),
        sa.Column("object_bucket", sa.Text, nullable=False),
        sa.Column("object_name", sa.Text, nullable=False),
        sa.Column("object_version", sa.Text),
        sa.Column("object_etag", sa.Text, nullable=False),
        sa.Column("object_bytes", sa.BigInteger, nullable=False),
        sa.Column("location", sa.String(64), nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("status_message", sa.Text),
        sa.Column("last_error", sa.Text),
        sa.Column("video", sa.Text),
        sa.Column("generation", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("completed_at", sa.BigInteger),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("claimable_at", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("errors", sa.Integer, nullable=False),
        sa.Column("alone", sa.Boolean, nullable=False),
        sa.Column("chunks_done", sa.Integer, nullable=False),
        sa.Column("chunks_total", sa.Integer, nullable=False),
        sa.CheckConstraint("(state = 'FAILED') = (status_message IS NOT NULL)", name="jobs_message"),
        sa.CheckConstraint("(state = 'RUNNING') = (worker IS NOT NULL)", name="jobs_worker"),
        sa.CheckConstraint("(state = 'SUCCEEDED') = (generation IS NOT NULL)", name="jobs_generation"),
        sa.CheckConstraint("(state IN ('SUCCEEDED', 'FAILED')) = (completed_at IS NOT NULL)", name="jobs_ended"),
        sa.CheckConstraint("state <> 'SUCCEEDED' OR video IS NOT NULL", name="jobs_video"),
        sa.CheckConstraint("state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED')", name="jobs_state"),
        sa.CheckConstraint("(completed_at IS NULL) = (expires_at IS NULL)", name="jobs_expiry"),
        sa.CheckConstraint("(topic_arn IS NULL) = (role_arn IS NULL)", name="jobs_channel"),
        sa.CheckConstraint("chunks_done >= 0 AND chunks_done <= chunks_total", name="jobs_chunks"),
        sa.CheckConstraint("object_bytes >= 0 AND token >= 0 AND attempt >= 0 AND crashes >= 0 AND errors >= 0", name="jobs_counts"),
        sa.PrimaryKeyConstraint("id", name="jobs_pk"),
    )
    op.create_index("jobs_created", "jobs", ["created_at", "id"])
    op.create_index("jobs_expires", "jobs", ["expires_at"])
    op.create_index("jobs_location", "jobs", ["location", "place", "id"], **_OPEN)
    op.create_index("jobs_open", "jobs", ["account", "region"], **_OPEN)
    op.create_index("jobs_queue", "jobs", ["place", "id"], **_OPEN)
    op.create_table(
        "notifications",
        sa.Column("id", sa.String(36), nullable=False),
        *_owner(),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("topic_arn", sa.Text, nullable=False),
        sa.Column("role_arn", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("published_at", sa.BigInteger),
        sa.CheckConstraint("due_at IS NULL OR published_at IS NULL", name="notifications_done"),
        sa.PrimaryKeyConstraint("id", name="notifications_pk"),
        sa.UniqueConstraint("job_id", name="notifications_once"),
    )
    op.create_index("notifications_due", "notifications", ["attempts", "due_at"], **_WAITING)
    op.create_index("notifications_expires", "notifications", ["expires_at"])
    op.create_table(
        "signing_keys",
        *_owner(),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("account", "region", name="signing_keys_pk"),
    )
    op.create_table(
        "start_tokens",
        *_owner(),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "operation", "token", name="start_tokens_pk"),
    )
    op.create_index("start_tokens_expires", "start_tokens", ["expires_at"])
    op.create_table(
        "listings",
        sa.Column("id", _SERIAL, nullable=False),
        *_owner(),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("rows_of", sa.String(64), nullable=False),
        sa.Column("sorted_by", sa.String(64), nullable=False),
        sa.Column("row_count", sa.BigInteger),
        sa.CheckConstraint("row_count >= 0", name="listings_count"),
        sa.ForeignKeyConstraint(["generation"], ["generations.id"], name="listings_generation_fk"),
        sa.PrimaryKeyConstraint("id", name="listings_pk"),
        sa.UniqueConstraint("generation", "rows_of", "sorted_by", name="listings_once"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "blocks",
        sa.Column("listing", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        *_owner(),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["listing"], ["listings.id"], name="blocks_listing_fk"),
        sa.PrimaryKeyConstraint("listing", "number", name="blocks_pk"),
    )


def downgrade() -> None:
    for table in ("blocks", "listings", "generations", "notifications", "start_tokens", "signing_keys", "jobs"):
        op.drop_table(table)
