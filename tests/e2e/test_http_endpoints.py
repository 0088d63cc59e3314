"""A completion reaches an HTTP endpoint through a real server: asked by link, told, signed by the certificate that the message names."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_server import Server, serving
from sns_receiver import Receiver, receiving, verify


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as endpoint:
        yield endpoint


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
        return content


def test_confirmed_by_its_link_and_verified_by_the_certificate_it_names(server: Server, receiver: Receiver) -> None:
    sns = server.client("sns")
    topic = sns.create_topic(Name="hooks", Attributes={"SignatureVersion": "2"})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url)
    asked = receiver.take().message
    verify(asked, fetch(asked["SigningCertURL"]))
    assert b"<ConfirmSubscriptionResult>" in fetch(asked["SubscribeURL"])
    sns.publish(TopicArn=topic, Message="news")
    told = receiver.take().message
    assert told["Message"] == "news"
    assert told["SigningCertURL"].startswith(server.url)
    assert told["SigningCertURL"].endswith(".pem")
    verify(told, fetch(told["SigningCertURL"]))
    assert b"<UnsubscribeResponse" in fetch(told["UnsubscribeURL"])
    assert receiver.take().message["Type"] == "UnsubscribeConfirmation"
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_a_notification_survives_kill_while_its_endpoint_is_down(tmp_path: Path, receiver: Receiver) -> None:
    with serving(tmp_path / "data") as server:
        sns = server.client("sns")
        topic = sns.create_topic(Name="hooks")["TopicArn"]
        policy = '{"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 100}}'
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=receiver.url, Attributes={"DeliveryPolicy": policy})
        sns.confirm_subscription(TopicArn=topic, Token=receiver.take().message["Token"])
        receiver.answers = [503] * 1000
        sent = sns.publish(TopicArn=topic, Message="survives")["MessageId"]
        receiver.take()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    while not receiver.empty:
        receiver.take()
    receiver.answers = []
    with serving(tmp_path / "data"):
        assert receiver.take(60).message["MessageId"] == sent
