"""The gateway behind uvicorn, asked by boto3 and by hand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import importlib.util
import io
import json
import socket
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
import pytest
from botocore.client import Config
from botocore.exceptions import ClientError
from running_gateway import running

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.errors import ClientGoneError
from openrek.wire.gateway import Gateway

WAIT = 60
CHECKSUM = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()


class Stored:
    """A reply's body that tells when it is closed."""

    def __init__(self, data: bytes, closed: threading.Event) -> None:
        self.length = len(data)
        self._data = data
        self._closed = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for start in range(0, len(self._data), 65536):
                yield self._data[start : start + 65536]
        finally:
            self._closed.set()


class Stubs:
    """A few operations of every service, just enough to be called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Caller, Params]] = []
        self.objects: dict[str, bytes] = {}
        self.trailers: dict[str, str] = {}
        self.polling = threading.Event()
        self.cancelled = threading.Event()
        self.closed = threading.Event()
        self.cut_off = threading.Event()

    def services(self) -> dict[str, dict[str, Any]]:
        return {
            "rekognition": {"StartLabelDetection": self.start, "GetLabelDetection": self.get, "DescribeCollection": self.describe},
            "sqs": {"ReceiveMessage": self.receive, "SendMessage": self.send, "GetQueueUrl": self.no_queue},
            "sns": {"CreateTopic": self.create_topic, "Publish": self.no_topic},
            "iam": {"CreateRole": self.create_role},
            "sts": {"GetCallerIdentity": self.identity},
            "s3": {
                "PutObject": self.put,
                "GetObject": self.get_object,
                "HeadObject": self.head,
                "ListObjectsV2": self.list,
                "GetBucketLocation": lambda caller, params: {"LocationConstraint": "eu-west-1"},
                "DeleteObjects": self.delete,
            },
        }

    def start(self, caller: Caller, params: Params) -> Params:
        self.calls.append((caller, params))
        return {"JobId": "a" * 64}

    def get(self, caller: Caller, params: Params) -> Params:
        raise ServiceError("InvalidPaginationTokenException", "Invalid Token")

    def describe(self, caller: Caller, params: Params) -> Params:
        return {"FaceCount": 1, "CreationTimestamp": datetime(2017, 11, 16, 20, 49, 24, 756_000, tzinfo=UTC)}

    async def receive(self, caller: Caller, params: Params) -> Params:
        self.polling.set()
        try:
            await asyncio.sleep(params.get("WaitTimeSeconds", 0))
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return {"Messages": [{"MessageId": "m", "Body": "größe", "MD5OfBody": hashlib.md5("größe".encode()).hexdigest()}]}

    def send(self, caller: Caller, params: Params) -> Params:
        return {"MessageId": "m", "MD5OfMessageBody": hashlib.md5(params["MessageBody"].encode()).hexdigest()}

    def no_queue(self, caller: Caller, params: Params) -> Params:
        raise ServiceError("QueueDoesNotExist", "The specified queue does not exist.")

    def create_topic(self, caller: Caller, params: Params) -> Params:
        return {"TopicArn": f"arn:aws:sns:{caller.region}:{caller.account}:{params['Name']}"}

    def no_topic(self, caller: Caller, params: Params) -> Params:
        raise ServiceError("NotFoundException", "Topic does not exist")

    def create_role(self, caller: Caller, params: Params) -> Params:
        now = datetime(2025, 1, 1, tzinfo=UTC)
        role = {"Path": "/", "RoleName": params["RoleName"], "RoleId": "i", "Arn": "arn", "CreateDate": now, "Tags": params["Tags"]}
        return {"Role": role}

    def identity(self, caller: Caller, params: Params) -> Params:
        return {"Account": caller.account, "Arn": caller.principal, "UserId": caller.access_key_id}

    async def put(self, caller: Caller, params: Params) -> Params:
        if params["Bucket"] == "missing":
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")
        try:
            self.objects[params["Key"]] = b"".join([piece async for piece in params["Body"]])
        except ClientGoneError:
            self.cut_off.set()
            raise
        self.calls.append((caller, params))
        self.trailers = dict(params["Body"].trailers)
        return {"ETag": '"e"', "ChecksumCRC32": params.get("ChecksumCRC32")}

    def get_object(self, caller: Caller, params: Params) -> Params:
        if params["Key"] not in self.objects:
            raise ServiceError("NoSuchKey", "The specified key does not exist.", details={"Key": params["Key"]})
        return {"Body": Stored(self.objects[params["Key"]], self.closed), "ETag": '"e"', "Metadata": {"a": "b"}}

    def head(self, caller: Caller, params: Params) -> Params:
        return {"ContentLength": 5 * 10**9, "ETag": '"e"'}

    def list(self, caller: Caller, params: Params) -> Params:
        return {"Name": params["Bucket"], "Contents": [{"Key": key, "Size": len(data)} for key, data in self.objects.items()]}

    def delete(self, caller: Caller, params: Params) -> Params:
        return {"Deleted": [{"Key": entry["Key"]} for entry in params["Delete"]["Objects"]]}


IMPLEMENTATIONS = [name for name in ("h11", "httptools") if importlib.util.find_spec(name)]


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Stubs, int]]:
    stubs = Stubs()
    app = Gateway(stubs.services(), account="000000000000", region="us-east-1", request_bytes=1_000_000, base_domain="video.example")
    with running(app, request.param) as port:
        yield stubs, port


@pytest.fixture
def stubs(server: tuple[Stubs, int]) -> Stubs:
    return server[0]


@pytest.fixture
def port(server: tuple[Stubs, int]) -> int:
    return server[1]


def client(service: str, port: int, **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="eu-west-1",
        aws_access_key_id="openrek",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


class Connection:
    """A socket that speaks HTTP by hand."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self._file.readline().split()[1])
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return status, headers

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = self.head()
        return status, headers, self._file.read(int(headers["content-length"]))

    def at_end(self) -> bool:
        return self._file.read(1) == b""


