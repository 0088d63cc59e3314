"""The whole server in this process, without its worker: boto3 talks to it without a socket, and the test is the worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from asgi_client import Answer, ask
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.client import Config

from openrek.clock import ManualClock
from openrek.features.base import Row
from openrek.features.labels import LabelDetection
from openrek.jobs.claims import Claim, Claims
from openrek.jobs.results import ResultWriter
from openrek.server.app import Application
from openrek.server.worker import serialise_row
from openrek.settings import Settings
from openrek.video import VideoFacts
from openrek.worker.rows import Rows
from replies_in_model import check_reply, service_model

ENDPOINT = "http://localhost:4599"
SCOPE = "AWS4-HMAC-SHA256 Credential=openrek/20250101/{}/rekognition/aws4_request, SignedHeaders=host, Signature=abc"
LEASE = 20


class LocalApplication:
    """An application over a folder and a database of its own, its clock in the test's hand."""

    def __init__(self, settings: Settings, clock: ManualClock) -> None:
        self.settings = settings
        self.clock = clock
        self.application = Application(settings, ENDPOINT, clock)
        self.database = self.application.database
        self.claims = Claims(self.database, clock, settings.limits, LEASE)
        self.runner = asyncio.Runner()
        self.feature = LabelDetection()

    def close(self) -> None:
        self.runner.close()
        self.application.close()

    # As a client.

    def client(self, service: str = "rekognition", region: str = "us-east-1", **config: Any) -> Any:
        """A boto3 client whose requests come here."""
        client = boto3.client(
            service,
            endpoint_url=ENDPOINT,
            region_name=region,
            aws_access_key_id="openrek",
            aws_secret_access_key="openrek-secret",
            config=Config(retries={"total_max_attempts": 1}, **config),
        )
        client.meta.events.register("before-send", self._send)
        return client

    def raw(self, operation: str, body: Any, region: str = "us-east-1", headers: Mapping[str, str] | None = None) -> Answer:
        """A request to Rekognition as it is written on the wire; the body is JSON unless it is bytes."""
        given = {
            "authorization": SCOPE.format(region),
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"RekognitionService.{operation}",
        }
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.runner.run(ask(self.application.gateway, "POST", headers=given | dict(headers or {}), body=content))
        assert answer.complete
        model = service_model("rekognition")
        if answer.status >= 300 or operation in model.operation_names:
            known = operation if operation in model.operation_names else "GetLabelDetection"
            check_reply(model.operation_model(known), answer.status, answer.headers, answer.body)
        return answer

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        body = request.body or b""
        content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
        headers = [
            (name.lower().encode("latin-1"), value if isinstance(value, bytes) else str(value).encode("latin-1"))
            for name, value in request.headers.items()
        ]
        answer = self.runner.run(ask(self.application.gateway, request.method, url.path or "/", url.query, headers, content))
        assert answer.complete
        response = AWSResponse(request.url, answer.status, HeadersDict(answer.headers), None)
        response._content = answer.body
        return response

    # As whoever prepares videos.

    def put(self, bucket: str = "bucket", name: str = "video.mp4", content: bytes = b"not looked at") -> dict[str, Any]:
        """Drop a file into a bucket's folder; `Video` of a Start."""
        path = self.settings.data / "buckets" / bucket / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return {"S3Object": {"Bucket": bucket, "Name": name}}

    # As the worker.

    def claim_all(self) -> list[Claim]:
        """Take all jobs that wait."""
        claims = []
        while taken := self.claims.claim("worker"):
            claims += taken
        return claims

    def complete(self, claim: Claim, rows: Iterable[tuple[str, Row]], video: VideoFacts, scratch: Path) -> None:
        """End a job with these rows."""
        writer = Rows(lambda held: ResultWriter(self.database, held), serialise_row)
        self.claims.complete(claim, writer.write(claim, self.feature, rows, scratch, lambda: None), video)

    def relay(self) -> int:
        """Publish what waits; how many were published."""
        return self.application.relay.relay.run_once()


@contextmanager
def local_application(data: Path, database: str, clock: ManualClock, **settings: Any) -> Iterator[LocalApplication]:
    """An application on a job database that is migrated already."""
    opened = LocalApplication(Settings(data=data, database=database, **settings), clock)
    try:
        yield opened
    finally:
        opened.close()
