"""What a queue gets when a job has ended: byte for byte, once, and whatever happened on the way."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from local_application import LocalApplication
from test_label_pages import VIDEO

from openrek.clock import ManualClock
from openrek.jobs.outbox import Publication, Relay
from openrek.server.publishing import EmbeddedTopics

ROLE = "arn:aws:iam::000000000000:role/role"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Desk:
    """A topic with a queue, and jobs that the test ends."""

    def __init__(self, application: LocalApplication, scratch: Path, region: str = "us-east-1") -> None:
        self.application = application
        self.scratch = scratch
        self.rekognition, self.sns, self.sqs = (application.client(name, region) for name in ("rekognition", "sns", "sqs"))
        self.topic = self.sns.create_topic(Name="topic")["TopicArn"]
        self.queue = self.new_queue("queue")

    def new_queue(self, name: str, **attributes: str) -> str:
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
        return str(url)

    def start(self, video: dict[str, Any] | None = None, topic: str | None = None, **params: Any) -> str:
        channel = {"SNSTopicArn": topic or self.topic, "RoleArn": ROLE}
        video = video or self.application.put()
        return str(self.rekognition.start_label_detection(Video=video, NotificationChannel=channel, **params)["JobId"])

    def end(self, *, well: bool = True) -> None:
        for claim in self.application.claim_all():
            if well:
                self.application.complete(claim, [], VIDEO, self.scratch)
            else:
                self.application.claims.fail(claim, "There is nothing to see.")

    def received(self, queue: str | None = None) -> list[str]:
        """Bodies of all messages that wait, which are deleted."""
        url, bodies = queue or self.queue, []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


@pytest.fixture
def desk(application_on_each: LocalApplication, tmp_path: Path) -> Desk:
    return Desk(application_on_each, tmp_path)


@pytest.mark.parametrize(("well", "status"), [(True, "SUCCEEDED"), (False, "FAILED")])
def test_the_message_and_its_envelope(well: bool, status: str, desk: Desk, clock: ManualClock) -> None:
    job_id = desk.start(JobTag="DetectingLabels")
    clock.advance(milliseconds=1234)
    desk.end(well=well)
    ended = clock.now()
    clock.advance(seconds=5)
    assert desk.application.relay() == 1
    [body] = desk.received()
    envelope = json.loads(body)
    assert list(envelope) == [
        "Type",
        "MessageId",
        "TopicArn",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertURL",
        "UnsubscribeURL",
    ]
    assert (envelope["Type"], envelope["TopicArn"]) == ("Notification", desk.topic)
    assert UUID.fullmatch(envelope["MessageId"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", envelope["Timestamp"])
    assert envelope["Message"] == (
        f'{{"JobId":"{job_id}","Status":"{status}","API":"StartLabelDetection","JobTag":"DetectingLabels",'
        f'"Timestamp":{ended},"Video":{{"S3ObjectName":"video.mp4","S3Bucket":"bucket"}}}}'
    )
    assert desk.application.relay() == 0
    assert desk.received() == []


def test_without_a_tag_there_is_none(desk: Desk) -> None:
    desk.start()
    desk.end()
    desk.application.relay()
    [body] = desk.received()
    assert json.loads(json.loads(body)["Message"]).keys() == {"JobId", "Status", "API", "Timestamp", "Video"}


def test_without_a_channel_there_is_no_message(desk: Desk) -> None:
    desk.rekognition.start_label_detection(Video=desk.application.put())
    desk.end()
    assert desk.application.relay() == 0


@pytest.mark.parametrize("name", ["señal de prueba ✓ (1).mp4", "\U0001f3ac/映画.mp4", 'a "b"\\c.mp4', "tab\there.mp4"])
def test_odd_names(name: str, application: LocalApplication, tmp_path: Path) -> None:
    desk = Desk(application, tmp_path)
    desk.start(application.put(name=name))
    desk.end()
    application.relay()
    [body] = desk.received()
    message = json.loads(json.loads(body)["Message"])
    assert message["Video"] == {"S3ObjectName": name, "S3Bucket": "bucket"}
    assert ("\\u" in json.loads(body)["Message"]) == ("\\u" in json.dumps(name, ensure_ascii=False))


def test_raw_delivery_and_several_queues(application: LocalApplication, tmp_path: Path) -> None:
    desk = Desk(application, tmp_path)
    raw, second = desk.new_queue("raw", RawMessageDelivery="true"), desk.new_queue("second")
    desk.start()
    desk.end()
    application.relay()
    [enveloped], [bare], [other] = desk.received(), desk.received(raw), desk.received(second)
    assert bare == json.loads(enveloped)["Message"] == json.loads(other)["Message"]
    assert json.loads(other)["MessageId"] == json.loads(enveloped)["MessageId"]


def test_of_another_region(application: LocalApplication, tmp_path: Path) -> None:
    here, there = Desk(application, tmp_path), Desk(application, tmp_path, "eu-west-1")
    there.start()
    there.end()
    application.relay()
    assert here.received() == []
    [body] = there.received()
    assert json.loads(body)["TopicArn"] == "arn:aws:sns:eu-west-1:000000000000:topic"


@dataclass
class DiesAfterwards:
    """Publishes, and dies before it can say so."""

    topics: EmbeddedTopics
    deaths: int
    published: int = 0

    def publish(self, publication: Publication) -> None:
        self.topics.publish(publication)
        self.published += 1
        if self.published <= self.deaths:
            raise ConnectionError("killed")


def test_what_is_published_again_is_delivered_once(desk: Desk, clock: ManualClock) -> None:
    desk.start()
    desk.end()
    publisher = DiesAfterwards(EmbeddedTopics(desk.application.application.topics), deaths=3)
    relay = Relay(desk.application.database, publisher, clock)
    for _ in range(6):
        relay.run_once()
        clock.advance(seconds=10)
    assert publisher.published == 4
    assert len(desk.received()) == 1


def test_a_topic_that_comes_later(desk: Desk, clock: ManualClock) -> None:
    job_id = desk.start(topic=desk.topic.replace(":topic", ":later"))
    desk.end()
    assert desk.application.relay() == 0
    desk.sns.create_topic(Name="later")
    desk.sns.subscribe(TopicArn=desk.topic.replace(":topic", ":later"), Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:000000000000:queue")
    assert desk.application.relay() == 0  # not before it is due
    clock.advance(seconds=2)
    assert desk.application.relay() == 1
    [body] = desk.received()
    assert json.loads(json.loads(body)["Message"])["JobId"] == job_id


def test_a_topic_that_never_comes_holds_up_no_other(desk: Desk) -> None:
    desk.start(topic=desk.topic.replace(":topic", ":never"))
    desk.start()
    desk.end()
    assert desk.application.relay() == 1
    assert len(desk.received()) == 1
