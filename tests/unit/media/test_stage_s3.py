"""Staging from S3, through a real client: from moto, and over HTTP from a store that misbehaves."""

from __future__ import annotations

import os
import re
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from openrek.errors import ObjectNotFoundError, ObjectTooLargeError, StagingError
from openrek.media.stage import NOT_FOUND, Room, identity
from openrek.media.stage_s3 import S3Source
from openrek.settings import ServiceSettings
from openrek.video import ObjectReference

REFERENCE = ObjectReference("bucket", "folder/some video ✓.mp4")
CONTENT = os.urandom(5_000_000)


def silent(done: int, total: int) -> None:
    """Nobody is watching."""


def source(endpoint: str, waits: list[float] | None = None) -> S3Source:
    service = ServiceSettings(endpoint=endpoint, access_key_id="key", secret_access_key="secret")
    return S3Source(service, "us-east-1", (waits if waits is not None else []).append)


@pytest.fixture
def moto() -> Iterator[str]:
    with mock_aws():
        yield "aws"


@pytest.fixture
def s3(moto: str) -> Iterator[Any]:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret")
    client.create_bucket(Bucket="bucket")
    yield client
    client.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_an_object_is_streamed_to_a_file(moto: str, s3: Any, folder: Path) -> None:
    put = s3.put_object(Bucket="bucket", Key=REFERENCE.name, Body=CONTENT)
    reports: list[tuple[int, int]] = []
    staged = source(moto).fetch(REFERENCE, folder, Room(), lambda done, total: reports.append((done, total)))
    assert staged.path.read_bytes() == CONTENT
    assert (staged.size, staged.identity) == (len(CONTENT), identity(REFERENCE, None, put["ETag"].strip('"')))
    assert source(moto).look(REFERENCE).identity == staged.identity
    assert reports[-1] == (5_000_000, 5_000_000)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    assert len(reports) >= 5
    assert os.listdir(folder) == [staged.path.name]


def test_an_empty_object(moto: str, s3: Any, folder: Path) -> None:
    s3.put_object(Bucket="bucket", Key=REFERENCE.name, Body=b"")
    staged = source(moto).fetch(REFERENCE, folder, Room(), silent)
    assert (staged.size, staged.path.read_bytes()) == (0, b"")


def test_versions(moto: str, s3: Any, folder: Path) -> None:
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="bucket", Key=REFERENCE.name, Body=b"first")["VersionId"]
    second = s3.put_object(Bucket="bucket", Key=REFERENCE.name, Body=b"second")["VersionId"]
    old = ObjectReference(REFERENCE.bucket, REFERENCE.name, first)
    fetched = source(moto)
    assert fetched.fetch(old, folder, Room(), silent).path.read_bytes() == b"first"
    latest = fetched.fetch(REFERENCE, folder, Room(), silent)
    assert latest.path.read_bytes() == b"second"
    assert latest.identity == identity(REFERENCE, second, "") == fetched.look(REFERENCE).identity
    for version in ("no-such-version", "0" * 32):
        with pytest.raises(ObjectNotFoundError):
            fetched.fetch(ObjectReference(REFERENCE.bucket, REFERENCE.name, version), folder, Room(), silent)
    s3.delete_object(Bucket="bucket", Key=REFERENCE.name)
    for call in (lambda: fetched.look(REFERENCE), lambda: fetched.fetch(REFERENCE, folder, Room(), silent)):
        with pytest.raises(ObjectNotFoundError, match=re.escape(NOT_FOUND)):
            call()


@pytest.mark.parametrize("reference", [ObjectReference("bucket", "absent"), ObjectReference("no-such-bucket", "absent")])
def test_what_is_not_there(reference: ObjectReference, moto: str, s3: Any, folder: Path) -> None:
    waits: list[float] = []
    for call in (lambda: source(moto, waits).look(reference), lambda: source(moto, waits).fetch(reference, folder, Room(), silent)):
        with pytest.raises(ObjectNotFoundError, match=re.escape(NOT_FOUND)):
            call()
    assert waits == []


def test_limits_are_checked_before_anything_is_written(moto: str, s3: Any, folder: Path) -> None:
    s3.put_object(Bucket="bucket", Key=REFERENCE.name, Body=CONTENT)
    with pytest.raises(ObjectTooLargeError, match=r"^Video size in bytes: 5000000 is more than the maximum limit of: 4999999 bytes\.$"):
        source(moto).fetch(REFERENCE, folder, Room(most=4_999_999), silent)
    with pytest.raises(StagingError, match="the video takes 5 MB"):
        source(moto).fetch(REFERENCE, folder, Room(reserve=shutil.disk_usage(folder).free), silent)
    assert os.listdir(folder) == []


