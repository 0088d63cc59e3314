"""HTTP endpoints: asked, told, tried again, given up, sent home."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.schema import posts
from openrek.localaws.sns import delivery, http_client
from sns_receiver import Receiver, receiving, verify


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as endpoint:
        yield endpoint


def waiting(cloud: Any) -> list[tuple[int, int]]:
    """Attempts and times of what is on its way."""
    rows = cloud.store.read_now(lambda tx: tx.sql.execute(select(posts.c.attempts, posts.c.due_at).order_by(posts.c.id)).all())
    return [(row.attempts, row.due_at - cloud.clock.now()) for row in rows]


def count(cloud: Any) -> int:
    found: int = cloud.store.read_now(lambda tx: tx.sql.execute(select(func.count()).select_from(posts)).scalar())
    return found


def post_until(cloud: Any, done: Callable[[], object]) -> None:
    """Let the poster work until something is so."""

    async def work() -> None:
        poster = asyncio.create_task(cloud.topics.poster.run())
        async with asyncio.timeout(30):
            while not done():
                await asyncio.sleep(0.01)
        poster.cancel()
        [ended] = await asyncio.gather(poster, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended

    asyncio.run(work())


def confirmed(cloud: Any, receiver: Receiver, topic: str, **attributes: str) -> str:
    """ARN of a subscription that the endpoint has confirmed."""
    answer = cloud.sns("Subscribe", TopicArn=topic, Protocol="http", Endpoint=receiver.url, Attributes=attributes)
    assert answer == {"SubscriptionArn": "pending confirmation"}
    post_until(cloud, lambda: count(cloud) == 0)
    asked = receiver.take().message
    return str(cloud.sns("ConfirmSubscription", TopicArn=topic, Token=asked["Token"])["SubscriptionArn"])


def test_an_endpoint_is_asked_and_then_told(cloud, receiver):
    topic = cloud.topic()
    assert cloud.sns("Subscribe", TopicArn=topic, Protocol="http", Endpoint=receiver.url) == {"SubscriptionArn": "pending confirmation"}
    cloud.sns("Publish", TopicArn=topic, Message="too early")
    post_until(cloud, lambda: count(cloud) == 0)
    asked = receiver.take()
    assert receiver.empty
    assert asked.path == "/hook?x=1"
    assert asked.headers["x-amz-sns-message-type"] == asked.message["Type"] == "SubscriptionConfirmation"
    assert asked.headers["content-type"] == "text/plain; charset=UTF-8"
    assert asked.headers["user-agent"] == "Amazon Simple Notification Service Agent"
    assert "x-amz-sns-subscription-arn" not in asked.headers
    verify(asked.message, cloud.topics.signer.certificate.encode())
    link = urlsplit(asked.message["SubscribeURL"])
    assert parse_qs(link.query) == {"Action": ["ConfirmSubscription"], "TopicArn": [topic], "Token": [asked.message["Token"]]}

    [listed] = cloud.sns("ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    arn = cloud.sns("ConfirmSubscription", TopicArn=topic, Token=asked.message["Token"])["SubscriptionArn"]
    sent = cloud.sns("Publish", TopicArn=topic, Message="news", Subject="a subject")
    post_until(cloud, lambda: count(cloud) == 0)
    told = receiver.take()
    assert {name: value for name, value in told.headers.items() if name.startswith("x-amz-sns")} == {
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": sent["MessageId"],
        "x-amz-sns-topic-arn": topic,
        "x-amz-sns-subscription-arn": arn,
    }
    assert (told.message["Message"], told.message["Subject"], told.message["MessageId"]) == ("news", "a subject", sent["MessageId"])
    verify(told.message, cloud.topics.signer.certificate.encode())
    with pytest.raises(InvalidSignature):
        verify({**told.message, "Message": "other news"}, cloud.topics.signer.certificate.encode())


def test_subscribing_again_asks_again_and_returns_the_arn_once_confirmed(cloud, receiver):
    topic = cloud.topic()
    arguments = {"TopicArn": topic, "Protocol": "http", "Endpoint": receiver.url}
    cloud.sns("Subscribe", **arguments)
    arn = cloud.sns("Subscribe", **arguments, ReturnSubscriptionArn=True)["SubscriptionArn"]
    post_until(cloud, lambda: count(cloud) == 0)
    assert receiver.take().message["Token"] == receiver.take().message["Token"]
    cloud.sns("Subscribe", **arguments)
    post_until(cloud, lambda: count(cloud) == 0)
    token = receiver.take().message["Token"]
    assert cloud.sns("ConfirmSubscription", TopicArn=topic, Token=token)["SubscriptionArn"] == arn
    assert cloud.sns("Subscribe", **arguments)["SubscriptionArn"] == arn
    assert count(cloud) == 0


def test_raw_delivery_filters_and_content_type(cloud, receiver):
    topic = cloud.topic()
    policy = json.dumps({"requestPolicy": {"headerContentType": "application/json"}})
    confirmed(
        cloud,
        receiver,
        topic,
        RawMessageDelivery="true",
        FilterPolicy='{"Status": ["SUCCEEDED"]}',
        FilterPolicyScope="MessageBody",
        DeliveryPolicy=policy,
    )
    cloud.sns("Publish", TopicArn=topic, Message='{"Status": "FAILED"}')
    cloud.sns("Publish", TopicArn=topic, Message='{"Status": "SUCCEEDED"}')
    post_until(cloud, lambda: count(cloud) == 0)
    told = receiver.take()
    assert (told.body, told.headers["x-amz-sns-rawdelivery"], told.headers["content-type"]) == (
        '{"Status": "SUCCEEDED"}',
        "true",
        "application/json",
    )
    assert receiver.empty


def test_failures_are_tried_again_after_pauses_and_then_buried(cloud, receiver):
    topic, grave = cloud.topic(), cloud.queue("grave")
    redrive = json.dumps({"deadLetterTargetArn": cloud.arn(grave)})
    confirmed(cloud, receiver, topic, RedrivePolicy=redrive)
    receiver.answers = [500, 503, 429, 500]
    cloud.sns("Publish", TopicArn=topic, Message="news")
    for attempt in (1, 2, 3):
        post_until(cloud, lambda attempt=attempt: waiting(cloud) == [(attempt, 20_000)])
        cloud.clock.advance(seconds=20)
    post_until(cloud, lambda: count(cloud) == 0)
    assert receiver.answers == []
    [body] = cloud.bodies(grave)
    assert json.loads(body)["Message"] == "news"
    assert {receiver.take().body for _ in range(4)} == {body}


@pytest.mark.parametrize("status", [400, 403, 404, 302])
def test_what_an_endpoint_refuses_is_not_tried_again(cloud, receiver, status, caplog):
    topic = cloud.topic()
    confirmed(cloud, receiver, topic)
    receiver.answers = [status]
    cloud.sns("Publish", TopicArn=topic, Message="news")
    post_until(cloud, lambda: count(cloud) == 0)
    assert receiver.take().path == "/hook?x=1"
    assert receiver.empty
    assert f"did not reach {receiver.url}: it answered {status}" in caplog.text


def test_nobody_there(cloud, receiver):
    topic = cloud.topic()
    confirmed(cloud, receiver, topic)
    cloud.sns("Publish", TopicArn=topic, Message="news")
    rows = posts.update().values(endpoint="http://127.0.0.1:1/nobody")
    cloud.store.submit(lambda tx: tx.sql.execute(rows).rowcount).result()
    post_until(cloud, lambda: waiting(cloud) == [(1, 20_000)])


class Silent:
    """Takes connections and says what it was told to, or nothing."""

    def __init__(self, words: bytes) -> None:
        self.words = words

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.words:
            writer.write(self.words)
            writer.close()
        else:
            await reader.read()
        writer.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (b"not HTTP\r\n\r\n", "no answer: illegal status line"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "no answer"),
        (b"", "no answer: TimeoutError"),
    ],
)
def test_what_is_no_answer(monkeypatch, words, message):
    monkeypatch.setattr(http_client, "ANSWER_SECONDS", 0.5 if not words else 30)

    async def post() -> None:
        server = await asyncio.start_server(Silent(words), "127.0.0.1", 0)
        async with server:
            await http_client.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}, b"body")

    with pytest.raises(http_client.PostError, match=message):
        asyncio.run(post())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://no-such-host.invalid/", f"http://{'x' * 70}.invalid/"]
)
def test_where_nobody_is(url):
    with pytest.raises(http_client.PostError, match=r"^cannot connect: "):
        asyncio.run(http_client.post(url, {}, b""))


def test_odd_addresses_arrive_as_they_are_meant(receiver):
    assert asyncio.run(http_client.post(f"http://127.0.0.1:{receiver.port}/für uns%20?a=ü&b", {"X": "y"}, b"body")) == 200
    received = receiver.take()
    assert (received.path, received.body, received.headers["x"]) == ("/f%C3%BCr%20uns%20?a=%C3%BC&b", "body", "y")


def test_credentials_in_the_address_go_into_a_header(cloud, receiver):
    topic = cloud.topic()
    cloud.sns("Subscribe", TopicArn=topic, Protocol="http", Endpoint=receiver.url.replace("//", "//user:pass@"))
    post_until(cloud, lambda: count(cloud) == 0)
    assert receiver.take().headers["authorization"] == "Basic dXNlcjpwYXNz"


def test_the_end_is_told_and_can_be_undone(cloud, receiver):
    topic = cloud.topic()
    arn = confirmed(cloud, receiver, topic, FilterPolicy='{"kind": ["a"]}')
    cloud.sns("Unsubscribe", SubscriptionArn=arn)
    assert cloud.sns("ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"] == []
    post_until(cloud, lambda: count(cloud) == 0)
    told = receiver.take()
    assert told.headers["x-amz-sns-message-type"] == told.message["Type"] == "UnsubscribeConfirmation"
    assert told.headers["x-amz-sns-subscription-arn"] == arn
    verify(told.message, cloud.topics.signer.certificate.encode())
    token = told.message["Token"]
    assert cloud.sns("ConfirmSubscription", TopicArn=topic, Token=token)["SubscriptionArn"] == arn
    attributes = cloud.sns("GetSubscriptionAttributes", SubscriptionArn=arn)["Attributes"]
    assert (attributes["FilterPolicy"], attributes["PendingConfirmation"]) == ('{"kind": ["a"]}', "false")
    cloud.sns("Unsubscribe", SubscriptionArn=arn)
    post_until(cloud, lambda: count(cloud) == 0)
    token = receiver.take().message["Token"]
    cloud.clock.advance(days=3.1)
    asyncio.run(cloud.topics.sweep())
    with pytest.raises(ServiceError, match="Invalid parameter: Token"):
        cloud.sns("ConfirmSubscription", TopicArn=topic, Token=token)


@pytest.mark.parametrize("endpoint", ["https://example.test/", "example.test", "http://", "http://host:0/", "http://[", "ftp://x/"])
def test_addresses_that_cannot_be(cloud, endpoint):
    with pytest.raises(ServiceError, match=r"^Invalid parameter: Endpoint must match the specified protocol$"):
        cloud.sns("Subscribe", TopicArn=cloud.topic(), Protocol="http", Endpoint=endpoint)


def test_the_effective_policy_is_shown(cloud, receiver):
    topic = cloud.topic(DeliveryPolicy='{"http": {"defaultHealthyRetryPolicy": {"numRetries": 5}}}')
    own = '{"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 9, "numRetries": 7, "numNoDelayRetries": 2}}'
    arn = confirmed(cloud, receiver, topic, DeliveryPolicy=own)
    attributes = cloud.sns("GetSubscriptionAttributes", SubscriptionArn=arn)["Attributes"]
    retries = json.loads(attributes["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]
    assert (retries["numRetries"], retries["minDelayTarget"], retries["backoffFunction"]) == (7, 1, "linear")
    for wrong in ("[]", "x", '{"healthyRetryPolicy": {"numRetries": 101}}', '{"healthyRetryPolicy": {"minDelayTarget": 30}}'):
        with pytest.raises(ServiceError, match="DeliveryPolicy"):
            cloud.sns("SetSubscriptionAttributes", SubscriptionArn=arn, AttributeName="DeliveryPolicy", AttributeValue=wrong)


def test_pauses_of_all_phases():
    retries = {"minDelayTarget": 2, "maxDelayTarget": 32, "numRetries": 8, "numNoDelayRetries": 1, "numMinDelayRetries": 1}
    policy = delivery.effective({}, {"DeliveryPolicy": json.dumps({"healthyRetryPolicy": {**retries, "numMaxDelayRetries": 1}})})
    assert delivery.pauses(policy) == [0, 2, 2, 9.5, 17, 24.5, 32, 32]
    policy["healthyRetryPolicy"]["backoffFunction"] = "exponential"
    assert delivery.pauses(policy) == pytest.approx([0, 2, 2, 4, 8, 16, 32, 32])
    assert delivery.pauses(delivery.effective({}, {})) == [20, 20, 20]


@given(
    st.fixed_dictionaries(
        {"minDelayTarget": st.integers(1, 100), "maxDelayTarget": st.integers(100, 3600), "numRetries": st.integers(30, 100)},
        optional={
            "numNoDelayRetries": st.integers(0, 10),
            "numMinDelayRetries": st.integers(0, 10),
            "numMaxDelayRetries": st.integers(0, 10),
            "backoffFunction": st.sampled_from(["linear", "arithmetic", "geometric", "exponential"]),
        },
    )
)
def test_there_are_as_many_pauses_as_retries_and_they_only_grow(retries: dict[str, Any]) -> None:
    text = json.dumps({"healthyRetryPolicy": retries})
    delivery.check(text, "")
    found = delivery.pauses(delivery.effective({}, {"DeliveryPolicy": text}))
    assert len(found) == retries["numRetries"]
    assert found == sorted(found)
    assert max(found) <= retries["maxDelayTarget"] + 1e-6
