"""`openrek serve` in a process of its own, with its own data folder, and clients of it."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.client import Config

from replies_in_model import check_reply, service_model

ROLE = "arn:aws:iam::000000000000:role/role"
SCOPE = "AWS4-HMAC-SHA256 Credential=openrek/20250101/{}/rekognition/aws4_request, SignedHeaders=host, Signature=abc"
PATIENCE = 120
"""Seconds for anything that a busy machine may be slow at."""


@dataclass
class Server:
    """A running server.

    Attributes
    ----------
    url
        Its address.
    data
        Its data folder.
    """

    url: str
    data: Path
    log: Path
    process: subprocess.Popen[str]
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str = "us-east-1", **config: Any) -> Any:
        """A boto3 client; the same one again unless it is configured."""
        if config or (service, region) not in self._clients:
            made = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=region,
                aws_access_key_id="openrek",
                aws_secret_access_key="openrek-secret",
                config=Config(retries={"total_max_attempts": 1}, **config),
            )
            if config:
                return made
            self._clients[service, region] = made
        return self._clients[service, region]

    def raw(self, operation: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """A request to Rekognition as it is written on the wire: status, headers in lower case, body."""
        given = {"Authorization": SCOPE.format("us-east-1"), "Content-Type": "application/x-amz-json-1.1"}
        connection = http.client.HTTPConnection(str(urlsplit(self.url).netloc), timeout=PATIENCE)
        connection.request("POST", "/", body, given | {"X-Amz-Target": f"RekognitionService.{operation}"} | dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
        connection.close()
        found = {name.lower(): value for name, value in response.getheaders()}
        model = service_model("rekognition")
        known = operation if operation in model.operation_names else "GetLabelDetection"
        check_reply(model.operation_model(known), response.status, found, content)
        return response.status, found, content

    def put(self, bucket: str, key: str, content: bytes | Path, **params: Any) -> dict[str, Any]:
        """Upload a video; `Video` of a Start."""
        body = content if isinstance(content, bytes) else content.read_bytes()
        s3 = self.client("s3")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=body, **params)
        return {"S3Object": {"Bucket": bucket, "Name": key}}

    def start(self, video: dict[str, Any], **params: Any) -> str:
        """Start label detection."""
        return str(self.client("rekognition").start_label_detection(Video=video, **params)["JobId"])

    def wait(self, job_id: str) -> dict[str, Any]:
        """The first page of a job once it has ended."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            page: dict[str, Any] = self.client("rekognition").get_label_detection(JobId=job_id)
            if page["JobStatus"] != "IN_PROGRESS":
                return page
            time.sleep(0.2)  # the API has no other way to wait without a topic
        raise AssertionError(f"job {job_id} did not end:\n{self.log.read_text()}")

    def rows(self, job_id: str, **params: Any) -> list[dict[str, Any]]:
        """All rows of a job that has ended."""
        found, token = [], {}
        while True:
            page = self.client("rekognition").get_label_detection(JobId=job_id, **params, **token)
            found += page["Labels"]
            if "NextToken" not in page:
                return found
            token = {"NextToken": page["NextToken"]}

    def channel(self, name: str) -> tuple[dict[str, str], str]:
        """A new topic with a queue: `NotificationChannel` of a Start, and the queue's URL."""
        sns, sqs = self.client("sns"), self.client("sqs")
        topic = sns.create_topic(Name=name)["TopicArn"]
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return {"SNSTopicArn": topic, "RoleArn": ROLE}, str(queue)

    def receive(self, queue: str) -> dict[str, Any]:
        """The next message of a queue, which is deleted: what openrek told SNS."""
        sqs = self.client("sqs")
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages", ()):
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
                told: dict[str, Any] = json.loads(json.loads(message["Body"])["Message"])
                return told
        raise AssertionError(f"no message came:\n{self.log.read_text()}")

    def errors(self) -> list[str]:
        """What was logged at ERROR."""
        return [line for line in self.log.read_text().splitlines() if " ERROR " in line]


@contextmanager
def serving(data: Path, **settings: str) -> Iterator[Server]:
    """Run a server on a free port.

    Parameters
    ----------
    settings
        `OPENREK_…` in the environment, without the prefix.
    """
    data.mkdir(parents=True, exist_ok=True)
    log = data.with_name(f"{data.name}.log")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENREK_", "AWS_")) or name == "OPENREK_MODELS"}
    environment = kept | {f"OPENREK_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "openrek.cli.app", "serve", "--port", "0", "--data", str(data)]
    with (
        log.open("w") as messages,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages, env=environment, cwd=data, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("export AWS_ENDPOINT_URL="), log.read_text()
            yield Server(first.strip().partition("=")[2], data, log, process)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
