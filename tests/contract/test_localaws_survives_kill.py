"""kill -9 in the middle of everything: what was acknowledged is there afterwards, and nothing is there twice."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from openrek.awsmodel.calls import Caller
from openrek.clock import SystemClock
from openrek.db import Database
from openrek.localaws.iam import Identities, iam_operations
from openrek.localaws.schema import contents, messages
from openrek.localaws.sns import Topics, sns_operations
from openrek.localaws.sqs import Queues, sqs_operations
from openrek.localaws.store import Store

CALLER = Caller("000000000000", "us-east-1", "arn:aws:iam::000000000000:root", "openrek", "request", "http://localhost")
TRUST = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}'
URL, TOPIC = "http://localhost/000000000000/queue", "arn:aws:sns:us-east-1:000000000000:topic"


class Services:
    def __init__(self, store: Store) -> None:
        self.topics = Topics(store, endpoint="http://localhost")
        self.operations = {
            "sqs": sqs_operations(Queues(store)),
            "sns": sns_operations(self.topics),
            "iam": iam_operations(Identities(store)),
        }

    async def __call__(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        result: Any = self.operations[service][operation](CALLER, params)
        return dict(await result)


@contextmanager
def opened(path: str) -> Iterator[tuple[Store, Services]]:
    database = Database(f"sqlite:///{path}", "localaws")
    database.migrate()
    with Store(database, SystemClock()) as store:
        yield store, Services(store)


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def work(call: Services, first: int) -> None:
    """Send, publish, receive and delete until somebody ends the process; tell each time that something was acknowledged."""

    async def send() -> None:
        number = first
        while True:
            answer = await call("sqs", "SendMessage", QueueUrl=URL, MessageBody=f"sent {number}")
            say("kept", answer["MessageId"])
            number += 1

    async def publish() -> None:
        number = first
        while True:
            # As the relay of a job does: what it does not know to be published it publishes again.
            await asyncio.to_thread(call.topics.publish, TOPIC, f"published {number}", publication_id=str(number))
            say("published", str(number))
            number += 1

    async def receive() -> None:
        while True:
            answer = await call("sqs", "ReceiveMessage", QueueUrl=URL, WaitTimeSeconds=1, VisibilityTimeout=43_200)
            for message in answer.get("Messages", []):
                say("received", message["MessageId"])
                if message["Body"].startswith("sent ") and message["Body"].endswith(("0", "5")):
                    say("deleting", message["MessageId"])
                    await call("sqs", "DeleteMessage", QueueUrl=URL, ReceiptHandle=message["ReceiptHandle"])
                    say("deleted", message["MessageId"])

    await asyncio.gather(*(send() for _ in range(3)), publish(), *(receive() for _ in range(3)))


def main(path: str, first: int) -> None:
    with opened(path) as (_, call):
        asyncio.run(work(call, first))


@pytest.mark.timeout(120)
def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    path = str(tmp_path / "aws.db")

    async def prepare(call: Services) -> None:
        await call("sqs", "CreateQueue", QueueName="queue", Attributes={"VisibilityTimeout": "43200"})
        await call("sns", "CreateTopic", Name="topic", Tags=[{"Key": "a", "Value": "b"}])
        endpoint = "arn:aws:sqs:us-east-1:000000000000:queue"
        await call("sns", "Subscribe", TopicArn=TOPIC, Protocol="sqs", Endpoint=endpoint, Attributes={"RawMessageDelivery": "true"})
        await call("iam", "CreateRole", RoleName="role", AssumeRolePolicyDocument=TRUST)

    with opened(path) as (_, call):
        asyncio.run(prepare(call))

    told: dict[str, set[str]] = {"kept": set(), "published": set(), "received": set(), "deleting": set(), "deleted": set()}
    for round_number, lines in enumerate((60, 137, 301)):
        command = [sys.executable, __file__, path, str(round_number * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(lines):
                kind, _, name = process.stdout.readline().strip().partition(" ")
                told[kind].add(name)
            process.send_signal(signal.SIGKILL)
            for line in process.stdout.readlines():  # said before the end came, so acknowledged too
                kind, _, name = line.strip().partition(" ")
                if line.endswith("\n"):
                    told[kind].add(name)
        assert process.returncode == -signal.SIGKILL
        check(path, told)
    assert all(len(names) > 10 for names in told.values()), {kind: len(names) for kind, names in told.items()}


def check(path: str, told: dict[str, set[str]]) -> None:
    with opened(path) as (store, call):
        rows = store.read_now(
            lambda tx: list(
                tx.sql.execute(
                    select(contents.c.message_id, contents.c.body, messages.c.attempts).join(messages, messages.c.id == contents.c.id)
                )
            )
        )
        found = {row.message_id: row for row in rows}
        assert len(found) == len(rows)
        assert told["kept"] - told["deleting"] <= found.keys()
        assert told["received"] - told["deleting"] <= found.keys()
        assert not told["deleted"] & found.keys()
        assert all(found[name].attempts == 1 for name in told["received"] if name in found)
        bodies = [row.body for row in rows if row.body.startswith("published ")]
        assert len(set(bodies)) == len(bodies)
        for number in told["published"]:
            assert f"published {number}" in bodies
            call.topics.publish(TOPIC, f"published {number}", publication_id=number)
        again = store.read_now(lambda tx: list(tx.sql.execute(select(contents.c.body)).scalars()))
        assert len(again) == len(rows)
        assert asyncio.run(call("sns", "ListTagsForResource", ResourceArn=TOPIC)) == {"Tags": [{"Key": "a", "Value": "b"}]}
        assert len(asyncio.run(call("sns", "ListSubscriptionsByTopic", TopicArn=TOPIC))["Subscriptions"]) == 1
        assert asyncio.run(call("iam", "GetRole", RoleName="role"))["Role"]["RoleName"] == "role"
        with store._database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
