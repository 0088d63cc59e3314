"""Waiting events: given to functions, tried again, given up; from SNS, from Invoke; with a pool that does as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.functions import events
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.dispatching import Dispatcher
from openrek.localaws.functions.errors import throttled
from openrek.localaws.functions.sandbox import Invocation, Outcome
from openrek.localaws.schema import invocations
from sns_receiver import verify


@dataclass
class Pool:
    """Answers every event with the next of `outcomes`, and with success when there are none left."""

    limit: int = 2
    outcomes: list[Any] = field(default_factory=list)
    taken: list[tuple[str, Invocation]] = field(default_factory=list)
    running: int = 0
    most: int = 0
    gate: asyncio.Event | None = None

    @property
    def free(self) -> int:
        return self.limit - self.running

    def expire(self) -> None:
        pass

    async def run(self, function: Function, invocation: Invocation) -> Outcome:
        self.taken.append((function.name, invocation))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.02)
        if self.gate is not None:
            await self.gate.wait()
        self.running -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else b'"fine"'
        if isinstance(outcome, Exception):
            raise outcome
        return Outcome(outcome, failed=outcome.startswith(b"{"), tail=b"")


ERROR = b'{"errorType": "ValueError", "errorMessage": "broken"}'


def rows(cloud: Any) -> list[tuple[int, int]]:
    """Attempts and times of the waiting events."""
    found = cloud.store.read_now(lambda tx: tx.sql.execute(select(invocations).order_by(invocations.c.id)).all())
    return [(row.attempts, row.due_at - cloud.clock.now()) for row in found]


def dispatch(cloud: Any, pool: Pool, done: Callable[[], object]) -> None:
    """Let the dispatcher work until something is so."""

    async def work() -> None:
        task = asyncio.create_task(Dispatcher(cloud.store, pool, cloud.topics.publish).run())  # type: ignore[arg-type]
        async with asyncio.timeout(30):
            while not done():
                await asyncio.sleep(0.005)
        task.cancel()
        [ended] = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended

    asyncio.run(work())


def enqueue(cloud: Any, name: str = "function", event: bytes = b"{}") -> None:
    assert cloud.awslambda("Invoke", FunctionName=name, InvocationType="Event", Payload=event) == {"StatusCode": 202}


def test_success_at_once(cloud):
    cloud.function()
    enqueue(cloud, event=b'{"a": 1}')
    pool = Pool()
    dispatch(cloud, pool, lambda: rows(cloud) == [])
    [(name, invocation)] = pool.taken
    assert (name, invocation.payload, invocation.request_id) == ("function", b'{"a": 1}', "request")
    assert invocation.arn == "arn:aws:lambda:eu-west-1:000000000000:function:function"


def test_two_more_attempts_then_the_dead_letter_queue(cloud):
    grave = cloud.queue("grave")
    cloud.function(DeadLetterConfig={"TargetArn": cloud.arn(grave)})
    enqueue(cloud, event=b'{"a": 1}')
    pool = Pool(outcomes=[ERROR, ERROR, ERROR])
    dispatch(cloud, pool, lambda: rows(cloud) == [(1, 60_000)])
    cloud.clock.advance(seconds=60)
    dispatch(cloud, pool, lambda: rows(cloud) == [(2, 120_000)])
    cloud.clock.advance(seconds=119)
    dispatch(cloud, pool, lambda: len(pool.taken) == 2)
    cloud.clock.advance(seconds=1)
    dispatch(cloud, pool, lambda: rows(cloud) == [])
    assert len({invocation.request_id for _, invocation in pool.taken}) == 1
    [message] = cloud.receive(grave, MessageAttributeNames=["All"])
    assert message["Body"] == '{"a": 1}'
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        "RequestID": "request",
        "ErrorCode": "200",
        "ErrorMessage": "broken",
    }


def test_dead_letters_to_a_topic(cloud):
    topic, url = cloud.topic("grave"), cloud.queue("of-grave")
    cloud.subscribe(topic, url, RawMessageDelivery="true")
    cloud.function(DeadLetterConfig={"TargetArn": topic})
    enqueue(cloud, event=b'{"a": 1}')
    pool = Pool(outcomes=[ERROR, ERROR, ERROR])
    for attempts in (1, 2):
        dispatch(cloud, pool, lambda attempts=attempts: [row[0] for row in rows(cloud)] == [attempts])
        cloud.clock.advance(seconds=120)
    dispatch(cloud, pool, lambda: rows(cloud) == [])
    assert cloud.bodies(url) == ['{"a": 1}']


def test_a_grave_that_is_not_there_is_told_and_nothing_waits_for_it(cloud, caplog):
    cloud.function(DeadLetterConfig={"TargetArn": "arn:aws:sqs:eu-west-1:000000000000:none"})
    enqueue(cloud)
    cloud.store.submit(lambda tx: tx.sql.execute(invocations.update().values(attempts=2)).rowcount).result()
    told = "the dead letter of function function did not reach arn:aws:sqs:eu-west-1:000000000000:none"
    dispatch(cloud, Pool(outcomes=[ERROR]), lambda: told in caplog.text)
    assert rows(cloud) == []


def test_no_room_is_no_failure(cloud):
    cloud.function()
    enqueue(cloud)
    dispatch(cloud, Pool(outcomes=[throttled()]), lambda: rows(cloud) == [(0, 5000)])


@pytest.mark.allows_errors
def test_what_cannot_be_started_is_no_failure_of_the_function(cloud):
    cloud.function()
    enqueue(cloud)
    dispatch(cloud, Pool(outcomes=[OSError("no more processes")]), lambda: rows(cloud) == [(0, 5000)])


def test_never_more_at_once_than_there_is_room_and_every_function_has_its_turn(cloud):
    for name in ("loud", "quiet"):
        cloud.function(name)
    for _ in range(6):
        enqueue(cloud, "loud")
    enqueue(cloud, "quiet")
    pool = Pool(limit=2)
    dispatch(cloud, pool, lambda: rows(cloud) == [])
    assert pool.most == 2
    assert [name for name, _ in pool.taken].index("quiet") < 2


def test_what_runs_when_the_server_stops_runs_again(cloud):
    cloud.function()
    enqueue(cloud)

    async def stop() -> None:
        pool = Pool(gate=asyncio.Event())
        task = asyncio.create_task(Dispatcher(cloud.store, pool, cloud.topics.publish).run())  # type: ignore[arg-type]
        async with asyncio.timeout(30):
            while not pool.taken:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(stop())
    assert rows(cloud) == [(0, 0)]
    pool = Pool()
    dispatch(cloud, pool, lambda: rows(cloud) == [])
    assert len(pool.taken) == 1


def test_deletion_takes_what_waits_along(cloud):
    cloud.function()
    enqueue(cloud)
    cloud.awslambda("DeleteFunction", FunctionName="function")
    assert rows(cloud) == []
    with pytest.raises(ServiceError, match="Function not found"):
        enqueue(cloud)


def test_versions_of_their_own(cloud):
    cloud.function(Publish=True)
    arn = "arn:aws:lambda:eu-west-1:000000000000:function:function:1"
    assert cloud.awslambda("Invoke", FunctionName=arn, InvocationType="Event") == {"StatusCode": 202}
    pool = Pool()
    dispatch(cloud, pool, lambda: rows(cloud) == [])
    assert pool.taken[0][1].arn == arn


def test_a_notification_as_lambda_gets_it(cloud):
    topic, arn = cloud.topic(), cloud.function()
    subscription = cloud.sns("Subscribe", TopicArn=topic, Protocol="lambda", Endpoint=arn)["SubscriptionArn"]
    attributes = {"kind": {"DataType": "String", "StringValue": "a"}}
    sent = cloud.sns("Publish", TopicArn=topic, Message="news", MessageAttributes=attributes)
    pool = Pool()
    dispatch(cloud, pool, lambda: rows(cloud) == [])
    [record] = json.loads(pool.taken[0][1].payload)["Records"]
    told = record.pop("Sns")
    assert record == {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription}
    verify({name: value for name, value in told.items() if value is not None}, cloud.topics.signer.certificate.encode())
    for name in ("Timestamp", "Signature"):
        del told[name]
    assert told == {
        "Type": "Notification",
        "MessageId": sent["MessageId"],
        "TopicArn": topic,
        "Subject": None,
        "Message": "news",
        "SignatureVersion": "1",
        "SigningCertUrl": f"http://localhost:4599{cloud.topics.signer.path}",
        "UnsubscribeUrl": f"http://localhost:4599/?Action=Unsubscribe&SubscriptionArn={subscription}",
        "MessageAttributes": {"kind": {"Type": "String", "Value": "a"}},
    }


def test_filters_hold_for_functions_too(cloud):
    topic, arn = cloud.topic(), cloud.function()
    policy = {"FilterPolicy": '{"Status": ["SUCCEEDED"]}', "FilterPolicyScope": "MessageBody"}
    cloud.sns("Subscribe", TopicArn=topic, Protocol="lambda", Endpoint=arn, Attributes=policy)
    for status in ("FAILED", "SUCCEEDED"):
        cloud.sns("Publish", TopicArn=topic, Message=json.dumps({"Status": status}))
    assert len(rows(cloud)) == 1


def test_a_function_that_is_not_there_leaves_its_news_to_the_dead_letter_queue(cloud, caplog):
    topic, grave = cloud.topic(), cloud.queue("grave")
    missing = "arn:aws:lambda:eu-west-1:000000000000:function:none"
    redrive = json.dumps({"deadLetterTargetArn": cloud.arn(grave)})
    cloud.sns("Subscribe", TopicArn=topic, Protocol="lambda", Endpoint=missing, Attributes={"RedrivePolicy": redrive})
    other = cloud.topic("other")
    cloud.sns("Subscribe", TopicArn=other, Protocol="lambda", Endpoint=missing)
    cloud.sns("Publish", TopicArn=topic, Message="news")
    cloud.sns("Publish", TopicArn=other, Message="news")
    [body] = cloud.bodies(grave)
    assert json.loads(body)["Message"] == "news"
    assert f"did not reach {missing}: the function does not exist" in caplog.text


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("function", "Lambda endpoint ARN"),
        ("arn:aws:sqs:eu-west-1:000000000000:q", "Lambda endpoint ARN"),
        ("arn:aws:lambda:eu-west-1:000000000000:layer:x", "Lambda endpoint ARN"),
        ("arn:aws:lambda:us-east-1:000000000000:function:x", "openrek delivers within one account and region"),
        ("arn:aws:lambda:eu-west-1:111111111111:function:x", "openrek delivers within one account and region"),
    ],
)
def test_endpoints_that_are_no_functions_of_ours(cloud, endpoint, message):
    with pytest.raises(ServiceError, match=message):
        cloud.sns("Subscribe", TopicArn=cloud.topic(), Protocol="lambda", Endpoint=endpoint)
    with pytest.raises(ServiceError, match="RawMessageDelivery: not supported for protocol lambda"):
        cloud.sns(
            "Subscribe", TopicArn=cloud.topic(), Protocol="lambda", Endpoint=cloud.function(), Attributes={"RawMessageDelivery": "true"}
        )


def test_targets_by_arn(cloud):
    arn = cloud.function()
    cloud.awslambda("PublishVersion", FunctionName="function")

    def known(text: str) -> bool:
        return cloud.store.read_now(lambda tx: events.target(tx, text)) is not None

    assert known(arn)
    assert known(f"{arn}:1")
    assert known(f"{arn}:$LATEST")
    assert not known(f"{arn}:2")
    assert not known(f"{arn}:alias")
    assert not known("arn:aws:sqs:eu-west-1:000000000000:function")