def test_a_full_disk_leaves_nothing_behind(moto: str, s3: Any, folder: Path) -> None:
    s3.put_object(Bucket="bucket", Key=REFERENCE.name, Body=CONTENT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_500_000, hard))
    try:
        with pytest.raises(StagingError, match="disk is too full: the video takes 5 MB"):
            source(moto).fetch(REFERENCE, folder, Room(), silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(folder) == []


def test_whoever_watches_may_stop_it(moto: str, s3: Any, folder: Path) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done:
            raise StopError

    s3.put_object(Bucket="bucket", Key=REFERENCE.name, Body=CONTENT)
    with pytest.raises(StopError):
        source(moto).fetch(REFERENCE, folder, Room(), stop)
    assert os.listdir(folder) == []


@dataclass
class Store:
    """What a store that misbehaves does with each GET: how many bytes it sends before it hangs up, or the status that it answers."""

    content: bytes = CONTENT
    etag: str = '"first"'
    plan: list[int | str] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    before: Callable[[int], None] = lambda count: None
    ranges: bool = True


@pytest.fixture
def broken() -> Iterator[tuple[str, Store]]:
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            store.before(len(store.asked))
            store.asked.append({name.lower(): value for name, value in self.headers.items()})
            step = store.plan.pop(0) if store.plan else len(store.content)
            if self.headers.get("If-Match", store.etag) != store.etag:
                step = "412"
            if isinstance(step, str):
                self._refuse(*step.split())
                return
            first = 0
            asked = self.headers.get("Range")
            if asked and store.ranges:
                first = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {first}-{len(store.content) - 1}/{len(store.content)}")
            else:
                self.send_response(200)
            self.send_header("ETag", store.etag)
            self.send_header("x-amz-request-id", "1")
            self.send_header("Content-Length", str(len(store.content) - first))
            self.end_headers()
            self.wfile.write(store.content[first : first + step])
            if first + step < len(store.content):
                self.close_connection = True

        def _refuse(self, status: str, code: str = "PreconditionFailed") -> None:
            body = f"<Error><Code>{code}</Code><Message>no</Message><RequestId>1</RequestId></Error>".encode()
            self.send_response(int(status))
            self.send_header("x-amz-request-id", "1")
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """The client hung up, as it should."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", store
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_broken_connection_is_continued_where_it_broke(broken: tuple[str, Store], folder: Path) -> None:
    endpoint, store = broken
    store.plan = [1_234_567, 0, "503 SlowDown", "500 InternalError", 2_000_000]
    waits: list[float] = []
    staged = source(endpoint, waits).fetch(REFERENCE, folder, Room(), silent)
    assert staged.path.read_bytes() == CONTENT
    offsets = [asked.get("range") for asked in store.asked]
    assert offsets[0] is None
    assert set(offsets[1:5]) == {offsets[1]}
    first = int(str(offsets[1])[len("bytes=") : -1])
    assert 1_000_000 <= first <= 1_234_567
    assert str(offsets[5]).startswith("bytes=3")
    assert all(asked["if-match"] == '"first"' for asked in store.asked[1:])
    assert len(waits) >= 4
    assert max(waits) <= 10


def test_an_object_that_is_replaced_meanwhile_is_fetched_anew(broken: tuple[str, Store], folder: Path) -> None:
    endpoint, store = broken
    store.plan = [1_000_000]

    def replace(count: int) -> None:
        if count == 1:
            store.content, store.etag = b"other" * 1000, '"second"'

    store.before = replace
    staged = source(endpoint).fetch(REFERENCE, folder, Room(), silent)
    assert staged.path.read_bytes() == b"other" * 1000
    assert staged.identity == identity(REFERENCE, None, "second")
    assert os.listdir(folder) == [staged.path.name]


def test_an_object_that_never_stays_the_same_is_given_up(broken: tuple[str, Store], folder: Path) -> None:
    endpoint, store = broken
    store.plan = [1_000_000, "412"] * 3
    with pytest.raises(StagingError, match="replaced again and again"):
        source(endpoint).fetch(REFERENCE, folder, Room(), silent)
    assert os.listdir(folder) == []


def test_a_store_that_stays_down_is_given_up(broken: tuple[str, Store], folder: Path) -> None:
    endpoint, store = broken
    store.plan = ["503 ServiceUnavailable"] * 100
    waits: list[float] = []
    with pytest.raises(StagingError, match=r"S3 does not answer .*ServiceUnavailable"):
        source(endpoint, waits).fetch(REFERENCE, folder, Room(), silent)
    assert waits == [0.5, 1, 2, 4, 8]
    store.plan = [2_000_000, *[0] * 100]
    with pytest.raises(StagingError, match=r"stopped coming at byte [12][0-9]{6} of 5000000"):
        source(endpoint).fetch(REFERENCE, folder, Room(), silent)
    assert os.listdir(folder) == []


def test_a_store_without_ranges_cannot_be_continued(broken: tuple[str, Store], folder: Path) -> None:
    endpoint, store = broken
    store.plan, store.ranges = [2_000_000], False
    with pytest.raises(StagingError, match="does not give parts"):
        source(endpoint).fetch(REFERENCE, folder, Room(), silent)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ("403 AccessDenied", ObjectNotFoundError, NOT_FOUND),
        ("403 InvalidObjectState", StagingError, "archived"),
        ("405 MethodNotAllowed", ObjectNotFoundError, NOT_FOUND),
    ],
)
def test_refusals(answer: str, error: type[Exception], message: str, broken: tuple[str, Store], folder: Path) -> None:
    endpoint, store = broken
    store.plan = [answer] * 10
    with pytest.raises(error, match=message):
        source(endpoint).fetch(REFERENCE, folder, Room(), silent)
    assert len(store.asked) == 1


def test_nobody_at_the_address(folder: Path) -> None:
    with pytest.raises(StagingError, match="S3 does not answer"):
        source("http://127.0.0.1:9").fetch(REFERENCE, folder, Room(), silent)


def test_no_credentials(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StagingError, match="OPENREK_S3__ACCESS_KEY_ID"):
        S3Source(ServiceSettings(endpoint="http://127.0.0.1:9"), "us-east-1").fetch(REFERENCE, folder, Room(), silent)


def test_memory_does_not_grow_with_the_object(broken: tuple[str, Store], folder: Path) -> None:
    import tracemalloc

    endpoint, store = broken
    store.content = bytes(60_000_000)
    fetched = source(endpoint)
    fetched.fetch(ObjectReference("bucket", "first"), folder, Room(), silent)
    tracemalloc.start()
    try:
        fetched.fetch(REFERENCE, folder, Room(), silent)
        # The store of this test sends a slice of what it holds, which is a copy.
        assert tracemalloc.get_traced_memory()[1] < len(store.content) + 12_000_000
    finally:
        tracemalloc.stop()
