"""Operations on queues: create, find, list, delete, attributes, tags."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, insert, select, update

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws import pages
from openrek.localaws.arns import queue_arn
from openrek.localaws.schema import queues
from openrek.localaws.sqs import attributes, mailbox
from openrek.localaws.sqs.errors import invalid_parameter, invalid_value, queue_does_not_exist
from openrek.localaws.sqs.queues import NAME, Queue, by_arn, by_name, by_url, from_row
from openrek.localaws.store import Transaction

_MOST_TAGS = 50
_LONGEST_LIST = 1000
_FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,75}\.fifo")


def create_queue(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreateQueue: the same name with the same attributes is the same queue."""
    name, given = params["QueueName"], dict(params.get("Attributes") or {})
    if given.get("FifoQueue", "").lower() == "true" and _FIFO_NAME.fullmatch(name):
        raise ServiceError("UnsupportedOperation", "openrek has no FIFO queues; create a standard queue.")
    if not NAME.fullmatch(name):
        raise invalid_parameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
    wanted = attributes.validate(given)
    queue = by_name(tx, caller.account, caller.region, name)
    if queue is not None:
        _same_or_refused(queue, wanted)
        return {"QueueUrl": queue.url(caller)}
    _check_dead_letters(tx, caller, queue_arn(caller.account, caller.region, name), wanted)
    tags = dict(params.get("tags") or {})
    _check_tags(tags)
    values: dict[str, Any] = {
        "account": caller.account,
        "region": caller.region,
        "name": name,
        "created_at": tx.now,
        "modified_at": tx.now,
        "attributes": attributes.merged({}, wanted),
        "tags": tags,
    }
    tx.sql.execute(insert(queues).values(values))
    return {"QueueUrl": f"{caller.endpoint}/{caller.account}/{name}"}


