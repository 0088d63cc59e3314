"""Event notifications of S3: the configuration's rules, what is told, to whom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.notifications import Notifications, observe
from openrek.localaws.notifications.rules import Rule
from openrek.localaws.s3.operations import s3_operations
from openrek.localaws.s3.storage import Storage
from openrek.localaws.schema import invocations


class Body:
    """A streamed request's body."""

    def __init__(self, data: bytes) -> None:
        self.length: int | None = len(data)
        self.trailers: dict[str, str] = {}
        self._data = data

    async def __aiter__(self) -> Any:
        yield self._data


Call = Callable[..., dict[str, Any]]


@pytest.fixture
def s3(cloud, tmp_path: Path) -> Call:
    storage = Storage(tmp_path / "data", cloud.clock, observer=observe)
    storage.prepare()
    operations = Notifications(storage, cloud.store, cloud.topics).operations(s3_operations(storage))
    caller = cloud.other(region="eu-west-1")

    def call(operation: str, /, **params: Any) -> dict[str, Any]:
        result = operations[operation](caller, {"Bucket": "videos", **params})
        if asyncio.iscoroutine(result):
            result = asyncio.run(result)
        return dict(result)

    call("CreateBucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return call


def put(s3: Call, key: str, data: bytes = b"data") -> dict[str, Any]:
    return s3("PutObject", Key=key, Body=Body(data))


def rule(target: str, *events: str, prefix: str = "", suffix: str = "", **others: str) -> dict[str, Any]:
    kind = {"sqs": "QueueArn", "sns": "TopicArn", "lambda": "LambdaFunctionArn"}[target.split(":")[2]]
    words = [{"Name": name, "Value": value} for name, value in (("prefix", prefix), ("Suffix", suffix)) if value]
    return {kind: target, "Events": list(events), **({"Filter": {"Key": {"FilterRules": words}}} if words else {}), **others}


def configure(s3: Call, *rules: dict[str, Any], **params: Any) -> None:
    configuration: dict[str, Any] = {}
    for one in rules:
        kind = next(name for name in one if name.endswith("Arn")).removesuffix("Arn")
        configuration.setdefault(f"{kind}Configurations", []).append(one)
    s3("PutBucketNotificationConfiguration", NotificationConfiguration=configuration, **params)


def told(cloud: Any, url: str) -> list[dict[str, Any]]:
    """The records in a queue."""
    return [record for body in cloud.bodies(url) for record in json.loads(body)["Records"]]


@pytest.fixture
def queue(cloud) -> str:
    return str(cloud.queue("news"))


def watch(cloud: Any, s3: Call, queue: str, *events: str, **words: str) -> None:
    """Have a queue told, and take the test event out of it."""
    configure(s3, rule(cloud.arn(queue), *events, **words))
    [trial] = cloud.bodies(queue)
    cloud.sqs("PurgeQueue", QueueUrl=queue)
    assert json.loads(trial)["Event"] == "s3:TestEvent"


def test_what_is_told_of_an_upload(cloud, s3, queue):
    watch(cloud, s3, queue, "s3:ObjectCreated:*", Id="my rule")
    put(s3, "films/cat & cüp+1.mp4")
    [record] = told(cloud, queue)
    assert len(record["s3"]["object"].pop("sequencer")) == 18
    owner = record["s3"]["bucket"].pop("ownerIdentity")
    assert owner["principalId"].startswith("A")
    assert record == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2023-11-14T22:13:20.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:openrek"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "request", "x-amz-id-2": "request"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "my rule",
            "bucket": {"name": "videos", "arn": "arn:aws:s3:::videos"},
            "object": {"key": "films/cat+%26+c%C3%BCp%2B1.mp4", "size": 4, "eTag": "8d777f385d3dfec8815d20f7496026dc"},
        },
    }


