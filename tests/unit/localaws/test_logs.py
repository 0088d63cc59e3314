"""Log groups, streams and events: what boto3, the AWS CLI and `openrek functions logs` ask of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.logs import events, groups
from openrek.localaws.logs.patterns import compile_pattern

GROUP = "/aws/lambda/name"


@pytest.fixture
def logs(cloud):
    def call(operation: str, /, **params: Any) -> dict[str, Any]:
        return asyncio.run(cloud.call("logs", operation, **params))

    return call


def failure(call: Any, operation: str, /, **params: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as raised:
        call(operation, **params)
    return raised.value.code, raised.value.text


def write(cloud, found, stream="stream", group=GROUP):
    def work(tx):
        events.append(tx, groups.ensure(tx, "000000000000", "eu-west-1", group), stream, found)

    cloud.store.submit(work).result()


def messages(answer):
    return [event["message"] for event in answer["events"]]


def test_groups_are_made_listed_and_deleted(logs, clock):
    logs("CreateLogGroup", logGroupName=GROUP, tags={"a": "b"})
    logs("CreateLogGroup", logGroupName="other")
    assert failure(logs, "CreateLogGroup", logGroupName=GROUP) == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    [found] = logs("DescribeLogGroups", logGroupNamePrefix="/aws")["logGroups"]
    arn = f"arn:aws:logs:eu-west-1:000000000000:log-group:{GROUP}"
    assert found == {
        "logGroupName": GROUP,
        "creationTime": clock.now(),
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": 0,
        "logGroupClass": "STANDARD",
        "logGroupArn": arn,
    }
    assert [group["logGroupName"] for group in logs("DescribeLogGroups", logGroupNamePattern="the")["logGroups"]] == ["other"]
    first = logs("DescribeLogGroups", limit=1)
    assert [group["logGroupName"] for group in first["logGroups"]] == [GROUP]
    second = logs("DescribeLogGroups", limit=1, nextToken=first["nextToken"])
    assert [group["logGroupName"] for group in second["logGroups"]] == ["other"]
    assert "nextToken" not in second
    assert logs("ListTagsForResource", resourceArn=arn) == {"tags": {"a": "b"}}
    logs("TagResource", resourceArn=arn, tags={"c": "d"})
    logs("UntagResource", resourceArn=arn, tagKeys=["a"])
    assert logs("ListTagsForResource", resourceArn=arn) == {"tags": {"c": "d"}}
    logs("DeleteLogGroup", logGroupName=GROUP)
    missing = ("ResourceNotFoundException", "The specified log group does not exist.")
    assert failure(logs, "DeleteLogGroup", logGroupName=GROUP) == missing
    assert failure(logs, "GetLogEvents", logGroupName=GROUP, logStreamName="stream") == missing


def test_streams_are_ordered_by_name_or_by_their_last_event(logs, cloud, clock):
    logs("CreateLogGroup", logGroupName=GROUP)
    logs("CreateLogStream", logGroupName=GROUP, logStreamName="empty")
    assert failure(logs, "CreateLogStream", logGroupName=GROUP, logStreamName="empty")[0] == "ResourceAlreadyExistsException"
    for name, at in (("a", 3000), ("b", 1000), ("c", 2000)):
        write(cloud, [(at, "first"), (at + 5, "last")], name)

    def names(**params):
        answer = logs("DescribeLogStreams", logGroupName=GROUP, **params)
        return [stream["logStreamName"] for stream in answer["logStreams"]], answer.get("nextToken")

    assert names()[0] == ["a", "b", "c", "empty"]
    assert names(descending=True)[0] == ["empty", "c", "b", "a"]
    assert names(orderBy="LastEventTime", descending=True)[0] == ["a", "c", "b", "empty"]
    shown, token = names(orderBy="LastEventTime", descending=True, limit=3)
    assert shown == ["a", "c", "b"]
    assert names(orderBy="LastEventTime", descending=True, limit=3, nextToken=token) == (["empty"], None)
    assert names(logStreamNamePrefix="e")[0] == ["empty"]
    [stream] = logs("DescribeLogStreams", logGroupName=GROUP, logStreamNamePrefix="a")["logStreams"]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"], stream["lastIngestionTime"]) == (3000, 3005, clock.now())
    assert failure(logs, "DescribeLogStreams", logGroupName=GROUP, orderBy="LastEventTime", logStreamNamePrefix="a")[0] == (
        "InvalidParameterException"
    )
    logs("DeleteLogStream", logGroupName=GROUP, logStreamName="a")
    assert names()[0] == ["b", "c", "empty"]
    [group] = logs("DescribeLogGroups")["logGroups"]
    assert group["storedBytes"] == 4 * 26 + 2 * len("firstlast")


def test_events_of_a_stream_are_read_from_either_end(logs, cloud):
    write(cloud, [(1000 + number, str(number)) for number in range(10)])
    get = {"logGroupName": GROUP, "logStreamName": "stream"}
    assert messages(logs("GetLogEvents", **get)) == [str(number) for number in range(10)]
    newest = logs("GetLogEvents", **get, limit=3)
    assert messages(newest) == ["7", "8", "9"]
    older = logs("GetLogEvents", **get, limit=3, nextToken=newest["nextBackwardToken"])
    assert messages(older) == ["4", "5", "6"]
    assert messages(logs("GetLogEvents", **get, limit=2, nextToken=older["nextForwardToken"])) == ["7", "8"]
    first = logs("GetLogEvents", **get, limit=4, startFromHead=True)
    assert messages(first) == ["0", "1", "2", "3"]
    assert messages(logs("GetLogEvents", **get, startTime=1002, endTime=1005)) == ["2", "3", "4"]
    # A client that follows a stream asks on with the same token until something comes.
    end = logs("GetLogEvents", **get, nextToken=newest["nextForwardToken"])
    assert (messages(end), end["nextForwardToken"]) == ([], newest["nextForwardToken"])
    write(cloud, [(2000, "new")])
    assert messages(logs("GetLogEvents", **get, nextToken=end["nextForwardToken"])) == ["new"]
    assert failure(logs, "GetLogEvents", **get, nextToken="nonsense")[0] == "InvalidParameterException"
    by_arn = f"arn:aws:logs:eu-west-1:000000000000:log-group:{GROUP}:*"
    assert len(messages(logs("GetLogEvents", logGroupIdentifier=by_arn, logStreamName="stream"))) == 11
    assert failure(logs, "GetLogEvents", logStreamName="stream")[0] == "InvalidParameterException"


def test_no_page_is_larger_than_a_megabyte(logs, cloud):
    write(cloud, [(1000 + number, "x" * 300_000) for number in range(5)])
    get = {"logGroupName": GROUP, "logStreamName": "stream", "startFromHead": True}
    page = logs("GetLogEvents", **get)
    assert len(page["events"]) == 3
    assert len(logs("GetLogEvents", **get, nextToken=page["nextForwardToken"])["events"]) == 2
    found = logs("FilterLogEvents", logGroupName=GROUP)
    assert len(found["events"]) == 3
    rest = logs("FilterLogEvents", logGroupName=GROUP, nextToken=found["nextToken"])
    assert len(rest["events"]) == 2
    assert "nextToken" not in rest


def test_a_search_goes_through_all_streams_in_the_order_of_time(logs, cloud):
    write(cloud, [(1000, "a one"), (3000, "a three")], "a")
    write(cloud, [(2000, "b two"), (4000, "b ERROR four")], "b")
    search = {"logGroupName": GROUP}
    assert messages(logs("FilterLogEvents", **search)) == ["a one", "b two", "a three", "b ERROR four"]
    assert messages(logs("FilterLogEvents", **search, startFromHead=False)) == ["b ERROR four", "a three", "b two", "a one"]
    assert messages(logs("FilterLogEvents", **search, logStreamNames=["b"], startTime=2000, endTime=4000)) == ["b two", "b ERROR four"]
    assert messages(logs("FilterLogEvents", **search, logStreamNamePrefix="a", endTime=2999)) == ["a one"]
    assert messages(logs("FilterLogEvents", **search, filterPattern="ERROR")) == ["b ERROR four"]
    first = logs("FilterLogEvents", **search, limit=3)
    assert messages(first) == ["a one", "b two", "a three"]
    assert len({event["eventId"] for event in first["events"]}) == 3
    last = logs("FilterLogEvents", **search, limit=3, nextToken=first["nextToken"])
    assert messages(last) == ["b ERROR four"]
    assert "nextToken" not in last
    assert failure(logs, "FilterLogEvents", **search, logStreamNames=["none"])[0] == "ResourceNotFoundException"
    assert failure(logs, "FilterLogEvents", **search, filterPattern="{ $.a = 1 }")[0] == "InvalidParameterException"


def test_a_search_that_finds_nothing_for_long_gives_an_empty_page_that_is_not_the_last(logs, cloud, monkeypatch):
    monkeypatch.setattr(events, "_MOST_SEEN", 4)
    write(cloud, [(1000 + number, "nothing") for number in range(9)] + [(5000, "needle")])
    pages, token = [], {}
    while True:
        answer = logs("FilterLogEvents", logGroupName=GROUP, filterPattern="needle", **token)
        pages.append(messages(answer))
        if "nextToken" not in answer:
            break
        token = {"nextToken": answer["nextToken"]}
    assert pages == [[], [], ["needle"]]


@pytest.mark.parametrize(
    ("pattern", "message", "passes"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR", True),
        ("ERROR", "an error", False),
        ("a b", "b then a", True),
        ("a b", "only a", False),
        ('"a b"', "an a b", True),
        ('"a b"', "b a", False),
        ("?x ?y", "y", True),
        ("?x ?y", "z", False),
        ("a -b", "a", True),
        ("a -b", "a b", False),
        ("a ?b", "a", True),
        (r'"a \"b\""', 'a "b"', True),
    ],
)
def test_patterns(pattern, message, passes):
    assert compile_pattern(pattern)(message) is passes


def test_a_pattern_with_an_open_quote_is_refused():
    with pytest.raises(ServiceError):
        compile_pattern('"open')


def test_events_that_a_program_puts(logs, clock):
    logs("CreateLogGroup", logGroupName=GROUP)
    put = {"logGroupName": GROUP, "logStreamName": "stream"}
    one = {"timestamp": clock.now(), "message": "now"}
    assert failure(logs, "PutLogEvents", **put, logEvents=[one]) == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
    logs("CreateLogStream", **put)
    assert logs("PutLogEvents", **put, logEvents=[one])["nextSequenceToken"]
    old, new = {"timestamp": clock.now() - 15 * 86_400_000, "message": "old"}, {"timestamp": clock.now() + 3 * 3_600_000, "message": "new"}
    answer = logs("PutLogEvents", **put, logEvents=[old, old, one, new])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 3}
    assert messages(logs("GetLogEvents", **put)) == ["now", "now"]
    assert failure(logs, "PutLogEvents", **put, logEvents=[new, one])[1].endswith("must be in chronological order.")
    yesterday = {"timestamp": clock.now() - 86_400_001, "message": "yesterday"}
    assert "24 hours" in failure(logs, "PutLogEvents", **put, logEvents=[yesterday, one])[1]
    large = {"timestamp": clock.now(), "message": "x" * 600_000}
    assert failure(logs, "PutLogEvents", **put, logEvents=[large, large])[1] == ("Upload too large: 1200052 bytes exceeds limit of 1048576")


def test_events_go_when_their_time_is_over(logs, cloud, clock):
    day = 86_400_000
    logs("CreateLogGroup", logGroupName="short")
    logs("PutRetentionPolicy", logGroupName="short", retentionInDays=1)
    assert failure(logs, "PutRetentionPolicy", logGroupName="short", retentionInDays=2)[0] == "InvalidParameterException"
    write(cloud, [(clock.now() - 2 * day, "old"), (clock.now(), "new")], group="short")
    write(cloud, [(clock.now() - 2 * day, "old"), (clock.now(), "new")], group="long")
    asyncio.run(cloud.logs.sweep())
    assert messages(logs("FilterLogEvents", logGroupName="short")) == ["new"]
    assert messages(logs("FilterLogEvents", logGroupName="long")) == ["old", "new"]
    clock.advance(days=31)
    asyncio.run(cloud.logs.sweep())
    assert messages(logs("FilterLogEvents", logGroupName="long")) == []
    found = {group["logGroupName"]: group for group in logs("DescribeLogGroups")["logGroups"]}
    assert {name: group["storedBytes"] for name, group in found.items()} == {"long": 0, "short": 0}
    assert found["short"]["retentionInDays"] == 1
    assert logs("DescribeLogStreams", logGroupName="long")["logStreams"] == []


def test_more_events_are_removed_than_one_transaction_takes(logs, cloud, monkeypatch):
    monkeypatch.setattr(events, "AT_ONCE", 7)
    write(cloud, [(1000 + number, str(number)) for number in range(30)])
    logs("DeleteLogGroup", logGroupName=GROUP)
    assert logs("DescribeLogGroups")["logGroups"] == []


def test_what_is_asked_of_events_is_answered_by_an_index(cloud, logs):
    write(cloud, [(1000, "x")])
    asked = []
    from sqlalchemy import event

    def before(connection, cursor, statement, parameters, context, executemany):
        if "FROM log_events" in statement and statement.startswith("SELECT"):
            asked.append((statement, parameters))

    engine = cloud.store._database.engine
    event.listen(engine, "before_cursor_execute", before)
    logs("GetLogEvents", logGroupName=GROUP, logStreamName="stream", startTime=5)
    token = logs("FilterLogEvents", logGroupName=GROUP, startTime=5, endTime=7, limit=1).get("nextToken")
    assert token is None
    event.remove(engine, "before_cursor_execute", before)
    assert len(asked) == 2
    with engine.connect() as connection:
        for statement, parameters in asked:
            plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            assert all("USING INDEX ix_log_events" in step and "TEMP B-TREE" not in step for step in plan), plan
