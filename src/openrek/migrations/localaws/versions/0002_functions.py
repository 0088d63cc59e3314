"""Functions and their waiting events, logs, deliveries to HTTP endpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ended_subscriptions",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("topic_arn", sa.Text(), nullable=False),
        sa.Column("subscription", sa.JSON(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_ended_subscriptions")),
    )
    op.create_index("ix_ended_subscriptions_ended_at", "ended_subscriptions", ["ended_at"], unique=False)
    op.create_table(
        "functions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("statements", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("published", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_functions")),
        sa.UniqueConstraint("account", "region", "name", name=op.f("uq_functions_account_region_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "log_groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_groups")),
        sa.UniqueConstraint("account", "region", "name", name=op.f("uq_log_groups_account_region_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "posts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("topic_arn", sa.Text(), nullable=False),
        sa.Column("subscription_arn", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("pauses", sa.JSON(), nullable=False),
        sa.Column("dead_letters", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_posts_due_at", "posts", ["due_at"], unique=False)
    op.create_index("ix_posts_subscription_arn", "posts", ["subscription_arn"], unique=False)
    op.create_table(
        "function_versions",
        sa.Column("function_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["function_id"], ["functions.id"], name=op.f("fk_function_versions_function_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("function_id", "number", name=op.f("pk_function_versions")),
    )
    op.create_table(
        "invocations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("function_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("arn", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("client_context", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["function_id"], ["functions.id"], name=op.f("fk_invocations_function_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invocations")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_invocations_due", "invocations", ["function_id", "due_at"], unique=False)
    op.create_table(
        "log_streams",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=True),
        sa.Column("ingested_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["log_groups.id"], name=op.f("fk_log_streams_group_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_streams")),
        sa.UniqueConstraint("group_id", "name", name=op.f("uq_log_streams_group_id_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "log_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ingested_at", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["log_groups.id"], name=op.f("fk_log_events_group_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["stream_id"], ["log_streams.id"], name=op.f("fk_log_events_stream_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_log_events_group", "log_events", ["group_id", "at", "id"], unique=False)
    op.create_index("ix_log_events_stream", "log_events", ["stream_id", "at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_log_events_stream", table_name="log_events")
    op.drop_index("ix_log_events_group", table_name="log_events")
    op.drop_table("log_events")
    op.drop_table("log_streams")
    op.drop_index("ix_invocations_due", table_name="invocations")
    op.drop_table("invocations")
    op.drop_table("function_versions")
    op.drop_index("ix_posts_subscription_arn", table_name="posts")
    op.drop_index("ix_posts_due_at", table_name="posts")
    op.drop_table("posts")
    op.drop_table("log_groups")
    op.drop_table("functions")
    op.drop_index("ix_ended_subscriptions_ended_at", table_name="ended_subscriptions")
    op.drop_table("ended_subscriptions")
