"""Timestamps in the three forms that service models use."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def parse_timestamp(value: str | float) -> datetime:
    """A point in time, from epoch seconds, ISO 8601 or an HTTP date, whichever it looks like.

    Raises
    ------
    ValueError
        It is none of them, or no year of ours.
    """
    try:
        if isinstance(value, int | float):
            return _EPOCH + timedelta(microseconds=round(value * 1_000_000))
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return _EPOCH + timedelta(microseconds=round(float(text) * 1_000_000))
        moment = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (OverflowError, TypeError, IndexError) as error:
        raise ValueError(f"not a timestamp: {value!r}") from error


def epoch_seconds(moment: datetime) -> int | float:
    """Seconds since 1970-01-01 UTC, to the millisecond: an integer where it is one."""
    milliseconds = math.floor((moment - _EPOCH) / timedelta(milliseconds=1))
    return milliseconds // 1000 if milliseconds % 1000 == 0 else milliseconds / 1000


def iso8601(moment: datetime) -> str:
    """`2017-11-16T20:49:24.756Z`, with milliseconds always."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def http_date(moment: datetime) -> str:
    """`Thu, 16 Nov 2017 20:49:24 GMT`."""
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def format_timestamp(moment: datetime, form: str) -> str:
    """Text of a timestamp: `iso8601`, `rfc822` or `unixTimestamp`."""
    if form == "unixTimestamp":
        return str(epoch_seconds(moment))
    return http_date(moment) if form == "rfc822" else iso8601(moment)
