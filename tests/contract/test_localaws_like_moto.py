"""One boto3 program, run against moto and against openrek, gets the same answers from both.

Where moto is known to differ from AWS, the program asks for something else; the tests beside the code hold openrek to AWS's own words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from running_gateway import running

from openrek.clock import SystemClock
from openrek.db import Database
from openrek.localaws.iam import Identities, iam_operations
from openrek.localaws.sns import Topics, sns_operations
from openrek.localaws.sqs import Queues, sqs_operations
from openrek.localaws.store import Store
from openrek.localaws.sts import sts_operations
from openrek.wire.gateway import Gateway

ACCOUNT, REGION = "123456789012", "eu-west-1"
KEYS = {"region_name": REGION, "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret"}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "rekognition.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
_RANDOM = {
    re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"): "uuid",
    re.compile(r"\b(AROA|AIDA|ANPA|AKIA|ASIA)[A-Z0-9]{12,}\b|\bA[A-Z0-9]{20}\b"): "id",
    re.compile(r"https?://[^/\s\"]+"): "host",
}
_HIDDEN = {
    "ReceiptHandle",
    "NextToken",
    "Marker",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "SentTimestamp",
    "ApproximateFirstReceiveTimestamp",
    "SenderId",
    "RoleId",
    "PolicyId",
    "UserId",
    "AccessKeyId",
    "SecretAccessKey",
    "SessionToken",
    "Signature",
    "SigningCertURL",
    "UnsubscribeURL",
    "Timestamp",
    "EffectiveDeliveryPolicy",
    "SignatureVersion",
}
_LEFT_OUT = {
    "MaxSessionDuration",  # of a new role: AWS tells it in GetRole and ListRoles only
    "PackedPolicySize",
    "PermissionsBoundaryUsageCount",  # moto does not tell it
    "RoleLastUsed",
    "SubscriptionPrincipal",  # nor this
}
_EMPTY = [("Failed", []), ("DeliveryPolicy", "")]  # AWS leaves them out
_DOCUMENTS = {"Policy", "RedrivePolicy", "FilterPolicy", "Body"}


class Program:
    """Calls, and what came of them with everything taken out that is new each time."""

    def __init__(self, **where: Any) -> None:
        self.clients = {name: boto3.client(name, **KEYS, **where) for name in ("sqs", "sns", "iam", "sts")}
        self.answers: list[Any] = []
        self._seen: dict[str, str] = {}

    def __call__(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        try:
            answer = getattr(self.clients[service], operation)(**params)
            del answer["ResponseMetadata"]
            self.answers.append((service, operation, self._plain(answer)))
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            self.answers.append((service, operation, error.response["Error"]["Code"], status))
        return answer

    def _plain(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            if value.get("Body", "").startswith("{"):  # a notification has another signature, and so another digest, each time
                value = {**value, "MD5OfBody": "<MD5OfBody>"}
            kept = {key: one for key, one in sorted(value.items()) if key not in _LEFT_OUT and (key, one) not in _EMPTY}
            return {key: self._plain(one, key) for key, one in kept.items()}
        if isinstance(value, list):
            return [self._plain(one) for one in value]
        if name in _HIDDEN or isinstance(value, datetime):
            return f"<{name}>"
        if isinstance(value, str) and name in _DOCUMENTS and value.startswith("{"):
            return self._plain(json.loads(value))
        if isinstance(value, str):
            for pattern, kind in _RANDOM.items():
                value = pattern.sub(lambda match, kind=kind: self._name(kind, match[0]), value)
        return value

    def _name(self, kind: str, text: str) -> str:
        return "<host>" if kind == "host" else self._seen.setdefault(text, f"<{kind} {len(self._seen)}>")


def queues(call: Program) -> None:
    url = call("sqs", "create_queue", QueueName="queue", Attributes={"VisibilityTimeout": "33"}, tags={"a": "b"})["QueueUrl"]
    call("sqs", "create_queue", QueueName="queue", Attributes={"VisibilityTimeout": "33"})
    call("sqs", "create_queue", QueueName="queue", Attributes={"VisibilityTimeout": "34"})
    call("sqs", "create_queue", QueueName="not a name")
    call("sqs", "get_queue_url", QueueName="queue")
    call("sqs", "get_queue_url", QueueName="none")
    call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn", "DelaySeconds", "Policy"])
    call("sqs", "get_queue_attributes", QueueUrl=url)
    call("sqs", "set_queue_attributes", QueueUrl=url, Attributes={"DelaySeconds": "1", "Policy": DOCUMENT})
    call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["DelaySeconds", "Policy"])
    call("sqs", "set_queue_attributes", QueueUrl=url, Attributes={"DelaySeconds": "0"})
    call("sqs", "tag_queue", QueueUrl=url, Tags={"c": "d"})
    call("sqs", "untag_queue", QueueUrl=url, TagKeys=["a"])
    call("sqs", "list_queue_tags", QueueUrl=url)
    for name in ("other-1", "other-2", "other-3"):
        call("sqs", "create_queue", QueueName=name)
    call("sqs", "list_queues", QueueNamePrefix="other")
    first = call("sqs", "list_queues", QueueNamePrefix="other", MaxResults=2)
    call("sqs", "list_queues", QueueNamePrefix="other", MaxResults=2, NextToken=first["NextToken"])
    call("sqs", "list_queues", QueueNamePrefix="none")
    call("sqs", "delete_queue", QueueUrl=url)
    call("sqs", "delete_queue", QueueUrl=url)
    call("sqs", "send_message", QueueUrl=url, MessageBody="too late")


def messages(call: Program) -> None:
    url = call("sqs", "create_queue", QueueName="messages")["QueueUrl"]
    attributes = {
        "text": {"DataType": "String", "StringValue": "wörd"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        "number": {"DataType": "Number", "StringValue": "1.5"},
    }
    call("sqs", "receive_message", QueueUrl=url)
    call("sqs", "send_message", QueueUrl=url, MessageBody="häl\n<lo> & \t\r", MessageAttributes=attributes)
    call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    got = call("sqs", "receive_message", QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"], VisibilityTimeout=20)
    call("sqs", "receive_message", QueueUrl=url)
    call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
    handle = got["Messages"][0]["ReceiptHandle"]
    call("sqs", "change_message_visibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    for names in (["te.*"], [".*"], ["number", "none"], []):
        got = call("sqs", "receive_message", QueueUrl=url, MessageAttributeNames=names, WaitTimeSeconds=1)
        handle = got["Messages"][0]["ReceiptHandle"]
        call("sqs", "change_message_visibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    call("sqs", "delete_message", QueueUrl=url, ReceiptHandle=handle)
    call("sqs", "delete_message", QueueUrl=url, ReceiptHandle=handle)
    call("sqs", "delete_message", QueueUrl=url, ReceiptHandle="garbage")
    call("sqs", "change_message_visibility", QueueUrl=url, ReceiptHandle="garbage", VisibilityTimeout=1)
    call("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=11)
    call("sqs", "receive_message", QueueUrl=url, WaitTimeSeconds=21)
    call("sqs", "send_message", QueueUrl=url, MessageBody="x", DelaySeconds=901)
    call("sqs", "send_message", QueueUrl=url, MessageBody="x", MessageAttributes={"a b": attributes["text"]})
    call("sqs", "send_message", QueueUrl=url, MessageBody="x" * (1 << 20) + "x")
    call("sqs", "send_message", QueueUrl=url, MessageBody="delayed", DelaySeconds=900)
    call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesDelayed"])
    call("sqs", "purge_queue", QueueUrl=url)
    call("sqs", "send_message_batch", QueueUrl=url, Entries=[])
    call("sqs", "send_message_batch", QueueUrl=url, Entries=[{"Id": str(number), "MessageBody": "x"} for number in range(11)])
    call("sqs", "send_message_batch", QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}] * 2)
    call("sqs", "send_message_batch", QueueUrl=url, Entries=[{"Id": "a.b", "MessageBody": "x"}])
    entries = [{"Id": f"id-{number}", "MessageBody": f"body {number}", "MessageAttributes": attributes} for number in range(3)]
    call("sqs", "send_message_batch", QueueUrl=url, Entries=entries)
    got = call("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    handles = [message["ReceiptHandle"] for message in got["Messages"]]
    entries = [{"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0} for number, handle in enumerate(handles)]
    call("sqs", "change_message_visibility_batch", QueueUrl=url, Entries=entries)
    got = call("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
    entries = [{"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(got["Messages"])]
    call("sqs", "delete_message_batch", QueueUrl=url, Entries=[*entries, {"Id": "wrong", "ReceiptHandle": "garbage"}])
    call("sqs", "receive_message", QueueUrl=url)


def dead_letters(call: Program) -> None:
    dead = call("sqs", "create_queue", QueueName="dead")["QueueUrl"]
    arn = call("sqs", "get_queue_attributes", QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    attributes = {"RedrivePolicy": policy, "VisibilityTimeout": "0"}
    url = call("sqs", "create_queue", QueueName="source", Attributes=attributes)["QueueUrl"]
    call("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["RedrivePolicy"])
    call("sqs", "list_dead_letter_source_queues", QueueUrl=dead)
    call("sqs", "send_message", QueueUrl=url, MessageBody="poison")
    for _ in range(3):
        call("sqs", "receive_message", QueueUrl=url, AttributeNames=["ApproximateReceiveCount"])
    call("sqs", "receive_message", QueueUrl=dead, AttributeNames=["ApproximateReceiveCount"])
    call("sqs", "set_queue_attributes", QueueUrl=url, Attributes={"RedrivePolicy": ""})
    call("sqs", "list_dead_letter_source_queues", QueueUrl=dead)
    call("sqs", "add_permission", QueueUrl=url, Label="label", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    call("sqs", "add_permission", QueueUrl=url, Label="label", AWSAccountIds=["111111111111"], Actions=["SendMessage"])
    call("sqs", "remove_permission", QueueUrl=url, Label="label")
    call("sqs", "remove_permission", QueueUrl=url, Label="label")


def topics(call: Program) -> None:
    arn = call("sns", "create_topic", Name="topic", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    call("sns", "create_topic", Name="topic")
    call("sns", "create_topic", Name="not a name")
    call("sns", "get_topic_attributes", TopicArn=arn)
    call("sns", "set_topic_attributes", TopicArn=arn, AttributeName="DisplayName", AttributeValue="Name")
    call("sns", "get_topic_attributes", TopicArn=arn)
    call("sns", "list_topics")
    call("sns", "tag_resource", ResourceArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    call("sns", "untag_resource", ResourceArn=arn, TagKeys=["a"])
    call("sns", "list_tags_for_resource", ResourceArn=arn)
    call("sns", "get_topic_attributes", TopicArn=f"{arn}s")
    call("sns", "publish", TopicArn=f"{arn}s", Message="x")
    call("sns", "subscribe", TopicArn=f"{arn}s", Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue")
    call("sns", "delete_topic", TopicArn=arn)
    call("sns", "list_topics")


def notifications(call: Program) -> None:
    arn = call("sns", "create_topic", Name="completion")["TopicArn"]
    url = call("sqs", "create_queue", QueueName="completions")["QueueUrl"]
    endpoint = f"arn:aws:sqs:{REGION}:{ACCOUNT}:completions"
    subscription = call("sns", "subscribe", TopicArn=arn, Protocol="sqs", Endpoint=endpoint)["SubscriptionArn"]
    call("sns", "subscribe", TopicArn=arn, Protocol="sqs", Endpoint=endpoint)
    call("sns", "get_subscription_attributes", SubscriptionArn=subscription)
    call("sns", "list_subscriptions")
    call("sns", "list_subscriptions_by_topic", TopicArn=arn)
    attributes = {"text": {"DataType": "String", "StringValue": "wörd"}, "bytes": {"DataType": "Binary", "BinaryValue": b"\x02"}}
    call("sns", "publish", TopicArn=arn, Message="plain")
    call("sns", "publish", TopicArn=arn, Message="with everything", Subject="Subject", MessageAttributes=attributes)
    call("sns", "publish", TargetArn=arn, Message='{"default": "d", "sqs": "for queues"}', MessageStructure="json")
    call("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
    name = "RawMessageDelivery"
    call("sns", "set_subscription_attributes", SubscriptionArn=subscription, AttributeName=name, AttributeValue="true")
    call("sns", "publish", TopicArn=arn, Message="raw", MessageAttributes={"text": attributes["text"]})
    call("sqs", "receive_message", QueueUrl=url, MessageAttributeNames=["All"])
    policy = json.dumps({"text": ["wörd", {"prefix": "x"}], "n": [{"numeric": [">", 1, "<=", 5]}]})
    call("sns", "set_subscription_attributes", SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue=policy)
    for number in ("1", "5", "6"):
        filtered = {"text": attributes["text"], "n": {"DataType": "Number", "StringValue": number}}
        call("sns", "publish", TopicArn=arn, Message=number, MessageAttributes=filtered)
    call("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
    call("sns", "set_subscription_attributes", SubscriptionArn=subscription, AttributeName="Colour", AttributeValue="red")
    call("sns", "publish_batch", TopicArn=arn, PublishBatchRequestEntries=[{"Id": "a", "Message": "x"}, {"Id": "a", "Message": "y"}])
    call("sns", "publish", TopicArn=arn, Message="x", Subject="x" * 101)
    call("sns", "publish", TopicArn=arn, Message="x" * 262_145)
    call("sns", "unsubscribe", SubscriptionArn=subscription)
    call("sns", "unsubscribe", SubscriptionArn=subscription)
    call("sns", "get_subscription_attributes", SubscriptionArn=subscription)
    call("sns", "list_subscriptions_by_topic", TopicArn=arn)


def identities(call: Program) -> None:
    arn = call("iam", "create_role", RoleName="role", AssumeRolePolicyDocument=TRUST, Description="What for")["Role"]["Arn"]
    call("iam", "create_role", RoleName="role", AssumeRolePolicyDocument=TRUST)
    call("iam", "get_role", RoleName="none")
    policy = call("iam", "create_policy", PolicyName="policy", PolicyDocument=DOCUMENT)["Policy"]["Arn"]
    call("iam", "create_policy", PolicyName="policy", PolicyDocument=DOCUMENT)
    call("iam", "create_policy", PolicyName="other", PolicyDocument="text")
    call(
        "iam",
        "create_policy",
        PolicyName="other",
        PolicyDocument='{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*"}}',
    )
    call("iam", "attach_role_policy", RoleName="role", PolicyArn=policy)
    call("iam", "attach_role_policy", RoleName="role", PolicyArn=f"{policy}-none")
    call("iam", "list_attached_role_policies", RoleName="role")
    call("iam", "get_policy_version", PolicyArn=policy, VersionId="v1")
    call("iam", "list_policies", Scope="Local")
    call("iam", "delete_policy_version", PolicyArn=policy, VersionId="v1")
    call("iam", "put_role_policy", RoleName="role", PolicyName="inline", PolicyDocument=DOCUMENT)
    call("iam", "get_role_policy", RoleName="role", PolicyName="inline")
    call("iam", "get_role_policy", RoleName="role", PolicyName="none")
    call("iam", "list_role_policies", RoleName="role")
    call("iam", "delete_role", RoleName="role")
    call("iam", "delete_role_policy", RoleName="role", PolicyName="inline")
    call("iam", "detach_role_policy", RoleName="role", PolicyArn=policy)
    call("iam", "detach_role_policy", RoleName="role", PolicyArn=policy)
    call("iam", "update_assume_role_policy", RoleName="role", PolicyDocument=TRUST)
    call("iam", "tag_role", RoleName="role", Tags=[{"Key": "a", "Value": "b"}])
    call("iam", "list_role_tags", RoleName="role")
    call("sts", "assume_role", RoleArn=arn, RoleSessionName="session")
    call("sts", "get_session_token")
    call("iam", "delete_role", RoleName="role")
    call("iam", "delete_policy", PolicyArn=policy)
    call("iam", "get_policy", PolicyArn=policy)
    call("iam", "create_user", UserName="user")
    call("iam", "create_access_key", UserName="user")
    call("iam", "get_user", UserName="none")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("aws") / "aws.db"
    database = Database(f"sqlite:///{path}", "localaws")
    database.migrate()
    with Store(database, SystemClock()) as store:
        identities = Identities(store)
        services = {
            "sqs": sqs_operations(Queues(store)),
            "sns": sns_operations(Topics(store, endpoint="http://localhost")),
            "iam": iam_operations(identities),
            "sts": sts_operations(identities),
        }
        with running(Gateway(services, account=ACCOUNT, region=REGION, request_bytes=16 << 20)) as port:
            yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("part", [queues, messages, dead_letters, topics, notifications, identities], ids=lambda part: part.__name__)
def test_the_same_answers(endpoint: str, part: Any) -> None:
    ours = Program(endpoint_url=endpoint)
    part(ours)
    with mock_aws():
        theirs = Program()
        part(theirs)
    for mine, reference in zip(ours.answers, theirs.answers, strict=True):
        assert mine == reference
