"""Log streams: found, made, listed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, insert, select

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws import pages
from openrek.localaws.logs import groups
from openrek.localaws.logs.errors import already_exists, invalid, no_such
from openrek.localaws.logs.groups import Group
from openrek.localaws.schema import log_events, log_streams
from openrek.localaws.store import Transaction


def find(tx: Transaction, group: Group, name: str) -> Any:
    """The row of a group's stream of that name; None if there is none."""
    return tx.sql.execute(select(log_streams).where(log_streams.c.group_id == group.id, log_streams.c.name == name)).first()


def existing(tx: Transaction, group: Group, name: str) -> Any:
    """The row of a group's stream of that name.

    Raises
    ------
    ServiceError
        There is none.
    """
    stream = find(tx, group, name)
    if stream is None:
        raise no_such("log stream")
    return stream


def ensure(tx: Transaction, group: Group, name: str) -> Any:
    """The row of a group's stream of that name; made if there is none."""
    stream = find(tx, group, name)
    if stream is None:
        _add(tx, group, name)
        stream = find(tx, group, name)
    return stream


def create_log_stream(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreateLogStream."""
    group = groups.named(tx, caller, params)
    if find(tx, group, params["logStreamName"]) is not None:
        raise already_exists("log stream")
    _add(tx, group, params["logStreamName"])
    return {}


def delete_stream_row(tx: Transaction, stream_id: int) -> None:
    """Last step of DeleteLogStream."""
    tx.sql.execute(delete(log_streams).where(log_streams.c.id == stream_id))


def delete_stale(tx: Transaction, group: Group, oldest: int) -> None:
    """Delete the streams to which nothing came since then."""
    latest = func.coalesce(log_streams.c.ingested_at, log_streams.c.created_at)
    held = select(log_events.c.stream_id).where(log_events.c.group_id == group.id)
    stale = (log_streams.c.group_id == group.id) & (latest < oldest) & log_streams.c.id.not_in(held)
    tx.sql.execute(delete(log_streams).where(stale))


def describe_log_streams(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DescribeLogStreams: in the order of names, or of the last event's time."""
    group, prefix = groups.named(tx, caller, params), params.get("logStreamNamePrefix") or ""
    by_time = params.get("orderBy") == "LastEventTime"
    if by_time and prefix:
        raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")

    def key(row: Any) -> str:
        return f"{row.last_at or 0:020d} {row.name}" if by_time else str(row.name)

    rows = tx.sql.execute(select(log_streams).where(log_streams.c.group_id == group.id))
    found = sorted((row for row in rows if row.name.startswith(prefix)), key=key, reverse=bool(params.get("descending")))
    after = groups.following(params)
    if after:
        found = [row for row in found if (key(row) < after if params.get("descending") else key(row) > after)]
    page, token = pages.cut(found, params.get("limit") or groups.PAGE, key)
    return {"logStreams": [_shaped(group, row) for row in page]} | ({} if token is None else {"nextToken": token})


def _add(tx: Transaction, group: Group, name: str) -> None:
    tx.sql.execute(insert(log_streams).values(group_id=group.id, name=name, created_at=tx.now))


def _shaped(group: Group, row: Any) -> Params:
    shown: Params = {
        "logStreamName": row.name,
        "creationTime": row.created_at,
        "uploadSequenceToken": f"{row.id:056d}",
        "arn": f"{group.arn}:log-stream:{row.name}",
        "storedBytes": 0,
    }
    times = {"firstEventTimestamp": row.first_at, "lastEventTimestamp": row.last_at, "lastIngestionTime": row.ingested_at}
    return shown | {name: value for name, value in times.items() if value is not None}
