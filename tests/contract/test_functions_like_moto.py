"""One boto3 program about functions, their permissions, tags and logs, run against moto and against openrek, gets the same answers.

Where moto is known to differ from AWS, the program asks for something else, or the answer is left out below with the reason.
"""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from running_gateway import running

from openrek.clock import SystemClock
from openrek.db import Database
from openrek.localaws.functions import Functions, lambda_operations
from openrek.localaws.iam import Identities, iam_operations
from openrek.localaws.logs import Logs, logs_operations
from openrek.localaws.sns import Topics
from openrek.localaws.store import Store
from openrek.wire.gateway import Gateway

ACCOUNT, REGION = "123456789012", "eu-west-1"
KEYS = {"region_name": REGION, "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/run"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
NEW_EACH_TIME = {"LastModified", "Location", "NextMarker", "creationTime", "ingestionTime", "lastIngestionTime", "eventId"}
NEW_EACH_TIME |= {"uploadSequenceToken", "nextSequenceToken", "nextForwardToken", "nextBackwardToken"}
NOT_COMPARED = {
    "RevisionId": "moto does not tell it",
    "Layers": "moto gives an empty list, AWS nothing",
    "LoggingConfig": "moto does not tell it",
    "LastUpdateStatus": "moto tells it in some answers only",
    "Architectures": "this machine's here, x86_64 there",
    "TracingConfig": "moto does not tell it in all answers",
    "VpcConfig": "moto gives an empty one, AWS nothing",
    "DeadLetterConfig": "moto gives an empty one, AWS nothing",
    "Environment": "moto gives an empty one, AWS nothing",
    "storedBytes": "zero for ever since 2019 in AWS's streams, estimated in moto",
    "searchedLogStreams": "empty since 2019 in AWS",
    "logGroupArn": "moto tells it in some answers only",
    "logGroupClass": "moto does not tell it",
    "arn": "of log groups: moto leaves out the trailing star",
    "metricFilterCount": "of what is not here",
    "ResponseMetadata": "of boto3",
}


def package(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("code.py"), text)
    return packed.getvalue()


class Program:
    """Calls, and what came of them without what is new each time."""

    def __init__(self, **where: Any) -> None:
        self.clients = {name: boto3.client(name, **KEYS, **where) for name in ("lambda", "iam", "logs")}
        self.answers: list[Any] = []
        with contextlib.suppress(self.clients["iam"].exceptions.EntityAlreadyExistsException):
            self.clients["iam"].create_role(RoleName="run", AssumeRolePolicyDocument=TRUST)

    def __call__(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        try:
            answer = getattr(self.clients[service], operation)(**params)
            self.answers.append((operation, self._plain(answer)))
        except ClientError as error:
            self.answers.append((operation, error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]))
        return answer

    def _plain(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._plain(one, key) for key, one in sorted(value.items()) if key not in NOT_COMPARED}
        if isinstance(value, list):
            return [self._plain(one) for one in value]
        if name in NEW_EACH_TIME:
            return f"<{name}>"
        if name in ("Policy", "Statement") and isinstance(value, str):
            return self._plain(json.loads(value))
        return value


def functions(call: Program) -> None:
    made = {"Runtime": "python3.12", "Role": ROLE, "Handler": "code.handler"}
    call("lambda", "create_function", FunctionName="one", **made, Code={"ZipFile": package("1")}, Tags={"a": "b"})
    call("lambda", "create_function", FunctionName="one", **made, Code={"ZipFile": package("1")})
    call("lambda", "get_function", FunctionName="one")
    call("lambda", "get_function", FunctionName=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:one")
    call("lambda", "get_function_configuration", FunctionName="one")
    call("lambda", "get_function", FunctionName="none")
    call("lambda", "get_function_configuration", FunctionName="none")
    call("lambda", "update_function_code", FunctionName="one", ZipFile=package("2"))
    call("lambda", "update_function_configuration", FunctionName="one", Timeout=7, MemorySize=256, Description="text")
    call("lambda", "get_function_configuration", FunctionName="one")
    call("lambda", "publish_version", FunctionName="one")
    call("lambda", "get_function_configuration", FunctionName="one", Qualifier="1")
    call("lambda", "list_versions_by_function", FunctionName="one")
    for name in ("three", "two"):
        call("lambda", "create_function", FunctionName=name, **made, Code={"ZipFile": package(name)})
    listed = call.clients["lambda"].list_functions()["Functions"]
    call.answers.append(sorted(one["FunctionName"] for one in listed))
    call("lambda", "delete_function", FunctionName="two")
    call("lambda", "delete_function", FunctionName="two")
    call("lambda", "get_function", FunctionName="two")


def permissions(call: Program) -> None:
    made = {"Runtime": "python3.12", "Role": ROLE, "Handler": "code.handler", "Code": {"ZipFile": package("1")}}
    call("lambda", "create_function", FunctionName="open", **made)
    call("lambda", "get_policy", FunctionName="open")
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:topic"
    statement = {"Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com"}
    call("lambda", "add_permission", FunctionName="open", StatementId="topic", **statement, SourceArn=topic)
    call("lambda", "add_permission", FunctionName="open", StatementId="bucket", **statement, SourceAccount=ACCOUNT)
    call("lambda", "get_policy", FunctionName="open")
    call("lambda", "remove_permission", FunctionName="open", StatementId="none")
    call("lambda", "remove_permission", FunctionName="open", StatementId="topic")
    call("lambda", "get_policy", FunctionName="open")
    call("lambda", "get_policy", FunctionName="none")
    call("lambda", "add_permission", FunctionName="none", StatementId="x", **statement)


def tags(call: Program) -> None:
    made = {"Runtime": "python3.12", "Role": ROLE, "Handler": "code.handler", "Code": {"ZipFile": package("1")}}
    arn = call("lambda", "create_function", FunctionName="tagged", **made, Tags={"a": "1"})["FunctionArn"]
    call("lambda", "list_tags", Resource=arn)
    call("lambda", "tag_resource", Resource=arn, Tags={"a": "2", "b": "3"})
    call("lambda", "list_tags", Resource=arn)
    call("lambda", "untag_resource", Resource=arn, TagKeys=["a", "none"])
    call("lambda", "list_tags", Resource=arn)
    call("lambda", "list_tags", Resource=f"{arn}-none")


def logs(call: Program) -> None:
    group = {"logGroupName": "/aws/lambda/one"}
    call("logs", "create_log_group", **group, tags={"a": "b"})
    call("logs", "create_log_group", **group)
    call("logs", "describe_log_groups", logGroupNamePrefix="/aws")
    call("logs", "create_log_stream", **group, logStreamName="stream")
    call("logs", "create_log_stream", **group, logStreamName="stream")
    now = int(SystemClock().now())
    events = [{"timestamp": now - 2000 + number, "message": f"line {number}"} for number in range(5)]
    call("logs", "put_log_events", **group, logStreamName="stream", logEvents=events)
    call("logs", "put_log_events", **group, logStreamName="none", logEvents=events)
    found = call.clients["logs"].get_log_events(**group, logStreamName="stream", startFromHead=True)["events"]
    call.answers.append([one["message"] for one in found])
    found = call.clients["logs"].filter_log_events(**group, filterPattern='"line 3"')["events"]
    call.answers.append([(one["message"], one["logStreamName"]) for one in found])
    call("logs", "put_retention_policy", **group, retentionInDays=7)
    call("logs", "describe_log_groups", logGroupNamePrefix="/aws")
    call("logs", "delete_log_stream", **group, logStreamName="stream")
    call("logs", "describe_log_streams", **group)
    call("logs", "delete_log_group", **group)
    call("logs", "delete_log_group", **group)
    call("logs", "describe_log_streams", **group)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("aws")
    database = Database(f"sqlite:///{folder / 'aws.db'}", "localaws")
    database.migrate()
    with Store(database, SystemClock()) as store:
        publish = Topics(store, endpoint="http://localhost").publish

        def fetch(*_: object) -> bytes:
            raise AssertionError("nothing comes from S3 here")

        made = Functions(store, publish, fetch, folder=folder / "functions", endpoint="http://localhost", limit=1, idle_seconds=1)
        made.prepare()
        services = {
            "lambda": lambda_operations(made),
            "iam": iam_operations(Identities(store)),
            "logs": logs_operations(Logs(store, keep_days=30)),
        }
        with running(Gateway(services, account=ACCOUNT, region=REGION, request_bytes=16 << 20)) as port:
            yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("part", [functions, permissions, tags, logs], ids=lambda part: part.__name__)
def test_the_same_answers(endpoint: str, part: Any) -> None:
    with mock_aws():
        theirs = Program()
        part(theirs)
    ours = Program(endpoint_url=endpoint)
    part(ours)
    for mine, reference in zip(ours.answers, theirs.answers, strict=True):
        assert mine == reference