def get_queue_url(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetQueueUrl."""
    owner = params.get("QueueOwnerAWSAccountId") or caller.account
    queue = by_name(tx, caller.account, caller.region, params["QueueName"]) if owner == caller.account else None
    if queue is None:
        raise queue_does_not_exist()
    return {"QueueUrl": queue.url(caller)}


def list_queues(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListQueues: in the order of names."""
    prefix = params.get("QueueNamePrefix") or ""
    return _list(tx, caller, params, "QueueUrls", lambda queue: queue.name.startswith(prefix))


def list_dead_letter_source_queues(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListDeadLetterSourceQueues."""
    target = by_url(tx, caller, params["QueueUrl"]).arn

    def gives_to_it(queue: Queue) -> bool:
        dead_letters = attributes.dead_letters(queue.attributes)
        return dead_letters is not None and dead_letters[0] == target

    return {"queueUrls": [], **_list(tx, caller, params, "queueUrls", gives_to_it)}


def delete_queue_row(tx: Transaction, queue_id: int) -> None:
    """Last step of DeleteQueue: the queue, and the messages that arrived in the meantime."""
    tx.sql.execute(delete(queues).where(queues.c.id == queue_id))
    tx.touched.add(queue_id)


def get_queue_attributes(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetQueueAttributes: an attribute without a value is left out."""
    queue = by_url(tx, caller, params["QueueUrl"])
    names = params.get("AttributeNames") or []
    for name in names:
        if name not in attributes.READABLE:
            raise ServiceError("InvalidAttributeName", f"Unknown Attribute {name}.")
    if not names:
        return {}
    everything = {
        **attributes.shown(queue.attributes),
        "CreatedTimestamp": str(queue.created_at // 1000),
        "LastModifiedTimestamp": str(queue.modified_at // 1000),
        "QueueArn": queue.arn,
    }
    if "All" in names or not set(names).isdisjoint(attributes.COUNTED):
        visible, delayed, in_flight = mailbox.counts(tx, queue)
        everything.update(zip(attributes.COUNTED, (str(visible), str(delayed), str(in_flight)), strict=True))
    chosen = everything if "All" in names else {name: everything[name] for name in names if name in everything}
    return {"Attributes": chosen} if chosen else {}


def set_queue_attributes(tx: Transaction, caller: Caller, params: Params) -> Params:
    """SetQueueAttributes."""
    queue = by_url(tx, caller, params["QueueUrl"])
    changes = attributes.validate(params["Attributes"])
    _check_dead_letters(tx, caller, queue.arn, changes)
    change(tx, queue, attributes.merged(queue.attributes, changes))
    return {}


def change(tx: Transaction, queue: Queue, kept: dict[str, str]) -> None:
    """Keep other attributes."""
    tx.sql.execute(update(queues).where(queues.c.id == queue.id).values(attributes=kept, modified_at=tx.now))
    tx.touched.add(queue.id)


def tag_queue(tx: Transaction, caller: Caller, params: Params) -> Params:
    """TagQueue: a new value replaces the old one of its key."""
    queue = by_url(tx, caller, params["QueueUrl"])
    tags = {**queue.tags, **params["Tags"]}
    _check_tags(tags)
    tx.sql.execute(update(queues).where(queues.c.id == queue.id).values(tags=tags))
    return {}


def untag_queue(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UntagQueue."""
    queue = by_url(tx, caller, params["QueueUrl"])
    tags = {key: value for key, value in queue.tags.items() if key not in params["TagKeys"]}
    tx.sql.execute(update(queues).where(queues.c.id == queue.id).values(tags=tags))
    return {}


def list_queue_tags(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListQueueTags."""
    tags = by_url(tx, caller, params["QueueUrl"]).tags
    return {"Tags": dict(tags)} if tags else {}


def _same_or_refused(queue: Queue, wanted: dict[str, str]) -> None:
    kept = attributes.shown(queue.attributes)
    for name, value in wanted.items():
        if kept.get(name, "") != value:
            raise ServiceError("QueueNameExists", f"A queue already exists with the same name and a different value for attribute {name}")


def _check_dead_letters(tx: Transaction, caller: Caller, source: str, wanted: dict[str, str]) -> None:
    dead_letters = attributes.dead_letters(wanted)
    if dead_letters is None:
        return
    target = by_arn(tx, dead_letters[0], account=caller.account, region=caller.region)
    if target is None and dead_letters[0] != source:
        raise invalid_value(wanted["RedrivePolicy"], "RedrivePolicy", "Dead letter target does not exist.")
    if target is not None and not attributes.accepts_dead_letters(target.attributes, source):
        reason = f"Queue {target.arn} does not allow {source} to use it for dead letters."
        raise invalid_value(wanted["RedrivePolicy"], "RedrivePolicy", reason)


def _check_tags(tags: dict[str, str]) -> None:
    if len(tags) > _MOST_TAGS:
        raise invalid_parameter(f"A queue can have at most {_MOST_TAGS} tags.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128:
            raise invalid_parameter("Tag keys must be between 1 and 128 characters in length.")
        if len(value) > 256:
            raise invalid_parameter("Tag values must be between 0 and 256 characters in length.")


def _list(tx: Transaction, caller: Caller, params: Params, member: str, keep: Callable[[Queue], bool]) -> Params:
    size = params.get("MaxResults")
    if size is not None and not 1 <= size <= _LONGEST_LIST:
        raise invalid_parameter("MaxResults must be an integer between 1 and 1000.")
    after = ""
    if params.get("NextToken"):
        following = pages.key(params["NextToken"])
        if size is None or following is None:
            raise invalid_parameter("Invalid or expired NextToken.")
        after = following
    rows = tx.sql.execute(
        select(queues)
        .where(queues.c.account == caller.account, queues.c.region == caller.region, queues.c.name > after)
        .order_by(queues.c.name)
    )
    found = [queue for row in rows if keep(queue := from_row(row))]
    page, token = pages.cut(found, size or _LONGEST_LIST, lambda queue: queue.name)
    result: Params = {member: [queue.url(caller) for queue in page]} if page else {}
    if size is not None and token is not None:
        result["NextToken"] = token
    return result
