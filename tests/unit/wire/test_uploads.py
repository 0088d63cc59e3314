from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.errors import ClientGoneError
from openrek.wire.bodies import BodyStream, header_map, read_whole
from openrek.wire.uploads import StreamedUpload, without_transfer_form

HELLO = hashlib.sha256(b"hello").hexdigest()
CHUNKED = b"3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"


def stream(pieces: list[bytes | None], headers: dict[str, str]) -> BodyStream:
    """A body that comes in these pieces; None is the client hanging up."""
    messages: list[dict[str, Any]] = [
        {"type": "http.disconnect"} if piece is None else {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return BodyStream(receive, headers)


def upload(pieces: list[bytes | None], headers: dict[str, str]) -> tuple[bytes, StreamedUpload]:
    async def run() -> tuple[bytes, StreamedUpload]:
        body = StreamedUpload(stream(pieces, headers), headers)
        return b"".join([piece async for piece in body]), body

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("form", "data", "more"),
    [
        ("UNSIGNED-PAYLOAD", b"hello", {}),
        (HELLO, b"hello", {}),
        (HELLO.upper(), b"hello", {}),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", CHUNKED, {}),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", CHUNKED, {"x-amz-trailer": "x-amz-checksum-crc32"}),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", CHUNKED, {"x-amz-trailer": "X-Amz-Checksum-CRC32"}),
    ],
)
@pytest.mark.parametrize("transfer", ["length", "chunked"])
def test_every_form(form: str, data: bytes, more: dict[str, str], transfer: str) -> None:
    headers = {"x-amz-content-sha256": form, **more}
    headers |= {"content-length": str(len(data))} if transfer == "length" else {"transfer-encoding": "chunked"}
    if data is CHUNKED:
        headers["x-amz-decoded-content-length"] = "5"
    received, body = upload([data[:4], b"", data[4:]], headers)
    assert received == b"hello"
    assert body.length == (5 if data is CHUNKED or transfer == "length" else None)
    assert body.trailers == ({"x-amz-checksum-crc32": "NhCmhg=="} if data is CHUNKED else {})


@pytest.mark.parametrize(
    ("data", "headers", "code"),
    [
        (b"hullo", {"x-amz-content-sha256": HELLO, "content-length": "5"}, "XAmzContentSHA256Mismatch"),
        (b"hell", {"content-length": "5"}, "IncompleteBody"),
        (
            CHUNKED,
            {
                "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                "x-amz-decoded-content-length": "6",
                "transfer-encoding": "chunked",
            },
            "IncompleteBody",
        ),
        (
            CHUNKED,
            {
                "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                "x-amz-decoded-content-length": "4",
                "transfer-encoding": "chunked",
            },
            "IncompleteBody",
        ),
        (
            CHUNKED,
            {
                "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                "x-amz-decoded-content-length": "x",
                "transfer-encoding": "chunked",
            },
            "InvalidArgument",
        ),
        (
            CHUNKED,
            {
                "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                "x-amz-trailer": "x-amz-checksum-sha1",
                "transfer-encoding": "chunked",
            },
            "MalformedTrailerError",
        ),
        (b"hello", {"x-amz-content-sha256": "nonsense", "content-length": "5"}, "InvalidArgument"),
        (b"hello", {"x-amz-content-sha256": "STREAMING-NONSENSE", "content-length": "5"}, "InvalidArgument"),
        (b"hello", {"x-amz-content-sha256": "", "content-length": "5"}, "InvalidArgument"),
    ],
)
def test_what_does_not_agree_is_refused(data: bytes, headers: dict[str, str], code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        upload([data], headers)
    assert caught.value.code == code


def test_a_client_that_hangs_up() -> None:
    with pytest.raises(ClientGoneError):
        upload([b"hel", None], {"content-length": "5"})


def test_no_body_is_an_empty_one() -> None:
    received, body = upload([], {})
    assert (received, body.length) == (b"", 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"content-encoding": "aws-chunked", "content-length": "99"}, {"content-length": "5"}),
        ({"content-encoding": "aws-chunked,gzip"}, {"content-encoding": "gzip", "content-length": "5"}),
        ({"content-encoding": "gzip, AWS-chunked, br"}, {"content-encoding": "gzip,br", "content-length": "5"}),
        ({"content-encoding": ""}, {"content-length": "5"}),
    ],
)
def test_the_transfer_form_is_not_the_objects(before: dict[str, str], after: dict[str, str]) -> None:
    assert without_transfer_form(before, 5) == after
    assert "content-length" not in without_transfer_form(before, None)


def test_repeated_headers_are_joined() -> None:
    assert header_map([(b"A", b" b "), (b"a", b"\xff")]) == {"a": "b,\xff"}


def test_a_large_body_is_refused_unread() -> None:
    too_large = ServiceError("TooLarge")

    async def read(pieces: list[bytes | None], headers: dict[str, str]) -> bytes:
        body = stream(pieces, headers)
        return await read_whole(aiter(body), body.expected, 5, too_large)

    assert asyncio.run(read([b"he", b"llo"], {"content-length": "5"})) == b"hello"
    for pieces, headers in (([], {"content-length": "6"}), ([b"hel", b"lo!", None], {"transfer-encoding": "chunked"})):
        with pytest.raises(ServiceError) as caught:
            asyncio.run(read(pieces, headers))
        assert caught.value is too_large
