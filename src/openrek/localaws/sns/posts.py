"""What is on its way to HTTP endpoints, in the database.

enqueued ──▶ due ──▶ posted ──accepted──▶ gone
              ▲        │
              └─ pause ┴──refused, or failed too often──▶ dead-letter queue of the subscription, if there is one; gone
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from openrek.localaws.schema import posts
from openrek.localaws.store import Transaction

WORK = "posts"
"""What `Transaction.work` calls them."""


@dataclass(frozen=True, slots=True)
class Post:
    """One message for one endpoint.

    Attributes
    ----------
    account, topic_arn, subscription_arn
        For what it is.
    pauses
        Seconds before each further attempt.
    dead_letters
        ARN of a queue.
    attempts
        That failed.
    """

    id: int
    account: str
    topic_arn: str
    subscription_arn: str
    endpoint: str
    headers: Mapping[str, str]
    body: str
    pauses: tuple[float, ...]
    dead_letters: str | None
    attempts: int


def enqueue(tx: Transaction, **columns: Any) -> None:
    """Have a message posted as soon as possible; columns as of `Post`."""
    tx.sql.execute(insert(posts).values(**columns, attempts=0, due_at=tx.now))
    tx.work.add(WORK)


def due(tx: Transaction, running: Collection[int], limit: int) -> list[Post]:
    """What is to be posted now and is not being posted; of no subscription more than a share while others wait."""
    place = func.row_number().over(partition_by=posts.c.subscription_arn, order_by=(posts.c.due_at, posts.c.id))
    waiting = select(posts.c.id, place.label("place")).where(posts.c.due_at <= tx.now, posts.c.id.not_in(running)).subquery()
    chosen = select(waiting.c.id).order_by(waiting.c.place, waiting.c.id).limit(limit)
    return [_post(row) for row in tx.sql.execute(select(posts).where(posts.c.id.in_(chosen)).order_by(posts.c.id))]


def next_due(tx: Transaction) -> int | None:
    """When the next one is due that is not due yet, in milliseconds."""
    found: int | None = tx.sql.execute(select(func.min(posts.c.due_at)).where(posts.c.due_at > tx.now)).scalar()
    return found


def done(tx: Transaction, post: Post) -> None:
    """The endpoint has accepted the message, or nobody ever will."""
    tx.sql.execute(delete(posts).where(posts.c.id == post.id))


def again(tx: Transaction, post: Post) -> bool:
    """The endpoint failed: try again after a pause. False if it was the last attempt."""
    if post.attempts >= len(post.pauses):
        return False
    values: dict[str, Any] = {"attempts": post.attempts + 1, "due_at": tx.now + round(post.pauses[post.attempts] * 1000)}
    tx.sql.execute(update(posts).where(posts.c.id == post.id).values(values))
    tx.work.add(WORK)
    return True


def _post(row: Any) -> Post:
    return Post(
        row.id,
        row.account,
        row.topic_arn,
        row.subscription_arn,
        row.endpoint,
        row.headers,
        row.body,
        tuple(row.pauses),
        row.dead_letters,
        row.attempts,
    )
