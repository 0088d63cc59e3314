"""Events that wait until a function has taken them, in the database: invocations of type Event, from whoever they come.

    enqueued ──▶ due ──▶ runs ──succeeds──▶ gone
                  ▲        │
                  └─ pause ┴──fails the third time──▶ dead-letter queue or topic, if there is one; gone

A row stays until its function has returned or failed for the last time. So what ran when the server died runs again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from openrek.localaws.arns import parse_arn
from openrek.localaws.functions import catalogue
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.names import number_of
from openrek.localaws.schema import invocations
from openrek.localaws.store import Transaction

WORK = "invocations"
"""What `Transaction.work` calls the events."""
PAUSES = (60_000, 120_000)
"""Milliseconds before the second and before the third attempt."""


@dataclass(frozen=True, slots=True)
class Event:
    """One waiting event.

    Attributes
    ----------
    function_id, number
        The version of a function for which it is.
    request_id
        The same in all attempts.
    arn
        By which it was invoked.
    attempts
        That failed.
    """

    id: int
    function_id: int
    number: int
    request_id: str
    arn: str
    payload: bytes
    client_context: str | None
    attempts: int


def target(tx: Transaction, arn: str) -> Function | None:
    """The version of a function that an ARN names, if there is one."""
    parts = parse_arn(arn)
    if parts is None or parts.service != "lambda":
        return None
    kind, _, rest = parts.resource.partition(":")
    name, _, qualifier = rest.partition(":")
    number = number_of(qualifier or None)
    return None if kind != "function" or number is None else catalogue.find(tx, parts.account, parts.region, name, number)


def enqueue(
    tx: Transaction, function: Function, arn: str, payload: bytes, request_id: str | None = None, client_context: str | None = None
) -> None:
    """Have a function take an event as soon as it can."""
    tx.sql.execute(
        insert(invocations).values(
            function_id=function.id,
            number=function.number,
            request_id=request_id or str(uuid.uuid4()),
            arn=arn,
            payload=payload,
            client_context=client_context,
            attempts=0,
            due_at=tx.now,
        )
    )
    tx.work.add(WORK)


def due(tx: Transaction, running: Collection[int], limit: int) -> list[Event]:
    """Events to run now: of every function its oldest, and of no function more than its share while others wait.

    Parameters
    ----------
    running
        Ids of events that run already.
    limit
        How many at most.
    """
    waiting: list[list[Event]] = []
    for function_id in tx.sql.execute(select(invocations.c.function_id).distinct()).scalars().all():
        own = (invocations.c.function_id == function_id) & (invocations.c.due_at <= tx.now)
        rows = tx.sql.execute(select(invocations).where(own).order_by(invocations.c.due_at, invocations.c.id).limit(limit + len(running)))
        waiting.append([_event(row) for row in rows if row.id not in running][:limit])
    ranked = sorted((place, event.id, event) for found in waiting for place, event in enumerate(found))
    return [event for _, _, event in ranked[:limit]]


def next_due(tx: Transaction) -> int | None:
    """When the next event is due that is not due yet, in milliseconds."""
    found: int | None = tx.sql.execute(select(func.min(invocations.c.due_at)).where(invocations.c.due_at > tx.now)).scalar()
    return found


def waiting(tx: Transaction) -> Mapping[int, int]:
    """How many events wait, by the id of the function."""
    rows = tx.sql.execute(select(invocations.c.function_id, func.count()).group_by(invocations.c.function_id))
    return {row[0]: row[1] for row in rows}


def done(tx: Transaction, event: Event) -> None:
    """The function has taken the event, or nobody ever will."""
    tx.sql.execute(delete(invocations).where(invocations.c.id == event.id))


def again(tx: Transaction, event: Event) -> bool:
    """The function failed: have it try again after a pause. False if it was the last attempt."""
    if event.attempts == len(PAUSES):
        return False
    values: dict[str, Any] = {"attempts": event.attempts + 1, "due_at": tx.now + PAUSES[event.attempts]}
    tx.sql.execute(update(invocations).where(invocations.c.id == event.id).values(values))
    tx.work.add(WORK)
    return True


def later(tx: Transaction, event: Event, milliseconds: int) -> None:
    """The function could not be started: try again after a while, and do not count it."""
    tx.sql.execute(update(invocations).where(invocations.c.id == event.id).values(due_at=tx.now + milliseconds))
    tx.work.add(WORK)


def dead_letter(event: Event, failure: bytes) -> tuple[str, dict[str, dict[str, str]]]:
    """The message that tells of an event that was given up, and its attributes, in SNS's form."""
    try:
        told = json.loads(failure)
        message = str(told.get("errorMessage", "")) if isinstance(told, dict) else ""
    except ValueError:
        message = ""
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": event.request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": message[:1024] or "Unknown"},
    }
    return event.payload.decode("utf-8", "replace"), attributes


def _event(row: Any) -> Event:
    return Event(row.id, row.function_id, row.number, row.request_id, row.arn, row.payload, row.client_context, row.attempts)
