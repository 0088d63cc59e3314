"""The gateway without a server: what each step of its pipeline answers."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
import zlib
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest
from asgi_client import Answer, ask

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.errors import ClientGoneError
from openrek.wire.gateway import Gateway

V4 = "AWS4-HMAC-SHA256 Credential=AKID/20250101/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=abc"
START = {"x-amz-target": "RekognitionService.StartLabelDetection", "content-type": "application/x-amz-json-1.1"}
VIDEO = b'{"Video": {"S3Object": {"Bucket": "bucket", "Name": "v.mp4"}}}'


class Pieces:
    """A reply in pieces that knows whether it was closed."""

    def __init__(self, pieces: list[bytes | Exception]) -> None:
        self.pieces = pieces
        self.length = sum(len(piece) for piece in pieces if isinstance(piece, bytes)) or 1
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for piece in self.pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed = True


def gateway(services: dict[str, dict[str, Any]] | None = None, **settings: Any) -> Gateway:
    operations = {"rekognition": {}, "sqs": {}, "sns": {}, "iam": {}, "sts": {}, "s3": {}} | (services or {})
    return Gateway(operations, **{"account": "000000000000", "region": "us-east-1", "request_bytes": 1000, **settings})


def call(app: Gateway, *arguments: Any, **options: Any) -> Answer:
    return asyncio.run(ask(app, *arguments, **options))


def seen(services: dict[str, str], *arguments: Any, **options: Any) -> tuple[str, Caller, Params]:
    """Which operation a request reaches, and with what."""
    calls: list[tuple[str, Caller, Params]] = []

    def operation(service: str, name: str) -> Any:
        def handle(caller: Caller, params: Params) -> Params:
            calls.append((f"{service}.{name}", caller, params))
            return {}

        return handle

    app = gateway({service: {name: operation(service, name)} for service, name in services.items()})
    answer = call(app, *arguments, **options)
    assert answer.status in {200, 204}, answer.body
    return calls[0]


class TestRouting:
    def test_by_the_scope_of_the_signature_first(self) -> None:
        name, caller, _ = seen(
            {"sts": "GetCallerIdentity", "sns": "Publish"},
            "POST",
            headers={"authorization": V4.format("sts"), "content-type": "application/x-www-form-urlencoded"},
            body=b"Action=GetCallerIdentity&Version=2010-03-31",
        )
        assert name == "sts.GetCallerIdentity"
        assert (caller.account, caller.region, caller.access_key_id) == ("000000000000", "eu-west-1", "AKID")
        assert caller.endpoint == "http://localhost:4599"
        assert caller.principal == "arn:aws:iam::000000000000:root"

    def test_by_the_credential_in_the_query(self) -> None:
        query = "Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=AKID%2F20250101%2Fap-south-1%2Fsts%2Faws4_request&X-Amz-Signature=s"
        name, caller, _ = seen({"sts": "GetCallerIdentity"}, "GET", "/", query)
        assert (name, caller.region) == ("sts.GetCallerIdentity", "ap-south-1")

    def test_by_the_credential_in_the_form(self) -> None:
        body = b"Action=Publish&Message=m&Version=2010-03-31&X-Amz-Credential=AKID%2F20250101%2Fap-south-1%2Fsns%2Faws4_request"
        name, caller, params = seen({"sns": "Publish"}, "POST", headers={"content-type": "application/x-www-form-urlencoded"}, body=body)
        assert (name, caller.region, params) == ("sns.Publish", "ap-south-1", {"Message": "m"})

    def test_signatures_of_version_2_are_s3s(self) -> None:
        name, caller, _ = seen({"s3": "GetObject"}, "GET", "/b/k", "AWSAccessKeyId=AKID&Signature=s&Expires=1")
        assert (name, caller.region, caller.access_key_id) == ("s3.GetObject", "us-east-1", "AKID")

    def test_by_the_target(self) -> None:
        name, caller, params = seen({"rekognition": "StartLabelDetection"}, "POST", headers=START, body=VIDEO)
        assert name == "rekognition.StartLabelDetection"
        assert (caller.region, caller.access_key_id) == ("us-east-1", "")
        assert params == {"Video": {"S3Object": {"Bucket": "bucket", "Name": "v.mp4"}}}

    def test_unsigned_links_of_sns(self) -> None:
        name, _, params = seen({"sns": "Unsubscribe"}, "GET", "/", "Action=Unsubscribe&SubscriptionArn=a%3Ab")
        assert (name, params) == ("sns.Unsubscribe", {"SubscriptionArn": "a:b"})

    @pytest.mark.parametrize(
        ("host", "path", "bucket", "key"),
        [
            ("localhost:4599", "/bucket/a/b", "bucket", "a/b"),
            ("bucket.localhost:4599", "/a/b", "bucket", "a/b"),
            ("bucket.s3.video.example", "/a%20b", "bucket", "a b"),
            ("bucket.localhost", "//a", "bucket", "/a"),
            ("odd/one%2f.localhost", "/a", "odd/one%2f", "a"),
        ],
    )
    def test_the_rest_is_s3s(self, host: str, path: str, bucket: str, key: str) -> None:
        calls: list[Params] = []

        async def get_object(_: Caller, params: Params) -> Params:
            calls.append(params)
            return {}

        app = gateway({"s3": {"GetObject": get_object}}, base_domain="video.example")
        assert call(app, "GET", path, headers={"host": host}).status == 200
        assert calls == [{"Bucket": bucket, "Key": key}]

    @pytest.mark.parametrize("host", ["Localhost:4599", "b.Localhost:4599"])
    def test_the_endpoint_has_no_bucket(self, host: str) -> None:
        _, caller, _ = seen({"s3": "GetObject"}, "GET", "/b/k", headers={"host": host})
        assert caller.endpoint == "http://Localhost:4599"

    def test_metadata_in_a_presigned_url(self) -> None:
        query = "X-Amz-Credential=AKID%2F20250101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=s&x-amz-meta-a=1&x-amz-meta-b=c%20d"
        _, _, params = seen({"s3": "CreateMultipartUpload"}, "POST", "/b/k", f"uploads&{query}", {"x-amz-meta-a": "2"})
        assert params == {"Bucket": "b", "Key": "k", "Metadata": {"a": "2", "b": "c d"}}

    def test_a_service_that_is_not_here(self) -> None:
        answer = call(gateway(), "POST", headers={"authorization": V4.format("kms"), "x-amz-target": "TrentService.Encrypt"})
        assert answer.status == 400
        assert json.loads(answer.body)["__type"] == "UnknownOperationException"
        assert "kms" in json.loads(answer.body)["Message"]
        answer = call(gateway(), "GET", "/", "Action=DescribeInstances&Version=2016-11-15")
        assert b"<ErrorResponse" in answer.body

    def test_sdks_that_speak_the_old_protocol_of_sqs(self) -> None:
        answer = call(
            gateway(),
            "POST",
            headers={"authorization": V4.format("sqs"), "content-type": "application/x-www-form-urlencoded"},
            body=b"Action=ListQueues&Version=2012-11-05",
        )
        assert answer.status == 400
        assert json.loads(answer.body)["message"].startswith("Unknown operation: the request has no header X-Amz-Target")


class TestOperations:
    @pytest.mark.parametrize(
        ("headers", "path", "query", "status", "code"),
        [
            ({"x-amz-target": "RekognitionService.Nonsense"}, "/", "", 400, "UnknownOperationException"),
            ({"x-amz-target": "RekognitionService.DetectFaces"}, "/", "", 400, "UnknownOperationException"),
            ({"x-amz-target": "AmazonSQS.SendMessage"}, "/", "", 400, "UnknownOperationException"),
            ({}, "/", "Action=Nonsense&Version=2010-03-31", 400, "InvalidAction"),
            ({}, "/", "Action=Publish&Version=2010-03-31", 400, "InvalidAction"),
            ({"authorization": V4.format("s3")}, "/b/k", "", 501, "NotImplemented"),
        ],
    )
    def test_unknown_or_not_there_yet(self, headers: dict[str, str], path: str, query: str, status: int, code: str) -> None:
        answer = call(gateway(), "POST", path, query, headers)
        assert answer.status == status
        assert code in answer.body.decode()
        if "x-amz-target" in headers:
            assert headers["x-amz-target"].rpartition(".")[2] in answer.body.decode()

    def test_an_operation_that_the_model_does_not_have_is_a_mistake_of_ours(self) -> None:
        with pytest.raises(LookupError, match="Nonsense"):
            gateway({"rekognition": {"Nonsense": print}})

    def test_plain_functions_run_in_threads_and_coroutines_do_not(self) -> None:
        threads = []

        def plain(_: Caller, params: Params) -> Params:
            threads.append(threading.current_thread())
            return {"JobId": "a"}

        async def coroutine(_: Caller, params: Params) -> Params:
            threads.append(threading.current_thread())
            return {"JobId": "a"}

        class Callable:
            async def __call__(self, _: Caller, params: Params) -> Params:
                return await coroutine(_, params)

        def wrapped(caller: Caller, params: Params) -> Any:
            return coroutine(caller, params)

        for operation in (plain, coroutine, Callable(), wrapped):
            assert (
                call(gateway({"rekognition": {"StartLabelDetection": operation}}), "POST", headers=START, body=VIDEO).body
                == b'{"JobId":"a"}'
            )
        assert [thread is threading.main_thread() for thread in threads] == [False, True, True, True]

    def test_slow_functions_do_not_hold_up_polls(self) -> None:
        release = threading.Event()

        def slow(_: Caller, params: Params) -> Params:
            release.wait(60)
            return {}

        async def poll(_: Caller, params: Params) -> Params:
            return {}

        async def both() -> list[int]:
            app = gateway({"rekognition": {"StartLabelDetection": slow}, "sqs": {"ReceiveMessage": poll}}, threads=1)
            first = [asyncio.create_task(ask(app, "POST", "/", "", dict(START), VIDEO)) for _ in range(3)]
            answer = await ask(app, "POST", "/", "", {"x-amz-target": "AmazonSQS.ReceiveMessage"}, b'{"QueueUrl": "q"}')
            release.set()
            return [answer.status, *(one.status for one in await asyncio.gather(*first))]

        assert asyncio.run(both()) == [200] * 4


class TestErrors:
    def test_of_an_operation(self) -> None:
        def refuse(_: Caller, params: Params) -> Params:
            raise ServiceError("VideoTooLargeException", "Video size in bytes: 2 is more than the maximum limit of: 1 bytes.")

        answer = call(gateway({"rekognition": {"StartLabelDetection": refuse}}), "POST", headers=START, body=VIDEO)
        body = json.loads(answer.body)
        assert answer.status == 400
        assert answer.headers["x-amzn-errortype"] == "VideoTooLargeException"
        assert answer.headers["x-amzn-requestid"] == body["Logref"]
        assert body["Message"] == "Video size in bytes: 2 is more than the maximum limit of: 1 bytes."

    def test_of_a_constraint(self) -> None:
        def never(_: Caller, params: Params) -> Params:
            raise AssertionError("the operation is not reached")

        app = gateway({"rekognition": {"GetLabelDetection": never}})
        answer = call(
            app, "POST", headers={"x-amz-target": "RekognitionService.GetLabelDetection"}, body=b'{"JobId": "a", "MaxResults": 0}'
        )
        assert (answer.status, json.loads(answer.body)["__type"], json.loads(answer.body)["Message"]) == (
            400,
            "ValidationException",
            "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1",
        )

    @pytest.mark.allows_errors
    @pytest.mark.parametrize("result", [RuntimeError("the secret"), {"Nonsense": 1}, {"JobId": 1}, 7, [("a", 1)]])
    def test_our_own_are_logged_and_tell_nothing(self, result: Any, caplog: pytest.LogCaptureFixture) -> None:
        def fail(_: Caller, params: Params) -> Params:
            if isinstance(result, Exception):
                raise result
            return result

        with caplog.at_level(logging.ERROR):
            answer = call(gateway({"rekognition": {"StartLabelDetection": fail}}), "POST", headers=START, body=VIDEO)
        body = json.loads(answer.body)
        assert (answer.status, body["__type"], body["Message"]) == (
            500,
            "InternalServerError",
            "We encountered an internal error. Please try again.",
        )
        (record,) = caplog.records
        assert body["Logref"] in record.getMessage()
        assert record.exc_info is not None

    @pytest.mark.allows_errors
    def test_an_error_that_cannot_be_written_is_ours(self) -> None:
        def fail(_: Caller, params: Params) -> Params:
            raise ServiceError("Unmodelled", details={"a": object()})

        answer = call(gateway({"rekognition": {"StartLabelDetection": fail}}), "POST", headers=START, body=VIDEO)
        assert (answer.status, json.loads(answer.body)["__type"]) == (500, "InternalServerError")

    def test_of_s3(self) -> None:
        def missing(_: Caller, params: Params) -> Params:
            raise ServiceError("NoSuchKey", "The specified key does not exist.", details={"Key": params["Key"]})

        app = gateway({"s3": {"GetObject": missing, "HeadObject": missing}})
        answer = call(app, "GET", "/b/a%26b")
        tree = ElementTree.fromstring(answer.body)
        assert answer.status == 404
        assert {element.tag: element.text for element in tree} == {
            "Code": "NoSuchKey",
            "Message": "The specified key does not exist.",
            "Key": "a&b",
            "Resource": "/b/a%26b",
            "RequestId": answer.headers["x-amz-request-id"],
            "HostId": answer.headers["x-amz-id-2"],
        }
        answer = call(app, "HEAD", "/b/k")
        assert (answer.status, answer.body, answer.complete) == (404, b"", True)


class TestBodies:
    def test_over_the_limit_nothing_is_read(self) -> None:
        answer = call(
            gateway({"rekognition": {"StartLabelDetection": print}}),
            "POST",
            headers={**START, "content-length": "1001", "expect": "100-continue"},
        )
        assert (answer.status, json.loads(answer.body)["__type"]) == (413, "RequestEntityTooLargeException")
        assert not answer.asked_for_body
        assert answer.headers["connection"] == "close"

    def test_over_the_limit_in_pieces(self) -> None:
        pieces: list[bytes | None] = [b" " * 400] * 5
        answer = call(
            gateway({"rekognition": {"StartLabelDetection": print}}), "POST", headers={**START, "transfer-encoding": "chunked"}, body=pieces
        )
        assert (answer.status, answer.headers["connection"]) == (413, "close")

    def test_a_document_over_the_limit(self) -> None:
        answer = call(gateway({"s3": {"DeleteObjects": print}}), "POST", "/b", "delete", body=b" " * 1001)
        assert answer.status == 400
        assert b"<Code>MaxMessageLengthExceeded</Code>" in answer.body

    def test_an_upload_has_no_limit_and_is_not_gathered(self) -> None:
        received = []

        async def put_object(_: Caller, params: Params) -> Params:
            assert params["Body"].length == 5000
            received.extend([len(piece) async for piece in params["Body"]])
            return {}

        answer = call(gateway({"s3": {"PutObject": put_object}}), "PUT", "/b/k", headers={"content-length": "5000"}, body=[b"x" * 1000] * 5)
        assert (answer.status, received) == (200, [1000] * 5)
        assert "connection" not in answer.headers

    def test_a_refused_upload_is_not_taken_for_the_next_request(self) -> None:
        async def put_object(_: Caller, params: Params) -> Params:
            raise ServiceError("NoSuchBucket", "The specified bucket does not exist")

        app = gateway({"s3": {"PutObject": put_object}})
        answer = call(app, "PUT", "/b/k", headers={"content-length": "5000"}, body=[b"x" * 1000] * 5)
        assert (answer.status, answer.headers["connection"], answer.asked_for_body) == (404, "close", True)
        answer = call(app, "PUT", "/b/k", headers={"content-length": "5000", "expect": "100-continue"}, body=[b"x" * 1000] * 5)
        assert (answer.status, answer.headers["connection"], answer.asked_for_body) == (404, "close", False)
        answer = call(app, "PUT", "/b/k", headers={"content-length": "5000"}, body=[b"x", None])
        assert (answer.status, answer.complete) == (404, True)

    def test_an_upload_whose_client_hangs_up(self) -> None:
        seen = []

        async def put_object(_: Caller, params: Params) -> Params:
            try:
                return {"ETag": str(len([piece async for piece in params["Body"]]))}
            except ClientGoneError as error:
                seen.append(error)
                raise

        answer = call(gateway({"s3": {"PutObject": put_object}}), "PUT", "/b/k", headers={"content-length": "5"}, body=[b"hel", None])
        assert (answer.status, len(seen)) == (0, 1)

    def test_a_document_in_the_form_of_an_upload(self) -> None:
        document = b"<Delete><Object><Key>k</Key></Object></Delete>"
        checksum = base64.b64encode(zlib.crc32(document).to_bytes(4, "big"))
        body = b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % (len(document), document, checksum)
        headers = {
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "x-amz-decoded-content-length": str(len(document)),
            "content-encoding": "aws-chunked",
        }
        calls: list[Params] = []
        app = gateway({"s3": {"DeleteObjects": lambda _, params: calls.append(params)}})
        assert call(app, "POST", "/b", "delete", headers, body).status == 200
        assert calls == [{"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}]}}]
        assert b"BadDigest" in call(app, "POST", "/b", "delete", headers, body.replace(b">k<", b">l<")).body

    def test_lengths_and_encodings_are_the_objects(self) -> None:
        body = b"5\r\nhello\r\n0\r\n\r\n"
        headers = {
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "x-amz-decoded-content-length": "5",
            "content-encoding": "aws-chunked,gzip",
        }
        _, _, params = seen({"s3": "PutObject"}, "PUT", "/b/k", "", headers, body)
        assert (params["ContentLength"], params["ContentEncoding"]) == (5, "gzip")


class TestReplies:
    def test_a_stream(self) -> None:
        body = Pieces([b"ab", b"", b"c"])
        app = gateway({"s3": {"GetObject": lambda _, params: {"Body": body, "ContentLength": 3, "ContentRange": "bytes 0-2/9"}}})
        answer = call(app, "GET", "/b/k")
        assert (answer.status, answer.body, answer.complete, body.closed) == (206, b"abc", True, True)
        assert answer.headers["content-range"] == "bytes 0-2/9"

    def test_head(self) -> None:
        answer = call(gateway({"s3": {"HeadObject": lambda _, params: {"ContentLength": 12345}}}), "HEAD", "/b/k")
        assert (answer.status, answer.headers["content-length"], answer.body, answer.complete) == (200, "12345", b"", True)

    def test_no_content(self) -> None:
        answer = call(gateway({"s3": {"DeleteObject": lambda _, params: None}}), "DELETE", "/b/k")
        assert (answer.status, answer.body, answer.complete) == (204, b"", True)
        assert "content-length" not in answer.headers

    def test_not_modified(self) -> None:
        def unchanged(_: Caller, params: Params) -> Params:
            raise ServiceError("NotModified", status=304, headers={"ETag": '"e"'})

        answer = call(gateway({"s3": {"GetObject": unchanged}}), "GET", "/b/k")
        assert (answer.status, answer.headers["etag"], answer.body) == (304, '"e"', b"")
        assert "content-type" not in answer.headers

    @pytest.mark.allows_errors
    def test_a_stream_that_breaks_off_does_not_end(self) -> None:
        body = Pieces([b"ab", OSError("disk")])
        answer = call(gateway({"s3": {"GetObject": lambda _, params: {"Body": body}}}), "GET", "/b/k")
        assert (answer.status, answer.body, answer.complete, body.closed) == (200, b"ab", False, True)

    def test_a_stream_whose_client_hangs_up_is_closed(self) -> None:
        class Endless(Pieces):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                try:
                    while True:
                        await asyncio.sleep(0)
                        yield b"x"
                        gone.set()
                finally:
                    self.closed = True

        gone = asyncio.Event()
        body = Endless([b"x"])
        answer = call(gateway({"s3": {"GetObject": lambda _, params: {"Body": body}}}), "GET", "/b/k", gone=gone)
        assert (answer.complete, body.closed) == (False, True)

    def test_header_injection(self) -> None:
        app = gateway({"s3": {"GetObject": lambda _, params: {"ContentDisposition": params["ResponseContentDisposition"]}}})
        answer = call(app, "GET", "/b/k", "response-content-disposition=a%0d%0aX-Evil:+1")
        assert answer.status == 400
        assert b"InvalidArgument" in answer.body


class TestHangingUp:
    def test_cancels_a_poll(self) -> None:
        events = []

        async def poll(_: Caller, params: Params) -> Params:
            try:
                gone.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                events.append("cancelled")
                raise
            return {}

        gone = asyncio.Event()
        app = gateway({"sqs": {"ReceiveMessage": poll}})
        answer = call(app, "POST", headers={"x-amz-target": "AmazonSQS.ReceiveMessage"}, body=b'{"QueueUrl": "q"}', gone=gone)
        assert (answer.status, events) == (0, ["cancelled"])

    def test_leaves_what_has_finished(self) -> None:
        async def finish(_: Caller, params: Params) -> Params:
            gone.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return {"JobId": "a"}
            return {}

        gone = asyncio.Event()
        answer = call(gateway({"rekognition": {"StartLabelDetection": finish}}), "POST", headers=START, body=VIDEO, gone=gone)
        assert answer.body == b'{"JobId":"a"}'


def test_other_protocols_are_none_of_ours() -> None:
    async def nothing(*_: Any) -> Any:
        raise AssertionError

    with pytest.raises(NotImplementedError, match="websocket"):
        asyncio.run(gateway()({"type": "websocket"}, nothing, nothing))