class TestBoto3:
    def test_rekognition(self, stubs: Stubs, port: int) -> None:
        rekognition = client("rekognition", port)
        answer = rekognition.start_label_detection(Video={"S3Object": {"Bucket": "bucket", "Name": "v.mp4"}}, MinConfidence=50)
        caller, params = stubs.calls.pop()
        assert answer["JobId"] == "a" * 64
        assert answer["ResponseMetadata"]["RequestId"] == caller.request_id
        assert (caller.region, caller.access_key_id, caller.endpoint) == ("eu-west-1", "openrek", f"http://127.0.0.1:{port}")
        assert params == {"Video": {"S3Object": {"Bucket": "bucket", "Name": "v.mp4"}}, "MinConfidence": 50.0}
        assert rekognition.describe_collection(CollectionId="c")["CreationTimestamp"].astimezone(UTC) == datetime(
            2017, 11, 16, 20, 49, 24, 756_000, tzinfo=UTC
        )
        with pytest.raises(rekognition.exceptions.InvalidPaginationTokenException, match="Invalid Token"):
            rekognition.get_label_detection(JobId="a")
        with pytest.raises(ClientError, match=r"UnknownOperationException.*DetectFaces"):
            rekognition.detect_faces(Image={"Bytes": b"x"})

    def test_constraints_that_the_client_does_not_check(self, port: int) -> None:
        rekognition = client("rekognition", port, parameter_validation=False)
        with pytest.raises(ClientError) as caught:
            rekognition.get_label_detection(JobId="", MaxResults=0)
        assert caught.value.response["Error"]["Code"] == "ValidationException"
        assert caught.value.response["Error"]["Message"].startswith("3 validation errors detected: Value '' at 'jobId' failed")

    def test_sqs(self, port: int) -> None:
        sqs = client("sqs", port)
        url = f"http://127.0.0.1:{port}/000000000000/queue"
        assert sqs.send_message(QueueUrl=url, MessageBody="größe")["MessageId"] == "m"
        assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "größe"
        with pytest.raises(ClientError) as caught:
            sqs.get_queue_url(QueueName="q")
        assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            sqs.get_queue_url(QueueName="q")

    def test_query_services(self, port: int) -> None:
        assert client("sns", port).create_topic(Name="t")["TopicArn"] == "arn:aws:sns:eu-west-1:000000000000:t"
        with pytest.raises(client("sns", port).exceptions.NotFoundException, match="Topic does not exist"):
            client("sns", port).publish(TopicArn="t", Message="m")
        tags = [{"Key": "k", "Value": "größe + @"}]
        role = client("iam", port).create_role(RoleName="r", AssumeRolePolicyDocument="{}", Tags=tags)["Role"]
        assert (role["Tags"], role["CreateDate"]) == (tags, datetime(2025, 1, 1, tzinfo=UTC))
        assert client("sts", port).get_caller_identity()["UserId"] == "openrek"
        with pytest.raises(ClientError, match="InvalidAction"):
            client("iam", port).list_roles()

    @pytest.mark.parametrize("data", [b"", b"hello", bytes(300_000)])
    def test_s3(self, stubs: Stubs, port: int, data: bytes) -> None:
        s3 = client("s3", port)
        assert s3.put_object(Bucket="bucket", Key="a/ü b+c%", Body=data, Metadata={"x": "y"})["ETag"] == '"e"'
        _, params = stubs.calls.pop()
        checksum = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
        assert params.items() >= {"Bucket": "bucket", "Key": "a/ü b+c%", "Metadata": {"x": "y"}, "ChecksumCRC32": checksum}.items()
        assert params["Body"].length == len(data)
        answer = s3.get_object(Bucket="bucket", Key="a/ü b+c%")
        assert (answer["Body"].read(), answer["ContentLength"], answer["Metadata"]) == (data, len(data), {"a": "b"})
        assert s3.head_object(Bucket="bucket", Key="k")["ContentLength"] == 5 * 10**9
        assert s3.get_bucket_location(Bucket="bucket")["LocationConstraint"] == "eu-west-1"
        assert s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "<k>"}]})["Deleted"] == [{"Key": "<k>"}]
        with pytest.raises(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket="bucket", Key="missing")
        with pytest.raises(s3.exceptions.NoSuchBucket):
            s3.put_object(Bucket="missing", Key="k", Body=data)
        with pytest.raises(ClientError, match="NotImplemented"):
            s3.put_object_acl(Bucket="bucket", Key="k", ACL="private")
        s3.upload_fileobj(io.BytesIO(data), "bucket", "file")
        assert stubs.objects["file"] == data

    @pytest.mark.parametrize("version", ["s3", "s3v4"])
    def test_presigned_urls(self, stubs: Stubs, port: int, version: str) -> None:
        s3 = client("s3", port, signature_version=version)
        url = s3.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "signed & sealed"})
        assert httpx.put(url, content=b"hello").status_code == 200
        caller, params = stubs.calls.pop()
        assert (caller.access_key_id, params["Bucket"], params["Key"]) == ("openrek", "bucket", "signed & sealed")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "signed & sealed"})
        assert httpx.get(url).content == b"hello"
        assert httpx.get(url, headers={"host": "bucket.localhost"}).status_code == 404  # the bucket is a part of the key then


