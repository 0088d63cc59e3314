"""The messages of a queue: sent, received, deleted, hidden, given up, expired. Plain SQL in the transaction of the caller.

    sent ──delay──▶ visible ──receive──▶ in flight ──delete──▶ gone
                      ▲ ▲                   │
                      │ └── timeout ends ───┤
                      │                     └── received too often ──▶ visible in the dead-letter queue
                      └── visibility changed

`visible_at` alone says in which state a message is: a future one means delayed before the first receive, in flight afterwards.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, select, update

from openrek.localaws.schema import contents, messages
from openrek.localaws.sqs import attributes as queue_attributes
from openrek.localaws.sqs.content import Content, body_digest
from openrek.localaws.sqs.errors import invalid_value
from openrek.localaws.sqs.handles import Handle, new_receipt
from openrek.localaws.sqs.queues import Queue, by_arn
from openrek.localaws.store import Transaction

LONGEST_VISIBILITY = 43_200
AT_ONCE = 1000
"""Rows that one transaction deletes at most, so that none holds the writer for long."""
_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one receiver asks for: at most so many messages, hidden for so many seconds (the queue's timeout if None)."""

    limit: int
    visibility: int | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """One message that was received.

    Attributes
    ----------
    handle
        This receive.
    message_id, body, body_md5, attributes, system
        The content.
    receives, sent_at, first_received_at, origin
        As told in the system attributes.
    before
        Columns as they were, should the receiver turn out to be gone.
    """

    handle: Handle
    message_id: str
    body: str
    body_md5: str
    attributes: dict[str, dict[str, str]]
    system: dict[str, str]
    receives: int
    sent_at: int
    first_received_at: int
    origin: str | None
    before: dict[str, Any]


def send(tx: Transaction, queue: Queue, content: Content, delay: int | None = None) -> str:
    """Put a message that is not too large into a queue and return its id; `delay` in seconds, the queue's own if None."""
    if delay is None:
        delay = queue.number("DelaySeconds")
    row = tx.sql.execute(
        insert(messages).values(queue_id=queue.id, sent_at=tx.now, visible_at=tx.now + delay * 1000, attempts=0, receives=0)
    ).inserted_primary_key
    assert row is not None
    message_id = str(uuid.uuid4())
    tx.sql.execute(
        insert(contents).values(
            id=row[0],
            message_id=message_id,
            body=content.body,
            body_md5=body_digest(content.body),
            attributes=content.attributes,
            system=content.system,
        )
    )
    tx.touched.add(queue.id)
    return message_id


def receive(tx: Transaction, queue: Queue, wanted: Sequence[Wanted]) -> tuple[list[list[Received]], int | None]:
    """Receive for several receivers at once, in their order.

    Returns
    -------
    list of list of Received
        For each receiver; empty if nothing was left for it.
    int or None
        When the next message becomes visible, in milliseconds.
    """
    expire(tx, queue)
    due = _due(tx, queue, sum(one.limit for one in wanted))
    found = _contents(tx, [row.id for row in due])
    given: list[list[Received]] = []
    changes: list[dict[str, Any]] = []
    position = 0
    for one in wanted:
        timeout = queue.number("VisibilityTimeout") if one.visibility is None else one.visibility
        taken: list[Received] = []
        for row in due[position : position + one.limit]:
            received = _received(tx, queue, row, found[row.id])
            changes.append({"row": row.id, "receipt": received.handle.receipt, "visible_at": tx.now + timeout * 1000})
            taken.append(received)
        position += len(taken)
        given.append(taken)
    if changes:
        tx.sql.execute(_RECEIVE, [{**change, "now": tx.now} for change in changes])
    following: int | None = tx.sql.execute(select(func.min(messages.c.visible_at)).where(messages.c.queue_id == queue.id)).scalar()
    return given, following


def release(tx: Transaction, received: Sequence[Received]) -> None:
    """Undo receives whose receivers have gone: as if they had never been."""
    for one in received:
        tx.sql.execute(
            update(messages)
            .where(messages.c.id == one.handle.row, messages.c.receipt == one.handle.receipt)
            .values(**one.before, attempts=messages.c.attempts - 1, receives=messages.c.receives - 1)
        )
        tx.touched.add(one.handle.queue_id)


def remove(tx: Transaction, handle: Handle) -> None:
    """Delete a message. A handle that is not its latest, or whose message is gone, changes nothing."""
    tx.sql.execute(
        delete(messages).where(messages.c.id == handle.row, messages.c.queue_id == handle.queue_id, messages.c.receipt == handle.receipt)
    )


