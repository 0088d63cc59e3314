"""The embedded S3 behind a real HTTP server, and clients of it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import Config
from running_gateway import running

from openrek.localaws.s3.operations import s3_operations
from openrek.localaws.s3.storage import Storage
from openrek.wire.gateway import Gateway

_NAMES = itertools.count(1)


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """Serve the buckets below a folder; yields the endpoint. Nothing is flushed: no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        storage = Storage(data)
        storage.prepare()
        app = Gateway({"s3": s3_operations(storage)}, account="000000000000", region="us-east-1", request_bytes=16 << 20)
        with running(app) as port:
            yield f"http://127.0.0.1:{port}"


def client(endpoint: str | None, *, region: str = "us-east-1", **config: Any) -> Any:
    """A boto3 client."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="openrek",
        aws_secret_access_key="openrek-secret",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def new_bucket(s3: Any) -> str:
    """The name of a new bucket."""
    name = f"bucket-{next(_NAMES)}"
    s3.create_bucket(Bucket=name)
    return name
