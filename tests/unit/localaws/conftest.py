"""The embedded SNS, SQS, IAM and STS on a real file, without HTTP; every answer is checked against the service model."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packing import ROLE, packed

from openrek.awsmodel.calls import Caller, Operation
from openrek.awsmodel.serialise import serialise
from openrek.awsmodel.services import load_service
from openrek.clock import ManualClock
from openrek.db import Database
from openrek.localaws.functions import Functions, lambda_operations
from openrek.localaws.iam import Identities, iam_operations
from openrek.localaws.logs import Logs, logs_operations
from openrek.localaws.sns import Topics, sns_operations
from openrek.localaws.sns.signing import Signer
from openrek.localaws.sqs import Queues, sqs_operations
from openrek.localaws.store import Store
from openrek.localaws.sts import sts_operations

ACCOUNT, REGION = "000000000000", "eu-west-1"
CALLER = Caller(
    account=ACCOUNT,
    region=REGION,
    principal=f"arn:aws:iam::{ACCOUNT}:root",
    access_key_id="openrek",
    request_id="request",
    endpoint="http://localhost:4599",
)


class Cloud:
    """The embedded services of one store, called as the gateway calls them."""

    def __init__(self, store: Store, clock: ManualClock, signer: Signer, folder: Path) -> None:
        self.store = store
        self.clock = clock
        self.queues = Queues(store)
        self.topics = Topics(store, endpoint="http://relay:4599", signer=signer)
        self.identities = Identities(store)
        self.logs = Logs(store, keep_days=30)
        self.stored: dict[tuple[str, str, str | None], bytes] = {}
        self.functions = Functions(
            store,
            self.topics.publish,
            lambda *where: self.stored[where],
            folder=folder,
            endpoint="http://localhost:4599",
            limit=4,
            idle_seconds=60,
        )
        self.functions.prepare()
        self.operations: Mapping[str, Mapping[str, Operation]] = {
            "sqs": sqs_operations(self.queues),
            "sns": sns_operations(self.topics),
            "iam": iam_operations(self.identities),
            "sts": sts_operations(self.identities),
            "logs": logs_operations(self.logs),
            "lambda": lambda_operations(self.functions),
        }
        self.caller = CALLER

    async def call(self, service: str, operation: str, /, caller: Caller | None = None, **params: Any) -> dict[str, Any]:
        """Call an operation; refuse an answer that is not in the model."""
        result: Any = self.operations[service][operation](caller or self.caller, params)
        result = dict(await result)
        model = load_service(service)
        found = model.operation(operation)
        assert found is not None
        serialise(model, found, result, "request")
        return result

    def sqs(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return asyncio.run(self.call("sqs", operation, **params))

    def sns(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return asyncio.run(self.call("sns", operation, **params))

    def iam(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return asyncio.run(self.call("iam", operation, **params))

    def sts(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return asyncio.run(self.call("sts", operation, **params))

    def awslambda(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return asyncio.run(self.call("lambda", operation, **params))

    def function(self, name: str = "function", **params: Any) -> str:
        """ARN of a new function."""
        made = {"Runtime": "python3.12", "Handler": "code.handler", "Role": ROLE, "Code": {"ZipFile": packed({"code.py": name})}}
        return self.awslambda("CreateFunction", FunctionName=name, **made | params)["FunctionArn"]

    def other(self, **changes: str) -> Caller:
        """A caller that differs."""
        return replace(self.caller, **changes)

    def queue(self, name: str = "queue", **attributes: str) -> str:
        """URL of a new queue."""
        return self.sqs("CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]

    def arn(self, url: str) -> str:
        return self.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def send(self, url: str, body: str, **params: Any) -> str:
        return self.sqs("SendMessage", QueueUrl=url, MessageBody=body, **params)["MessageId"]

    def receive(self, url: str, count: int = 10, **params: Any) -> list[dict[str, Any]]:
        return self.sqs("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=count, **params).get("Messages", [])

    def bodies(self, url: str, **params: Any) -> list[str]:
        return [message["Body"] for message in self.receive(url, **params)]

    def counts(self, url: str) -> tuple[int, int, int]:
        """Visible, delayed, in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=names)["Attributes"]
        return tuple(int(attributes[name]) for name in names)

    def topic(self, name: str = "topic", **attributes: str) -> str:
        """ARN of a new topic."""
        return self.sns("CreateTopic", Name=name, Attributes=attributes)["TopicArn"]

    def subscribe(self, topic: str, url: str, **attributes: str) -> str:
        """ARN of a new subscription of a queue."""
        return self.sns("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=self.arn(url), Attributes=attributes)["SubscriptionArn"]


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer.new(1_700_000_000_000)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated database file to copy."""
    path = tmp_path_factory.mktemp("localaws") / "aws.db"
    with Database(f"sqlite:///{path}", "localaws") as database:
        database.migrate()
    return path


@pytest.fixture
def aws_file(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "aws.db"))


@pytest.fixture
def store(aws_file: Path, clock: ManualClock) -> Iterator[Store]:
    with Store(Database(f"sqlite:///{aws_file}", "localaws"), clock) as opened:
        yield opened


@pytest.fixture
def cloud(store: Store, clock: ManualClock, signer: Signer, tmp_path: Path) -> Cloud:
    return Cloud(store, clock, signer, tmp_path / "functions")
