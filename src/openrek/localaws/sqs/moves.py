"""Message move tasks: dead letters back to where they came from, or somewhere else.

A task moves everything at once, in its own transaction; so it has always ended when it can be looked at.
"""

from __future__ import annotations

import base64
import binascii
import json

from sqlalchemy import func, insert, select, update

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws import json_text
from openrek.localaws.arns import parse_arn
from openrek.localaws.schema import messages, moves, queues
from openrek.localaws.sqs import attributes
from openrek.localaws.sqs.errors import invalid_parameter, invalid_value, no_such_resource
from openrek.localaws.sqs.queues import Queue, by_arn, from_row
from openrek.localaws.store import Transaction

_MOST_RESULTS = 10
_ARN_FORM = "You must use this format to specify the {}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"


def start_message_move_task(tx: Transaction, caller: Caller, params: Params) -> Params:
    """StartMessageMoveTask."""
    source = _queue(tx, caller, params["SourceArn"], "SourceArn")
    if params.get("MaxNumberOfMessagesPerSecond") is not None:
        raise ServiceError(
            "UnsupportedOperation",
            "openrek moves messages at once. Leave MaxNumberOfMessagesPerSecond out, or receive and send the messages yourself.",
        )
    if not any(_gives_to(queue, source.arn) for queue in _queues(tx, caller)):
        raise invalid_parameter("Source queue must be configured as a Dead Letter Queue.")
    destination = params.get("DestinationArn") or None
    if destination is not None:
        _queue(tx, caller, destination, "DestinationArn")
    wanted = tx.sql.execute(select(func.count()).select_from(messages).where(messages.c.queue_id == source.id)).scalar_one()
    moved, failure = _move(tx, caller, source, destination)
    tx.sql.execute(
        insert(moves).values(
            source_id=source.id,
            source=source.arn,
            destination=destination,
            status="FAILED" if failure else "COMPLETED",
            failure=failure,
            wanted=wanted,
            moved=moved,
            started_at=tx.now,
        )
    )
    number = tx.sql.execute(select(func.max(moves.c.id))).scalar_one()
    handle = json.dumps({"taskId": str(number), "sourceArn": source.arn}, separators=(",", ":"))
    return {"TaskHandle": base64.b64encode(handle.encode()).decode()}


def list_message_move_tasks(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListMessageMoveTasks: the latest first."""
    source = _queue(tx, caller, params["SourceArn"], "SourceArn")
    limit = params.get("MaxResults")
    limit = 1 if limit is None else limit
    if not 1 <= limit <= _MOST_RESULTS:
        raise invalid_value(limit, "MaxResults", f"Must be between 1 and {_MOST_RESULTS}, if provided.")
    rows = tx.sql.execute(select(moves).where(moves.c.source_id == source.id).order_by(moves.c.id.desc()).limit(limit))
    results = []
    for row in rows:
        result: Params = {
            "Status": row.status,
            "SourceArn": row.source,
            "ApproximateNumberOfMessagesMoved": row.moved,
            "ApproximateNumberOfMessagesToMove": row.wanted,
            "StartedTimestamp": row.started_at,
        }
        if row.destination is not None:
            result["DestinationArn"] = row.destination
        if row.failure is not None:
            result["FailureReason"] = row.failure
        results.append(result)
    return {"Results": results} if results else {}


def cancel_message_move_task(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CancelMessageMoveTask: always too late."""
    try:
        handle = json_text.parse(base64.b64decode(params["TaskHandle"].encode("ascii"), validate=True))
        number, arn = int(handle["taskId"]), str(handle["sourceArn"])
    except (UnicodeError, binascii.Error, ValueError, KeyError, TypeError, OverflowError):
        raise invalid_parameter("Value for parameter TaskHandle is invalid.") from None
    source = _queue(tx, caller, arn, "SourceArn")
    known = tx.sql.execute(select(moves.c.id).where(moves.c.source_id == source.id)).scalars().all()
    if number not in known:
        raise ServiceError("ResourceNotFoundException", "Task does not exist.", status=404)
    raise invalid_parameter("Only active tasks can be cancelled.")


def _move(tx: Transaction, caller: Caller, source: Queue, destination: str | None) -> tuple[int, str | None]:
    """Move everything; return how many messages went, and why it stopped if it did."""
    if destination is not None:
        targets: list[str | None] = [destination]
    else:
        targets = list(tx.sql.execute(select(messages.c.origin).where(messages.c.queue_id == source.id).distinct()).scalars())
    moved = 0
    for arn in targets:
        target = by_arn(tx, arn, account=caller.account, region=caller.region) if arn else None
        if target is None:
            return moved, "CouldNotDetermineMessageSource" if arn is None else "AWS.SimpleQueueService.NonExistentQueue"
        condition = [messages.c.queue_id == source.id]
        if destination is None:
            condition.append(messages.c.origin == arn)
        moved += tx.sql.execute(
            update(messages)
            .where(*condition)
            .values(
                queue_id=target.id,
                sent_at=tx.now,
                visible_at=tx.now,
                attempts=0,
                receives=0,
                first_received_at=None,
                received_at=None,
                receipt=None,
                origin=None,
            )
        ).rowcount
        tx.touched.add(target.id)
    return moved, None


def _queue(tx: Transaction, caller: Caller, arn: str, parameter: str) -> Queue:
    if parse_arn(arn) is None:
        raise invalid_parameter(_ARN_FORM.format(parameter))
    queue = by_arn(tx, arn, account=caller.account, region=caller.region)
    if queue is None:
        raise no_such_resource(parameter)
    return queue


def _queues(tx: Transaction, caller: Caller) -> list[Queue]:
    rows = tx.sql.execute(select(queues).where(queues.c.account == caller.account, queues.c.region == caller.region))
    return [from_row(row) for row in rows]


def _gives_to(queue: Queue, arn: str) -> bool:
    dead_letters = attributes.dead_letters(queue.attributes)
    return dead_letters is not None and dead_letters[0] == arn
