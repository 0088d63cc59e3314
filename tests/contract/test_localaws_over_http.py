"""The embedded SNS, SQS, IAM and STS behind the gateway: what AWS's own samples do, and clients that hang up."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from running_gateway import running

from openrek.clock import SystemClock
from openrek.db import Database
from openrek.localaws.iam import Identities, iam_operations
from openrek.localaws.sns import CertificatePage, Topics, sns_operations
from openrek.localaws.sqs import Queues, sqs_operations
from openrek.localaws.store import Store
from openrek.localaws.sts import sts_operations
from openrek.wire.gateway import Gateway

NAME = "doc-example-video-rekognition"


@dataclass
class Aws:
    endpoint: str
    port: int
    queues: Queues
    topics: Topics

    @property
    def settings(self) -> dict[str, str]:
        return {
            "endpoint_url": self.endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "openrek",
            "aws_secret_access_key": "openrek-secret",
        }

    def client(self, name: str, **changes: str) -> Any:
        return boto3.client(name, **{**self.settings, **changes})

    def resource(self, name: str) -> Any:
        return boto3.resource(name, **self.settings)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    path: Path = tmp_path_factory.mktemp("aws") / "aws.db"
    database = Database(f"sqlite:///{path}", "localaws")
    database.migrate()
    with Store(database, SystemClock()) as store:
        queues, topics, identities = Queues(store), Topics(store, endpoint="http://localhost"), Identities(store)
        services = {
            "sqs": sqs_operations(queues),
            "sns": sns_operations(topics),
            "iam": iam_operations(identities),
            "sts": sts_operations(identities),
        }
        gateway = Gateway(services, account="000000000000", region="us-east-1", request_bytes=16 << 20)
        with running(CertificatePage(gateway, topics.signer)) as port:
            yield Aws(f"http://127.0.0.1:{port}", port, queues, topics)


def test_the_notification_channel_of_aws_own_sample(aws: Aws) -> None:
    """Every call of `RekognitionVideo` in aws-doc-sdk-examples, from set-up to clean-up."""
    iam, sns, sqs = aws.resource("iam"), aws.resource("sns"), aws.resource("sqs")
    topic = sns.create_topic(Name=NAME)
    queue = sqs.create_queue(QueueName=NAME, Attributes={"ReceiveMessageWaitTimeSeconds": "5"})
    queue_arn = queue.attributes["QueueArn"]
    policy = {
        "Version": "2008-10-17",
        "Statement": [
            {
                "Sid": "test-sid",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "SQS:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic.arn}},
            }
        ],
    }
    queue.set_attributes(Attributes={"Policy": json.dumps(policy)})
    topic.subscribe(Protocol="sqs", Endpoint=queue_arn)
    trust = {"Effect": "Allow", "Principal": {"Service": "rekognition.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    grant = {"Effect": "Allow", "Action": "SNS:Publish", "Resource": topic.arn}
    granted = iam.create_policy(PolicyName=NAME, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [grant]}))
    role.attach_policy(PolicyArn=granted.arn)
    iam.meta.client.get_waiter("role_exists").wait(RoleName=NAME)
    iam.meta.client.get_waiter("policy_exists").wait(PolicyArn=granted.arn)
    assert role.assume_role_policy_document["Statement"] == [trust]
    assert json.loads(sqs.Queue(queue.url).attributes["Policy"]) == policy

    completion = {"JobId": "ab" * 32, "Status": "SUCCEEDED", "API": "StartLabelDetection", "Timestamp": 1510865364756}
    aws.topics.publish(topic.arn, json.dumps(completion), publication_id="one")
    [message] = queue.receive_messages(MaxNumberOfMessages=1, WaitTimeSeconds=5)
    assert json.loads(json.loads(message.body)["Message"]) == completion
    message.delete()
    message.delete()
    assert queue.receive_messages(MaxNumberOfMessages=10, MessageAttributeNames=["ALL"], WaitTimeSeconds=0) == []

    for attached in role.attached_policies.all():
        role.detach_policy(PolicyArn=attached.arn)
        attached.delete()
    role.delete()
    queue.delete()
    topic.delete()
    with pytest.raises(aws.client("sqs").exceptions.QueueDoesNotExist) as gone:
        queue.load()
    assert gone.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    with pytest.raises(aws.client("sns").exceptions.NotFoundException):
        topic.load()
    with pytest.raises(iam.meta.client.exceptions.NoSuchEntityException):
        role.load()


def test_codes_of_errors_are_those_of_aws(aws: Aws) -> None:
    sqs, sns, iam = aws.client("sqs"), aws.client("sns"), aws.client("iam")
    url = sqs.create_queue(QueueName="codes")["QueueUrl"]

    def failure(call: Any, **params: Any) -> tuple[str, str | None, int]:
        with pytest.raises(ClientError) as raised:
            call(**params)
        error = raised.value.response["Error"]
        return error["Code"], error.get("QueryErrorCode"), raised.value.response["ResponseMetadata"]["HTTPStatusCode"]

    assert failure(sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11) == (
        "InvalidParameterValue",
        "InvalidParameterValueException",
        400,
    )
    assert failure(sqs.send_message, QueueUrl=url, MessageBody="") == ("MissingParameter", "MissingRequiredParameterException", 400)
    assert failure(sqs.send_message, QueueUrl=url, MessageBody="\x01")[0] == "InvalidMessageContents"
    assert failure(sqs.create_queue, QueueName="codes", Attributes={"DelaySeconds": "1"})[:2] == ("QueueAlreadyExists", "QueueNameExists")
    assert failure(sqs.delete_message_batch, QueueUrl=url, Entries=[])[0] == "AWS.SimpleQueueService.EmptyBatchRequest"
    arn = "arn:aws:sqs:us-east-1:000000000000:none"
    assert failure(sqs.start_message_move_task, SourceArn=arn) == ("ResourceNotFoundException", "ResourceNotFoundException", 404)
    assert failure(sns.publish, TopicArn="arn:aws:sns:us-east-1:000000000000:none", Message="x") == ("NotFound", None, 404)
    assert failure(sns.publish, TopicArn="none", Message="x") == ("InvalidParameter", None, 400)
    assert failure(sns.create_topic, Name="a b") == ("InvalidParameter", None, 400)
    assert failure(iam.get_role, RoleName="none") == ("NoSuchEntity", None, 404)
    assert failure(iam.create_role, RoleName="x", AssumeRolePolicyDocument="{}") == ("MalformedPolicyDocument", None, 400)


def test_the_link_in_a_notification_ends_the_subscription_unsigned(aws: Aws) -> None:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name="links")["TopicArn"]
    url = sqs.create_queue(QueueName="links")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:links")
    sns.publish(TopicArn=topic, Message="x")
    link = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])["UnsubscribeURL"]
    assert link.startswith(f"{aws.endpoint}/?Action=Unsubscribe")
    assert httpx.get(link).status_code == 200
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_a_notification_is_verified_with_the_certificate_that_it_names(aws: Aws) -> None:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name="signed", Attributes={"SignatureVersion": "2"})["TopicArn"]
    url = sqs.create_queue(QueueName="signed")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:signed")
    sns.publish(TopicArn=topic, Message="täxt", Subject="About")
    note = json.loads(sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"])
    certificate = x509.load_pem_x509_certificate(httpx.get(note["SigningCertURL"]).content)
    parts = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    canonical = "".join(f"{part}\n{note[part]}\n" for part in parts).encode()
    certificate.public_key().verify(base64.b64decode(note["Signature"]), canonical, padding.PKCS1v15(), hashes.SHA256())
    assert httpx.head(note["SigningCertURL"]).status_code == 200


def test_an_assumed_role_is_who_calls(aws: Aws) -> None:
    iam, sts = aws.client("iam"), aws.client("sts")
    trust = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}'
    arn = iam.create_role(RoleName="assumed", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="me")
    credentials = answer["Credentials"]
    session = aws.client(
        "sts",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    assert session.get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    iam.delete_role(RoleName="assumed")


def test_a_client_that_hangs_up_takes_no_message_along(aws: Aws) -> None:
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="hung-up")["QueueUrl"]
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20}).encode()
    request = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{aws.port}\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"X-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body

    def waiting() -> int:
        return sum(not one.answer.done() for desk in list(aws.queues._polling._desks.values()) for one in desk.line)

    def until(count: int) -> None:
        deadline = time.monotonic() + 30
        while waiting() != count:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    before = waiting()
    connections = []
    for _ in range(10):
        connection = socket.create_connection(("127.0.0.1", aws.port))
        connection.sendall(request)
        connections.append(connection)
    until(before + 10)
    for connection in connections[:9]:
        connection.close()
    until(before + 1)
    sqs.send_message(QueueUrl=url, MessageBody="precious")
    received = connections[9].recv(65536)
    while b"precious" not in received:
        received += connections[9].recv(65536)
    connections[9].close()
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])["Attributes"] == {
        "ApproximateNumberOfMessagesNotVisible": "1"
    }
