"""The embedded S3 in a folder, called as the gateway calls it; every answer is checked against the service model."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from openrek.awsmodel.calls import Caller, ServiceError
from openrek.awsmodel.serialise import serialise
from openrek.awsmodel.services import load_service
from openrek.clock import Clock
from openrek.localaws.s3.operations import s3_operations
from openrek.localaws.s3.storage import Storage

RUNNER = asyncio.Runner()
"""One event loop for all calls: there are many. The last test closes it."""
CALLER = Caller("000000000000", "us-east-1", "arn:aws:iam::000000000000:root", "openrek", "request", "http://localhost:4599")


class Body:
    """An upload's body, in pieces."""

    def __init__(self, content: bytes, trailers: Mapping[str, str] | None = None, *, piece: int = 1 << 16, error: Exception | None = None):
        self.length = len(content)
        self.trailers: dict[str, str] = {}
        self._content, self._later, self._piece, self._error = content, dict(trailers or {}), piece, error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), self._piece):
            yield self._content[start : start + self._piece]
        if self._error is not None:
            raise self._error
        self.trailers.update(self._later)


class S3:
    """A storage and its operations, by name: `s3("PutObject", Bucket=…, Key=…, Body=b"…")`."""

    def __init__(self, data: Path, clock: Clock, *, prepare: bool = True, **options: Any) -> None:
        self.data = data
        self.clock = clock
        self.storage = Storage(data, clock, **options)
        if prepare:
            self.storage.prepare()
        self.operations = s3_operations(self.storage)

    def __call__(self, operation: str, /, caller: Caller = CALLER, **params: Any) -> dict[str, Any]:
        if isinstance(params.get("Body"), bytes):
            params["Body"] = Body(params["Body"])
        return RUNNER.run(self._call(operation, caller, params))

    async def _call(self, operation: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        result: Any = self.operations[operation](caller, params)
        result = await result if inspect.isawaitable(result) else result
        service = load_service("s3")
        model = service.operation(operation)
        assert model is not None
        serialise(service, model, result, "request")
        if operation == "GetObject":
            result["Body"] = b"".join([block async for block in result["Body"]])
        return result

    def put(self, key: str, content: bytes = b"", bucket: str = "videos", **params: Any) -> dict[str, Any]:
        return self("PutObject", Bucket=bucket, Key=key, Body=content, **params)

    def get(self, key: str, bucket: str = "videos", **params: Any) -> bytes:
        return self("GetObject", Bucket=bucket, Key=key, **params)["Body"]

    def head(self, key: str, bucket: str = "videos", **params: Any) -> dict[str, Any]:
        return self("HeadObject", Bucket=bucket, Key=key, **params)

    def delete(self, key: str, bucket: str = "videos", **params: Any) -> dict[str, Any]:
        return self("DeleteObject", Bucket=bucket, Key=key, **params)

    def keys(self, bucket: str = "videos", **params: Any) -> list[str]:
        return [line["Key"] for line in self("ListObjectsV2", Bucket=bucket, **params)["Contents"]]

    def versions(self, key: str | None = None, bucket: str = "videos") -> list[tuple[str, str, bool]]:
        """Kind, id and whether it is the latest, in the order of the listing (markers behind versions)."""
        listed = self("ListObjectVersions", Bucket=bucket)
        return [
            (kind, line["VersionId"], line["IsLatest"])
            for kind, lines in (("version", listed["Versions"]), ("marker", listed["DeleteMarkers"]))
            for line in lines
            if key is None or line["Key"] == key
        ]

    def versioning(self, status: str, bucket: str = "videos") -> None:
        self("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": status})

    def plain(self, key: str, bucket: str = "videos") -> Path:
        """Where a key's plain file is or would be."""
        return self.data / "buckets" / bucket / key

    def files(self, bucket: str = "videos") -> set[str]:
        """What lies in the bucket's folder, folders with a slash behind them."""
        root = self.data / "buckets" / bucket
        return {str(path.relative_to(root)) + ("/" if path.is_dir() else "") for path in root.rglob("*")}

    def beside(self, bucket: str = "videos") -> int:
        """How many files of bytes lie beside."""
        return sum(1 for path in (self.data / "s3" / "buckets" / bucket / "data").rglob("*") if path.is_file())

    def unfinished(self) -> list[Path]:
        return list((self.data / "s3" / "unfinished").iterdir())


@contextlib.contextmanager
def refused(code: str, status: int | None = None, message: str | None = None) -> Iterator[pytest.ExceptionInfo[ServiceError]]:
    """The block raises that error."""
    with pytest.raises(ServiceError) as caught:
        yield caught
    assert caught.value.code == code
    if status is not None:
        assert caught.value.status == status
    if message is not None:
        assert message in caught.value.text