def hide(tx: Transaction, handle: Handle, text: str, seconds: int) -> None:
    """Let a received message become visible again in `seconds`; `text` is the handle as the client sent it.

    Raises
    ------
    ServiceError
        The message is gone, has been received again, or would be hidden for more than twelve hours.
    """
    if not 0 <= seconds <= LONGEST_VISIBILITY:
        raise invalid_value(seconds, "VisibilityTimeout", f"Must be >= 0 and <= {LONGEST_VISIBILITY}, if provided.")
    condition = (
        messages.c.id == handle.row,
        messages.c.queue_id == handle.queue_id,
        messages.c.receipt == handle.receipt,
    )
    received_at: int | None = tx.sql.execute(select(messages.c.received_at).where(*condition)).scalar()
    if received_at is None:
        raise invalid_value(text, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
    visible_at = tx.now + seconds * 1000
    if visible_at - received_at > LONGEST_VISIBILITY * 1000:
        reason = f"Total VisibilityTimeout for the message is beyond the limit [{LONGEST_VISIBILITY} seconds]"
        raise invalid_value(seconds, "VisibilityTimeout", reason)
    tx.sql.execute(update(messages).where(*condition).values(visible_at=visible_at))
    tx.touched.add(handle.queue_id)


def counts(tx: Transaction, queue: Queue) -> tuple[int, int, int]:
    """Numbers of messages that are visible, delayed, and in flight."""
    hidden = messages.c.visible_at > tx.now
    row = tx.sql.execute(
        select(
            func.count(),
            func.coalesce(func.sum(case((hidden & (messages.c.attempts == 0), 1), else_=0)), 0),
            func.coalesce(func.sum(case((hidden & (messages.c.attempts > 0), 1), else_=0)), 0),
            # The sum keeps SQLite from the index by sending time, which does not have the other columns.
        ).where(messages.c.queue_id == queue.id, messages.c.sent_at + 0 > queue.oldest(tx.now))
    ).one()
    return row[0] - row[1] - row[2], row[1], row[2]


def expire(tx: Transaction, queue: Queue) -> int:
    """Delete messages past their retention, a limited number at once; return how many."""
    old = select(messages.c.id).where(messages.c.queue_id == queue.id, messages.c.sent_at <= queue.oldest(tx.now)).limit(AT_ONCE)
    return tx.sql.execute(delete(messages).where(messages.c.id.in_(old))).rowcount


def purge(tx: Transaction, queue_id: int, last: int) -> int:
    """Delete messages up to row `last`, a limited number at once; return how many."""
    some = select(messages.c.id).where(messages.c.queue_id == queue_id, messages.c.id <= last).limit(AT_ONCE)
    return tx.sql.execute(delete(messages).where(messages.c.id.in_(some))).rowcount


def newest(tx: Transaction) -> int:
    """Row of the newest message of all queues."""
    return tx.sql.execute(select(func.max(messages.c.id))).scalar() or 0


def _due(tx: Transaction, queue: Queue, limit: int) -> list[Any]:
    """Rows that may be received now, oldest first; on the way, those received too often go to the dead-letter queue."""
    query = (
        select(messages)
        .where(messages.c.queue_id == queue.id, messages.c.visible_at <= tx.now, messages.c.sent_at > queue.oldest(tx.now))
        .order_by(messages.c.visible_at, messages.c.sent_at, messages.c.attempts, messages.c.id)
        .limit(limit)
    )
    dead_letters = queue_attributes.dead_letters(queue.attributes)
    target = by_arn(tx, dead_letters[0], account=queue.account, region=queue.region) if dead_letters else None
    # Without a place to go, a message is better received once more than stuck.
    usable = target is not None and queue_attributes.accepts_dead_letters(target.attributes, queue.arn)
    for _ in range(_ROUNDS):
        rows = list(tx.sql.execute(query))
        if not usable or target is None or dead_letters is None:
            return rows
        dead = [row.id for row in rows if row.attempts >= dead_letters[1]]
        if not dead:
            return rows
        tx.sql.execute(
            update(messages)
            .where(messages.c.id.in_(dead))
            .values(queue_id=target.id, visible_at=tx.now, attempts=0, receipt=None, received_at=None, origin=queue.arn)
        )
        tx.touched.add(target.id)
    return []


def _contents(tx: Transaction, rows: Sequence[int]) -> dict[int, Any]:
    if not rows:
        return {}
    return {row.id: row for row in tx.sql.execute(select(contents).where(contents.c.id.in_(rows)))}


def _received(tx: Transaction, queue: Queue, row: Any, content: Any) -> Received:
    return Received(
        handle=Handle(queue.id, row.id, new_receipt()),
        message_id=content.message_id,
        body=content.body,
        body_md5=content.body_md5,
        attributes=content.attributes,
        system=content.system,
        receives=row.receives + 1,
        sent_at=row.sent_at,
        first_received_at=row.first_received_at or tx.now,
        origin=row.origin,
        before={name: getattr(row, name) for name in ("visible_at", "first_received_at", "received_at", "receipt")},
    )


_RECEIVE = (
    update(messages)
    .where(messages.c.id == bindparam("row"))
    .values(
        visible_at=bindparam("visible_at"),
        attempts=messages.c.attempts + 1,
        receives=messages.c.receives + 1,
        received_at=bindparam("now"),
        first_received_at=func.coalesce(messages.c.first_received_at, bindparam("now")),
        receipt=bindparam("receipt"),
    )
)
