"""Queues: found by name, URL or ARN."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, select

from openrek.awsmodel.calls import Caller, ServiceError
from openrek.localaws.arns import parse_arn, queue_arn
from openrek.localaws.schema import queues
from openrek.localaws.sqs import attributes
from openrek.localaws.sqs.errors import queue_does_not_exist
from openrek.localaws.store import Transaction

NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it is now.

    Attributes
    ----------
    id
        Never used again.
    account, region, name
        Which make its ARN and URL.
    attributes, tags
        What was set; defaults are not filled in.
    created_at, modified_at
        Milliseconds.
    """

    id: int
    account: str
    region: str
    name: str
    attributes: Mapping[str, str]
    tags: Mapping[str, str]
    created_at: int
    modified_at: int

    @property
    def arn(self) -> str:
        """The queue's ARN."""
        return queue_arn(self.account, self.region, self.name)

    def url(self, caller: Caller) -> str:
        """The queue's URL, under the address that the caller used."""
        return f"{caller.endpoint}/{self.account}/{self.name}"

    def number(self, name: str) -> int:
        """Value of a numeric attribute."""
        return attributes.number(self.attributes, name)

    def oldest(self, now: int) -> int:
        """Messages sent then or earlier are past their retention."""
        return now - self.number("MessageRetentionPeriod") * 1000


def by_name(tx: Transaction, account: str, region: str, name: str) -> Queue | None:
    """The queue of that name."""
    if not NAME.fullmatch(name):
        return None
    return _one(tx, (queues.c.account == account) & (queues.c.region == region) & (queues.c.name == name))


def by_id(tx: Transaction, queue_id: int) -> Queue:
    """The queue of that id.

    Raises
    ------
    ServiceError
        It has been deleted.
    """
    queue = _one(tx, queues.c.id == queue_id)
    if queue is None:
        raise queue_does_not_exist()
    return queue


def by_arn(tx: Transaction, arn: str, *, account: str | None = None, region: str | None = None) -> Queue | None:
    """The queue of that ARN, if it is in that account and region."""
    parts = parse_arn(arn)
    if parts is None or parts.service != "sqs":
        return None
    if account not in (None, parts.account) or region not in (None, parts.region):
        return None
    return by_name(tx, parts.account, parts.region, parts.resource)


def by_url(tx: Transaction, caller: Caller, url: str) -> Queue:
    """The caller's queue of that URL, whatever its scheme and host; a bare name will do.

    Raises
    ------
    ServiceError
        There is no such queue, or it belongs to another account.
    """
    parts = [part for part in urlsplit(url).path.split("/") if part] if "/" in url else [url]
    if not parts:
        raise ServiceError("InvalidAddress", f"The address {url} is not valid for this endpoint.")
    account = parts[-2] if len(parts) > 1 else caller.account
    queue = by_name(tx, caller.account, caller.region, parts[-1]) if account == caller.account else None
    if queue is None:
        raise queue_does_not_exist()
    return queue


def _one(tx: Transaction, condition: ColumnElement[bool]) -> Queue | None:
    row: Any = tx.sql.execute(select(queues).where(condition)).first()
    return None if row is None else from_row(row)


def from_row(row: Any) -> Queue:
    """A queue from a row of its table."""
    return Queue(row.id, row.account, row.region, row.name, row.attributes, row.tags, row.created_at, row.modified_at)
