"""Values inside parameters that no parser of ours may choke on: the services answer with their own errors."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.localaws import json_text
from openrek.localaws.s3 import ranges
from openrek.localaws.sns import http_client

DEEP = '{"a":' * 20_000
DEEP_ARRAY = "[" * 20_000
NOBODY = "http://127.0.0.1:9/"


def code(cloud: Any, service: str, operation: str, **params: Any) -> str:
    """The code of the error; empty if there is none."""
    try:
        asyncio.run(cloud.call(service, operation, **params))
    except ServiceError as error:
        return error.code
    return ""


@pytest.mark.parametrize("text", [DEEP, DEEP_ARRAY, "NaN", "[Infinity]", "9" * 5000, "{", ""])
def test_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_text.parse(text)


@pytest.mark.parametrize("name", ["DeliveryPolicy", "FilterPolicy", "RedrivePolicy"])
def test_deep_attributes_of_subscriptions(cloud: Any, name: str) -> None:
    topic = cloud.topic()
    arn = cloud.sns("Subscribe", TopicArn=topic, Protocol="http", Endpoint=NOBODY, ReturnSubscriptionArn=True)["SubscriptionArn"]
    for text in (DEEP, DEEP_ARRAY):
        params = {"SubscriptionArn": arn, "AttributeName": name, "AttributeValue": text}
        assert code(cloud, "sns", "SetSubscriptionAttributes", **params) == "InvalidParameterException"


@pytest.mark.parametrize("name", ["DeliveryPolicy", "Policy"])
def test_deep_attributes_of_topics(cloud: Any, name: str) -> None:
    params = {"TopicArn": cloud.topic(), "AttributeName": name, "AttributeValue": DEEP}
    assert code(cloud, "sns", "SetTopicAttributes", **params) == "InvalidParameterException"


@pytest.mark.parametrize("name", ["Policy", "RedrivePolicy", "RedriveAllowPolicy"])
def test_deep_attributes_of_queues(cloud: Any, name: str) -> None:
    assert code(cloud, "sqs", "SetQueueAttributes", QueueUrl=cloud.queue(), Attributes={name: DEEP}).startswith("Invalid")


def test_deep_messages(cloud: Any) -> None:
    topic, url = cloud.topic(), cloud.queue()
    cloud.subscribe(topic, url, FilterPolicyScope="MessageBody", FilterPolicy='{"a": ["b"]}')
    assert code(cloud, "sns", "Publish", TopicArn=topic, Message=DEEP, MessageStructure="json") == "InvalidParameterException"
    for body in (DEEP, DEEP_ARRAY, '{"a":' * 950 + "1" + "}" * 950, '{"' + "a." * 950 + '": 1}'):
        cloud.sns("Publish", TopicArn=topic, Message=body)
    assert cloud.bodies(url) == []


def test_attributes_of_messages_that_a_filter_reads(cloud: Any) -> None:
    topic, url = cloud.topic(), cloud.queue()
    cloud.subscribe(topic, url, FilterPolicy='{"a": [{"numeric": [">", 0]}]}', RawMessageDelivery="true")
    for value in ("abc", "[[1", "1_0", "nan", "1e", "0x10"):
        attributes = {"a": {"DataType": "Number", "StringValue": value}}
        assert code(cloud, "sns", "Publish", TopicArn=topic, Message="m", MessageAttributes=attributes) == "InvalidParameterValueException"
    for kind, value in (("Number", "1e400"), ("Number", "+.5"), ("Number.int", "7"), ("String.Array", DEEP_ARRAY), ("String.Array", "[1]")):
        cloud.sns("Publish", TopicArn=topic, Message=value, MessageAttributes={"a": {"DataType": kind, "StringValue": value}})
    assert cloud.bodies(url) == ["1e400", "+.5", "7", "[1]"]


@pytest.mark.parametrize(
    "part",
    [
        '"healthyRetryPolicy": "x"',
        '"requestPolicy": "x"',
        '"throttlePolicy": "x"',
        '"requestPolicy": {"headerContentType": "t\\u00e4xt"}',
        '"requestPolicy": {"headerContentType": "a\\nb"}',
        '"requestPolicy": {"headerContentType": 5}',
        '"healthyRetryPolicy": {"numRetries": "many"}',
        '"healthyRetryPolicy": {"numRetries": 100000000}',
    ],
)
def test_delivery_policies_that_nothing_can_be_delivered_by(cloud: Any, part: str) -> None:
    topic = cloud.topic()
    endpoint = {"TopicArn": topic, "Protocol": "http", "Endpoint": NOBODY}
    assert code(cloud, "sns", "Subscribe", **endpoint, Attributes={"DeliveryPolicy": f"{{{part}}}"}) == "InvalidParameterException"
    name, colon, value = part.partition(":")
    default = f'"default{name.strip()[1].upper()}{name.strip()[2:]}{colon}{value}'
    for text in (f'{{"http": {{{default}}}}}', '{"http": "x"}'):
        params = {"TopicArn": topic, "AttributeName": "DeliveryPolicy", "AttributeValue": text}
        assert code(cloud, "sns", "SetTopicAttributes", **params) == "InvalidParameterException"
    assert code(cloud, "sns", "Subscribe", **endpoint) == ""


def test_policies_with_statements_that_are_none(cloud: Any) -> None:
    odd = '{"Statement": ["x", 1, {"Sid": "kept"}]}'
    topic, url = cloud.topic(Policy=odd), cloud.queue(Policy=odd)
    assert code(cloud, "sns", "AddPermission", TopicArn=topic, Label="l", AWSAccountId=["000000000001"], ActionName=["Publish"]) == ""
    assert code(cloud, "sqs", "AddPermission", QueueUrl=url, Label="l", AWSAccountIds=["000000000001"], Actions=["SendMessage"]) == ""
    assert code(cloud, "sns", "RemovePermission", TopicArn=topic, Label="l") == ""
    assert code(cloud, "sqs", "RemovePermission", QueueUrl=url, Label="l") == ""


def test_handles_with_numbers_that_no_database_holds(cloud: Any) -> None:
    handle = {"taskId": str(10**30), "sourceArn": cloud.arn(cloud.queue())}
    encoded = base64.b64encode(json.dumps(handle).encode()).decode()
    assert code(cloud, "sqs", "CancelMessageMoveTask", TaskHandle=encoded) == "ResourceNotFoundException"


@pytest.mark.parametrize("number", ["9" * 56, f"{0:020d}{2**63:036d}"])
def test_tokens_of_logs_with_numbers_that_no_database_holds(cloud: Any, number: str) -> None:
    named = {"logGroupName": "group"}
    asyncio.run(cloud.call("logs", "CreateLogGroup", **named))
    asyncio.run(cloud.call("logs", "CreateLogStream", **named, logStreamName="stream"))
    assert code(cloud, "logs", "FilterLogEvents", **named, nextToken=f"f/{number}") == "InvalidParameterException"
    params = {**named, "logStreamName": "stream", "nextToken": f"b/{number}/s"}
    assert code(cloud, "logs", "GetLogEvents", **params) == "InvalidParameterException"


@pytest.mark.parametrize("payload", [DEEP.encode(), b"NaN", '{"a": 1}'.encode("utf-16"), b"\xff", b"9" * 5000])
def test_events_that_are_no_json(cloud: Any, payload: bytes) -> None:
    cloud.function()
    params = {"FunctionName": "function", "InvocationType": "DryRun"}
    assert code(cloud, "lambda", "Invoke", **params, Payload=payload) == "InvalidRequestContentException"
    context = base64.b64encode(b"[" * 2500).decode()
    assert code(cloud, "lambda", "Invoke", **params, ClientContext=context) == "InvalidRequestContentException"


def test_policies_of_iam(cloud: Any) -> None:
    assert code(cloud, "iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument="[" * 8000).startswith("MalformedPolicyDocument")


def test_ranges_of_many_digits() -> None:
    many = "9" * 5000
    assert ranges.requested_range(f"bytes=2-{many}", 5) == ranges.ByteRange(2, 3, 5)
    assert ranges.requested_range(f"bytes=-{many}", 5) == ranges.ByteRange(0, 5, 5)
    assert ranges.requested_range(f"bytes={'0' * 5000}1-2", 5) == ranges.ByteRange(1, 2, 5)
    with pytest.raises(ServiceError, match="not satisfiable"):
        ranges.requested_range(f"bytes={many}-", 5)
    with pytest.raises(ServiceError, match="not valid for source object of size: 5"):
        ranges.copied_range(f"bytes=0-{many}", 5)


@pytest.mark.parametrize("headers", [{"Content-Type": "tëxt"}, {"Content-Type": "a\nb"}])
def test_headers_that_cannot_be_sent_are_a_failure_like_others(headers: dict[str, str]) -> None:
    with pytest.raises(http_client.PostError, match="cannot be asked over HTTP"):
        asyncio.run(http_client.post(NOBODY, headers, b""))