def test_every_change_has_its_name(cloud, s3, queue):
    watch(cloud, s3, queue, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    put(s3, "a")
    s3("CopyObject", Key="b", CopySource="videos/a")
    upload = s3("CreateMultipartUpload", Key="c")["UploadId"]
    part = s3("UploadPart", Key="c", UploadId=upload, PartNumber=1, Body=Body(b"part"))["ETag"]
    s3("CompleteMultipartUpload", Key="c", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part}]})
    s3("DeleteObject", Key="a")
    s3("DeleteObject", Key="a")  # is gone already
    s3("DeleteObjects", Delete={"Objects": [{"Key": "b"}, {"Key": "c"}]})
    found = [(record["eventName"], record["s3"]["object"]["key"]) for record in told(cloud, queue)]
    assert found == [
        ("ObjectCreated:Put", "a"),
        ("ObjectCreated:Copy", "b"),
        ("ObjectCreated:CompleteMultipartUpload", "c"),
        ("ObjectRemoved:Delete", "a"),
        ("ObjectRemoved:Delete", "b"),
        ("ObjectRemoved:Delete", "c"),
    ]


def test_versions_are_named(cloud, s3, queue):
    s3("PutBucketVersioning", VersioningConfiguration={"Status": "Enabled"})
    watch(cloud, s3, queue, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    version = put(s3, "a")["VersionId"]
    marker = s3("DeleteObject", Key="a")["VersionId"]
    s3("DeleteObject", Key="a", VersionId=version)
    found = [(record["eventName"], record["s3"]["object"]["versionId"]) for record in told(cloud, queue)]
    assert found == [
        ("ObjectCreated:Put", version),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", version),
    ]


@pytest.mark.parametrize("versioning", [None, "Enabled"])
def test_what_is_removed_is_told_with_the_time_of_the_removal(cloud, s3, queue, versioning):
    if versioning:
        s3("PutBucketVersioning", VersioningConfiguration={"Status": versioning})
    watch(cloud, s3, queue, "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
    version = put(s3, "a").get("VersionId")
    for _ in range(20):  # within the same millisecond
        s3("DeleteObject", Key="a")
        put(s3, "a")
    cloud.clock.advance(seconds=5)
    s3("DeleteObject", Key="a", **({"VersionId": version} if version else {}))
    records = [record for _ in range(5) for record in told(cloud, queue)]
    assert records[-1]["eventName"] == "ObjectRemoved:Delete"
    assert records[-1]["eventTime"] == "2023-11-14T22:13:25.000Z"
    sequencers = [record["s3"]["object"]["sequencer"] for record in records]
    assert len(sequencers) == 42
    assert sequencers == sorted(set(sequencers))


def test_prefix_and_suffix(cloud, s3, queue):
    watch(cloud, s3, queue, "s3:ObjectCreated:Put", prefix="in/", suffix=".mp4")
    for key in ("in/a.mp4", "in/a.txt", "out/a.mp4", "in.mp4"):
        put(s3, key)
    s3("CopyObject", Key="in/b.mp4", CopySource="videos/in/a.mp4")
    assert [record["s3"]["object"]["key"] for record in told(cloud, queue)] == ["in/a.mp4"]
    kept = s3("GetBucketNotificationConfiguration")["QueueConfigurations"][0]
    words = kept["Filter"]["Key"]["FilterRules"]
    assert words == [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".mp4"}]
    assert kept["Id"]


def test_topics_and_functions(cloud, s3, queue):
    topic, function = cloud.topic(), cloud.function()
    cloud.subscribe(topic, queue)
    configure(s3, rule(topic, "s3:ObjectCreated:*"), rule(function, "s3:ObjectRemoved:*"))
    [trial] = [json.loads(body) for body in cloud.bodies(queue)]
    assert (trial["Subject"], json.loads(trial["Message"])["Bucket"]) == ("Amazon S3 Notification", "videos")
    cloud.sqs("PurgeQueue", QueueUrl=queue)
    put(s3, "a")
    s3("DeleteObject", Key="a")
    [message] = [json.loads(body) for body in cloud.bodies(queue)]
    assert message["Subject"] == "Amazon S3 Notification"
    assert json.loads(message["Message"])["Records"][0]["eventName"] == "ObjectCreated:Put"
    payloads = cloud.store.read_now(lambda tx: tx.sql.execute(select(invocations.c.payload)).scalars().all())
    assert [json.loads(payload)["Records"][0]["eventName"] for payload in payloads] == ["ObjectRemoved:Delete"]


def test_what_is_gone_is_told_nothing_and_harms_nothing(cloud, s3, queue, caplog):
    function = cloud.function()
    watch(cloud, s3, queue, "s3:ObjectCreated:*")
    topic = cloud.topic("gone")
    configure(s3, rule(function, "s3:ObjectCreated:Put"), rule(topic, "s3:ObjectCreated:Copy"))
    cloud.awslambda("DeleteFunction", FunctionName="function")
    cloud.sns("DeleteTopic", TopicArn=topic)
    put(s3, "a")
    s3("CopyObject", Key="b", CopySource="videos/a")
    assert f"an event of S3 did not reach {function}: it does not exist" in caplog.text
    assert f"an event of S3 did not reach {topic}: Topic does not exist" in caplog.text
    configure(s3)
    assert s3("GetBucketNotificationConfiguration") == {}


def test_a_request_that_fails_halfway_tells_what_it_has_done(cloud, s3, queue):
    watch(cloud, s3, queue, "s3:ObjectRemoved:*")
    put(s3, "a")
    answer = s3("DeleteObjects", Delete={"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": "no version"}]})
    assert [one["Key"] for one in answer["Errors"]] == ["b"]
    assert [record["s3"]["object"]["key"] for record in told(cloud, queue)] == ["a"]


