"""Log events: written, read by stream, searched by group, removed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, cast, delete, func, insert, select, tuple_, update

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.logs import groups, streams
from openrek.localaws.logs.errors import invalid, no_such
from openrek.localaws.logs.groups import Group
from openrek.localaws.logs.patterns import compile_pattern
from openrek.localaws.schema import log_events, log_groups, log_streams
from openrek.localaws.store import Transaction

LARGEST_EVENT = 1_048_576 - 26
"""Bytes of a message."""
AT_ONCE = 1000
"""Rows that one transaction deletes at most, so that none holds the writer for long."""
OVERHEAD = 26
"""Bytes that every message counts beside its own."""
_LARGEST_BATCH = 1_048_576
_MOST_EVENTS = 10_000
_MOST_SEEN = 10_000
_LARGEST_PAGE = 1_048_576
_DAY = 86_400_000
_OLDEST = 14 * _DAY
_NEWEST = 2 * 3_600_000
_LARGEST_NUMBER = 2**63 - 1
"""That the database holds."""
_TOKEN = re.compile(r"([fb])/(\d{20})(\d{36})")

Event = tuple[int, str]
"""Milliseconds, and the message."""
Position = tuple[int, int]
"""Milliseconds, and the row."""


def append(tx: Transaction, group: Group, stream: str, found: Sequence[Event]) -> None:
    """Write events into a stream, which is made if there is none."""
    if not found:
        return
    row = streams.ensure(tx, group, stream)
    tx.sql.execute(
        insert(log_events),
        [{"group_id": group.id, "stream_id": row.id, "at": at, "ingested_at": tx.now, "message": text} for at, text in found],
    )
    times = [at for at, _ in found]
    first, last = min([*times, row.first_at or times[0]]), max([*times, row.last_at or times[0]])
    tx.sql.execute(update(log_streams).where(log_streams.c.id == row.id).values(first_at=first, last_at=last, ingested_at=tx.now))
    size = sum(len(text.encode()) + OVERHEAD for _, text in found)
    tx.sql.execute(update(log_groups).where(log_groups.c.id == group.id).values(bytes=log_groups.c.bytes + size))


def put_log_events(tx: Transaction, caller: Caller, params: Params) -> Params:
    """PutLogEvents: those that are too old or too new are left out, and the answer tells which."""
    group = groups.named(tx, caller, params)
    stream = streams.existing(tx, group, params["logStreamName"])
    found: list[Event] = [(event["timestamp"], event["message"]) for event in params["logEvents"]]
    _check_batch(found)
    oldest = tx.now - min(_OLDEST, (group.retention_days or 14) * _DAY)
    kept = [(at, text) for at, text in found if oldest <= at <= tx.now + _NEWEST]
    if kept and kept[-1][0] - kept[0][0] > _DAY:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    append(tx, group, stream.name, kept)
    result: Params = {"nextSequenceToken": f"{stream.id:056d}"}
    rejected = {}
    old = sum(at < oldest for at, _ in found)
    if old:
        rejected["tooOldLogEventEndIndex" if oldest == tx.now - _OLDEST else "expiredLogEventEndIndex"] = old
    new = sum(at > tx.now + _NEWEST for at, _ in found)
    if new:
        rejected["tooNewLogEventStartIndex"] = len(found) - new
    return result | ({"rejectedLogEventsInfo": rejected} if rejected else {})


def get_log_events(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetLogEvents: the last events of a stream, or the first; a token leads on, and leads back."""
    group = groups.named(tx, caller, params)
    stream = streams.existing(tx, group, params["logStreamName"])
    limit, place, forward = params.get("limit") or _MOST_EVENTS, None, bool(params.get("startFromHead"))
    if params.get("nextToken") is not None:
        place, forward = _place(params["nextToken"].removesuffix("/s"))
    conditions = [log_events.c.stream_id == stream.id, *_between(params)]
    if params.get("endTime") is not None:
        conditions.append(log_events.c.at < params["endTime"])
    page = _Page(limit)
    for row in _rows(tx, conditions, place, forward=forward):
        if not page.take(row):
            break
    rows = page.rows if forward else page.rows[::-1]
    first, last = (_position(rows[0]), _position(rows[-1])) if rows else (place or (0, 0),) * 2
    return {
        "events": [{"timestamp": row.at, "message": row.message, "ingestionTime": row.ingested_at} for row in rows],
        "nextForwardToken": f"f/{_event_id(last)}/s",
        "nextBackwardToken": f"b/{_event_id(first)}/s",
    }


