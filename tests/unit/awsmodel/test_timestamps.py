from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from openrek.awsmodel.timestamps import epoch_seconds, format_timestamp, parse_timestamp

MOMENT = datetime(2017, 11, 16, 20, 49, 24, 756_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1510865364, MOMENT.replace(microsecond=0)),
        (1510865364.756, MOMENT),
        ("1510865364.756", MOMENT),
        ("1.510865364756E9", MOMENT),
        ("2017-11-16T20:49:24.756Z", MOMENT),
        ("2017-11-16T20:49:24Z", MOMENT.replace(microsecond=0)),
        ("2017-11-16T21:49:24+01:00", MOMENT.replace(microsecond=0)),
        ("2017-11-16T20:49:24", MOMENT.replace(microsecond=0)),
        ("20171116T204924Z", MOMENT.replace(microsecond=0)),
        ("Thu, 16 Nov 2017 20:49:24 GMT", MOMENT.replace(microsecond=0)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_every_form_is_read(value: str | float, moment: datetime) -> None:
    assert parse_timestamp(value) == moment
    assert parse_timestamp(value).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    ["", "yesterday", "2017-13-01T00:00:00Z", 1e300, float("nan"), float("inf"), 10**20, "9" * 400, "Thu, 99 Nov 2017 20:49:24 GMT"],
)
def test_what_is_none_is_refused(value: str | float) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_timestamp(value)


def test_forms_of_the_wire() -> None:
    assert format_timestamp(MOMENT, "iso8601") == "2017-11-16T20:49:24.756Z"
    assert format_timestamp(MOMENT, "rfc822") == "Thu, 16 Nov 2017 20:49:24 GMT"
    assert format_timestamp(MOMENT, "unixTimestamp") == "1510865364.756"
    assert format_timestamp(MOMENT.astimezone(timezone(timedelta(hours=2))), "iso8601") == "2017-11-16T20:49:24.756Z"
    assert epoch_seconds(MOMENT.replace(microsecond=0)) == 1510865364
    assert isinstance(epoch_seconds(MOMENT.replace(microsecond=0)), int)