ARN = "arn:aws:sqs:eu-west-1:000000000000:news"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([rule(ARN, "s3:Nothing:*")], "The event is not supported for notifications"),
        ([rule(ARN, "s3:ObjectCreated:*") | {"QueueArn": "arn:aws:sns:eu-west-1:000000000000:news"}], "The ARN could not be parsed"),
        ([rule(ARN, "s3:ObjectCreated:*") | {"QueueArn": "news"}], "The ARN could not be parsed"),
        ([rule(ARN.replace("news", "none"), "s3:ObjectCreated:*")], "Unable to validate the following destination configurations"),
        ([rule(ARN.replace("eu-west-1", "us-east-1"), "s3:ObjectCreated:*")], "The notification destination service region is not valid"),
        ([rule(ARN, "s3:ObjectCreated:*"), rule(ARN, "s3:ObjectCreated:Put")], "Configurations overlap"),
        ([rule(ARN, "s3:ObjectCreated:*", prefix="a"), rule(ARN, "s3:ObjectCreated:*", prefix="ab")], "Configurations overlap"),
        ([rule(ARN, "s3:ObjectCreated:Put", Id="x"), rule(ARN, "s3:ObjectRemoved:Delete", Id="x")], "IDs must be unique"),
        (
            [rule(ARN, "s3:ObjectCreated:*") | {"Filter": {"Key": {"FilterRules": [{"Name": "infix", "Value": "x"}]}}}],
            "filter rule name must be either prefix or suffix",
        ),
    ],
)
def test_configurations_that_cannot_be(cloud, s3, queue, rules, message):
    with pytest.raises(ServiceError, match=message):
        configure(s3, *rules)
    assert s3("GetBucketNotificationConfiguration") == {}
    put(s3, "a")
    assert cloud.bodies(queue) == []


def test_rules_that_only_seem_to_overlap(s3, queue):
    configure(s3, rule(ARN, "s3:ObjectCreated:*", prefix="a", suffix=".mp4"), rule(ARN, "s3:ObjectCreated:*", prefix="a", suffix=".mov"))


def test_destinations_are_not_looked_for_if_asked_not_to(s3):
    configure(s3, rule(ARN.replace("news", "none"), "s3:ObjectCreated:*"), SkipDestinationValidation=True)


EVENTS = st.lists(st.sampled_from(["s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"]), min_size=1, max_size=2)
RULES = st.builds(lambda e, p, s: Rule("", "", tuple(e), p, s), EVENTS, st.text("ab", max_size=3), st.text("ab", max_size=3))


@given(RULES, RULES, st.sampled_from(["ObjectCreated:Put", "ObjectCreated:Copy"]), st.text("ab", max_size=8))
def test_rules_that_both_meet_a_change_overlap(one: Rule, two: Rule, event: str, key: str) -> None:
    if one.meets(event, key) and two.meets(event, key):
        assert one.overlaps(two)
        assert two.overlaps(one)