def filter_log_events(tx: Transaction, caller: Caller, params: Params) -> Params:
    """FilterLogEvents: events of all streams of a group in the order of their times. A page may be empty and not the last."""
    group = groups.named(tx, caller, params)
    known = {row.id: row.name for row in tx.sql.execute(select(log_streams).where(log_streams.c.group_id == group.id))}
    chosen = _chosen(known, params)
    passes = compile_pattern(params.get("filterPattern") or "")
    place, forward = None, params.get("startFromHead") is not False
    if params.get("nextToken") is not None:
        place, forward = _place(params["nextToken"])
    conditions = [log_events.c.group_id == group.id, *_between(params)]
    if params.get("endTime") is not None:
        conditions.append(log_events.c.at <= params["endTime"])
    page, more = _Page(params.get("limit") or _MOST_EVENTS), False
    for seen, row in enumerate(_rows(tx, conditions, place, forward=forward)):
        if seen == _MOST_SEEN or (row.stream_id in chosen and passes(row.message) and not page.take(row)):
            more = True
            break
        place = _position(row)
    result: Params = {
        "events": [
            {
                "logStreamName": known[row.stream_id],
                "timestamp": row.at,
                "message": row.message,
                "ingestionTime": row.ingested_at,
                "eventId": _event_id(_position(row)),
            }
            for row in page.rows
        ],
        "searchedLogStreams": [],
    }
    if more and place is not None:
        result["nextToken"] = f"{'f' if forward else 'b'}/{_event_id(place)}"
    return result


def remove(tx: Transaction, group_id: int, *conditions: ColumnElement[bool]) -> int:
    """Delete the oldest events of a group for which conditions hold; returns how many there were, at most `AT_ONCE`."""
    size = func.length(cast(log_events.c.message, LargeBinary)).label("size")
    chosen = select(log_events.c.id, size).where(log_events.c.group_id == group_id, *conditions)
    rows = tx.sql.execute(chosen.order_by(log_events.c.at, log_events.c.id).limit(AT_ONCE)).all()
    if rows:
        tx.sql.execute(delete(log_events).where(log_events.c.id.in_([row.id for row in rows])))
        freed = sum(row.size + OVERHEAD for row in rows)
        tx.sql.execute(update(log_groups).where(log_groups.c.id == group_id).values(bytes=log_groups.c.bytes - freed))
    return len(rows)


class _Page:
    """Rows that fit into one answer: at least one, and then no more than a megabyte."""

    def __init__(self, limit: int) -> None:
        self.rows: list[Any] = []
        self._limit = limit
        self._size = 0

    def take(self, row: Any) -> bool:
        """Take one more row; False if there is no room for it."""
        size = len(row.message.encode())
        if self.rows and (len(self.rows) == self._limit or self._size + size > _LARGEST_PAGE):
            return False
        self.rows.append(row)
        self._size += size
        return True


def _rows(tx: Transaction, conditions: list[ColumnElement[bool]], place: Position | None, *, forward: bool) -> Iterator[Any]:
    """Rows beyond a place, in the order of their times, or backwards."""
    key = tuple_(log_events.c.at, log_events.c.id)
    if place is not None:
        conditions = [*conditions, key > place if forward else key < place]
    order = (log_events.c.at, log_events.c.id) if forward else (log_events.c.at.desc(), log_events.c.id.desc())
    return iter(tx.sql.execute(select(log_events).where(*conditions).order_by(*order).execution_options(yield_per=100)))


def _between(params: Params) -> list[ColumnElement[bool]]:
    start = params.get("startTime")
    return [] if start is None else [log_events.c.at >= start]


def _chosen(known: Mapping[int, str], params: Params) -> set[int]:
    """The ids of the streams that a search names."""
    names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix") or ""
    if names is not None and prefix:
        raise invalid("Only one of logStreamNames and logStreamNamePrefix can be specified")
    if names is not None and not set(names) <= set(known.values()):
        raise no_such("log stream")
    return {number for number, name in known.items() if (names is None or name in names) and name.startswith(prefix)}


def _position(row: Any) -> Position:
    return row.at, row.id


def _event_id(position: Position) -> str:
    """A place as 56 digits, as AWS's ids of events are."""
    return f"{position[0]:020d}{position[1]:036d}"


def _place(token: str) -> tuple[Position, bool]:
    """The place in a token, and whether it leads forward."""
    found = _TOKEN.fullmatch(token)
    place = (int(found[2]), int(found[3])) if found is not None else (0, 0)
    if found is None or max(place) > _LARGEST_NUMBER:
        raise invalid("The specified nextToken is invalid.")
    return place, found[1] == "f"


def _check_batch(found: Sequence[Event]) -> None:
    if len(found) > _MOST_EVENTS:
        raise invalid(f"The number of log events in a batch cannot exceed {_MOST_EVENTS}.")
    size = sum(len(text.encode()) + OVERHEAD for _, text in found)
    if size > _LARGEST_BATCH:
        raise invalid(f"Upload too large: {size} bytes exceeds limit of {_LARGEST_BATCH}")
    if any(later < earlier for (earlier, _), (later, _) in itertools.pairwise(found)):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
