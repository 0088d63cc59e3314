"""Tables of the embedded SNS, SQS, IAM, STS, Lambda and CloudWatch Logs; their own SQLite file, touched by the server process alone.

Times are milliseconds since 1970 UTC. Everything belongs to an account; all but identities also to a region.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

secrets = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
"""Keys that the server made for itself: for receipt handles, for signatures of notifications."""

queues = sa.Table(
    "queues",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("modified_at", sa.BigInteger, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)
"""Ids are never used again, so a receipt handle of a deleted queue stays foreign to one of the same name."""

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("queue_id", sa.ForeignKey("queues.id", ondelete="CASCADE"), nullable=False),
    sa.Column("sent_at", sa.BigInteger, nullable=False),
    sa.Column("visible_at", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("receives", sa.Integer, nullable=False),
    sa.Column("first_received_at", sa.BigInteger),
    sa.Column("received_at", sa.BigInteger),
    sa.Column("receipt", sa.LargeBinary),
    sa.Column("origin", sa.Text),
    sa.Index("ix_messages_due", "queue_id", "visible_at", "sent_at", "attempts"),
    sa.Index("ix_messages_sent", "queue_id", "sent_at"),
    sqlite_autoincrement=True,
)
"""What changes about a message. `attempts` counts receives from this queue, `receives` from all queues; `receipt` is the latest
receive; `origin` is the ARN of the queue that gave the message up."""

contents = sa.Table(
    "contents",
    metadata,
    sa.Column("id", sa.ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("body_md5", sa.Text, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("system", sa.JSON, nullable=False),
)
"""What never changes about a message; apart, so that a receive does not rewrite a megabyte."""

moves = sa.Table(
    "moves",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source_id", sa.ForeignKey("queues.id", ondelete="CASCADE"), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("destination", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("failure", sa.Text),
    sa.Column("wanted", sa.Integer, nullable=False),
    sa.Column("moved", sa.Integer, nullable=False),
    sa.Column("started_at", sa.BigInteger, nullable=False),
    sa.Index("ix_moves_source_id", "source_id", "started_at"),
    sqlite_autoincrement=True,
)

topics = sa.Table(
    "topics",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("unsubscribed", sa.Integer, nullable=False),
    sa.UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("topic_id", sa.ForeignKey("topics.id", ondelete="CASCADE"), nullable=False),
    sa.Column("arn", sa.Text, nullable=False, unique=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("topic_arn", sa.Text, nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Column("confirmed", sa.Boolean, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.UniqueConstraint("topic_id", "protocol", "endpoint"),
    sa.Index("ix_subscriptions_account_region", "account", "region"),
    sqlite_autoincrement=True,
)

publications = sa.Table(
    "publications",
    metadata,
    sa.Column("topic_id", sa.ForeignKey("topics.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("publication_id", sa.Text, primary_key=True),
    sa.Column("message_id", sa.Text, nullable=False),
    sa.Column("published_at", sa.BigInteger, nullable=False),
    sa.Index("ix_publications_published_at", "published_at"),
)
"""Publications that name themselves, so that a repetition is recognised."""

principals = sa.Table(
    "principals",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("folded", sa.Text, nullable=False),
    sa.Column("unique_id", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("boundary", sa.Text),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("trust", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("max_session", sa.Integer),
    sa.UniqueConstraint("account", "kind", "folded"),
    sqlite_autoincrement=True,
)
"""Roles and users. Names are unique whatever their case."""

inline_policies = sa.Table(
    "inline_policies",
    metadata,
    sa.Column("principal_id", sa.ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("arn", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("folded", sa.Text, nullable=False),
    sa.Column("unique_id", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("default_version", sa.Integer, nullable=False),
    sa.Column("last_version", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.UniqueConstraint("account", "folded"),
    sqlite_autoincrement=True,
)

policy_versions = sa.Table(
    "policy_versions",
    metadata,
    sa.Column("policy_id", sa.ForeignKey("policies.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("principal_id", sa.ForeignKey("principals.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("policy_arn", sa.Text, primary_key=True),
    sa.Index("ix_attachments_policy_arn", "policy_arn"),
)
"""By ARN, because the policies that AWS manages have no row."""

access_keys = sa.Table(
    "access_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("principal_id", sa.ForeignKey("principals.id", ondelete="CASCADE"), nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Index("ix_access_keys_principal_id", "principal_id"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("principal", sa.Text, nullable=False),
    sa.Column("unique_id", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("expires_at", sa.BigInteger, nullable=False),
    sa.Index("ix_sessions_expires_at", "expires_at"),
)
"""Temporary credentials that STS gave out, by access key id."""

ended_subscriptions = sa.Table(
    "ended_subscriptions",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("topic_arn", sa.Text, nullable=False),
    sa.Column("subscription", sa.JSON, nullable=False),
    sa.Column("ended_at", sa.BigInteger, nullable=False),
    sa.Index("ix_ended_subscriptions_ended_at", "ended_at"),
)
"""Subscriptions of HTTP endpoints that somebody ended: for a while, the token brings them back."""

posts = sa.Table(
    "posts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("topic_arn", sa.Text, nullable=False),
    sa.Column("subscription_arn", sa.Text, nullable=False),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("headers", sa.JSON, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("pauses", sa.JSON, nullable=False),
    sa.Column("dead_letters", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Index("ix_posts_due_at", "due_at"),
    sa.Index("ix_posts_subscription_arn", "subscription_arn"),
    sqlite_autoincrement=True,
)
"""What is on its way to HTTP endpoints. `pauses` are the seconds before each further attempt; `dead_letters` is a queue's ARN."""

functions = sa.Table(
    "functions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("statements", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("published", sa.Integer, nullable=False),
    sa.UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)
"""`published` is the number of the last version that was published."""

function_versions = sa.Table(
    "function_versions",
    metadata,
    sa.Column("function_id", sa.ForeignKey("functions.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Text, nullable=False),
    sa.Column("modified_at", sa.BigInteger, nullable=False),
    sa.Column("configuration", sa.JSON, nullable=False),
)
"""Number 0 is `$LATEST`; the others never change."""

invocations = sa.Table(
    "invocations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("function_id", sa.ForeignKey("functions.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("arn", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("client_context", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", sa.BigInteger, nullable=False),
    sa.Index("ix_invocations_due", "function_id", "due_at"),
    sqlite_autoincrement=True,
)
"""Events that wait until a function has taken them. `attempts` counts those that failed."""

log_groups = sa.Table(
    "log_groups",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("retention_days", sa.Integer),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)

log_streams = sa.Table(
    "log_streams",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("group_id", sa.ForeignKey("log_groups.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("first_at", sa.BigInteger),
    sa.Column("last_at", sa.BigInteger),
    sa.Column("ingested_at", sa.BigInteger),
    sa.UniqueConstraint("group_id", "name"),
    sqlite_autoincrement=True,
)
"""`first_at` and `last_at` are times of events."""

log_events = sa.Table(
    "log_events",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("group_id", sa.ForeignKey("log_groups.id", ondelete="CASCADE"), nullable=False),
    sa.Column("stream_id", sa.ForeignKey("log_streams.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("ingested_at", sa.BigInteger, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Index("ix_log_events_group", "group_id", "at", "id"),
    sa.Index("ix_log_events_stream", "stream_id", "at", "id"),
    sqlite_autoincrement=True,
)