class TestUploads:
    def upload(self, port: int, body: bytes, headers: dict[str, str], path: str = "/bucket/raw") -> httpx.Response:
        return httpx.put(f"http://127.0.0.1:{port}{path}", content=body, headers=headers)

    @pytest.mark.parametrize("chunked", [False, True])
    def test_trailing_checksums(self, stubs: Stubs, port: int, chunked: bool) -> None:
        body = b"3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:" + CHECKSUM.encode() + b"\r\n\r\n"
        headers = {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": "5",
            "x-amz-trailer": "x-amz-checksum-crc32",
            "content-encoding": "aws-chunked",
        }
        content: Any = iter([body[:10], body[10:]]) if chunked else body
        assert self.upload(port, content, headers).status_code == 200
        _, params = stubs.calls.pop()
        assert (stubs.objects["raw"], stubs.trailers, params["Body"].length) == (b"hello", {"x-amz-checksum-crc32": CHECKSUM}, 5)
        assert "ContentEncoding" not in params

    def test_hashes(self, stubs: Stubs, port: int) -> None:
        assert self.upload(port, b"hello", {"x-amz-content-sha256": hashlib.sha256(b"hello").hexdigest()}).status_code == 200
        answer = self.upload(port, b"hullo", {"x-amz-content-sha256": hashlib.sha256(b"hello").hexdigest()})
        assert (answer.status_code, "XAmzContentSHA256Mismatch" in answer.text) == (400, True)

    def test_five_bytes_after_100_continue(self, stubs: Stubs, port: int) -> None:
        with Connection(port) as connection:
            for key in ("first", "second"):
                connection.send(f"PUT /bucket/{key} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode())
                assert connection.head()[0] == 100
                connection.send(b"hello")
                assert connection.answer()[0] == 200
                assert stubs.objects[key] == b"hello"

    def test_a_refusal_instead_of_100_continue(self, port: int) -> None:
        with Connection(port) as connection:
            connection.send(b"PUT /missing/k HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\nExpect: 100-continue\r\n\r\n")
            status, headers, body = connection.answer()
            assert (status, headers["connection"], b"NoSuchBucket" in body) == (404, "close", True)
            assert connection.at_end()

    def test_a_refusal_reaches_a_client_that_is_still_sending(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
        connection.request("PUT", "/missing/k", body=bytes(30_000_000))
        answer = connection.getresponse()
        assert (answer.status, b"NoSuchBucket" in answer.read()) == (404, True)
        connection.close()

    def test_a_large_request_is_refused(self, port: int) -> None:
        headers = {"x-amz-target": "RekognitionService.StartLabelDetection", "content-type": "application/x-amz-json-1.1"}
        answer = httpx.post(f"http://127.0.0.1:{port}/", content=bytes(1_000_001), headers=headers)
        assert (answer.status_code, answer.json()["__type"]) == (413, "RequestEntityTooLargeException")

    def test_an_upload_that_is_cut_off(self, stubs: Stubs, port: int) -> None:
        with Connection(port) as connection:
            connection.send(b"PUT /bucket/cut HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        assert stubs.cut_off.wait(WAIT)
        assert "cut" not in stubs.objects

    def test_virtual_hosts(self, stubs: Stubs, port: int) -> None:
        for host in ("media.localhost", f"media.localhost:{port}", "media.s3.video.example"):
            assert self.upload(port, b"hello", {"host": host}, "/k").status_code == 200
            assert stubs.calls.pop()[1]["Bucket"] == "media"


class TestConnections:
    def test_stay_open_after_errors(self, port: int) -> None:
        with Connection(port) as connection:
            for body in (b"{", b"{}", b'{"QueueUrl": "q"}'):
                connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n")
                connection.send(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                status, headers, _ = connection.answer()
                assert status == (200 if b"q" in body else 400)
                assert "connection" not in headers
            connection.send(b"HEAD /bucket/k HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.head()[1]["content-length"] == str(5 * 10**9)
            connection.send(b"GET /bucket/missing HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.answer()[0] == 404

    def test_a_poll_ends_with_its_client(self, stubs: Stubs, port: int) -> None:
        stubs.polling.clear()
        body = json.dumps({"QueueUrl": "q", "WaitTimeSeconds": 3600}).encode()
        with Connection(port) as connection:
            connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n")
            connection.send(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            assert stubs.polling.wait(WAIT)
        assert stubs.cancelled.wait(WAIT)

    def test_a_download_ends_with_its_client(self, stubs: Stubs, port: int) -> None:
        stubs.objects["large"] = bytes(50_000_000)
        stubs.closed.clear()
        with Connection(port) as connection:
            connection.send(b"GET /bucket/large HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.head()[1]["content-length"] == "50000000"
        assert stubs.closed.wait(WAIT)

    def test_a_client_without_keep_alive(self, port: int) -> None:
        with Connection(port) as connection:
            connection.send(b"GET /bucket/missing HTTP/1.0\r\n\r\n")
            assert connection.answer()[0] == 404
            assert connection.at_end()
