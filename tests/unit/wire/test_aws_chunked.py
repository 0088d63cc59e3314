from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrek.awsmodel.calls import ServiceError
from openrek.wire.aws_chunked import decode_chunks

SIGNATURE = b";chunk-signature=" + b"a" * 64


async def pieces_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def decode(data: bytes, size: int = 7) -> tuple[bytes, dict[str, str], int]:
    """The decoded bytes, the trailers, and the longest piece."""

    async def run() -> tuple[bytes, dict[str, str], int]:
        trailers: dict[str, str] = {}
        pieces = [piece async for piece in decode_chunks(pieces_of(data, size), trailers)]
        return b"".join(pieces), trailers, max(map(len, pieces), default=0)

    return asyncio.run(run())


def encode(chunks: list[bytes], signature: bytes = b"", trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x" % len(chunk) + signature + b"\r\n" + chunk + b"\r\n" for chunk in chunks)
    return body + b"0" + signature + b"\r\n" + trailers + b"\r\n"


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=5),
    size=st.integers(1, 400),
    signature=st.sampled_from([b"", SIGNATURE]),
    trailers=st.sampled_from(
        [{}, {"x-amz-checksum-crc32": "NhCmhg=="}, {"x-amz-checksum-crc32": "NhCmhg==", "x-amz-trailer-signature": "b" * 64}]
    ),
)
def test_any_cut_gives_the_same_bytes(chunks: list[bytes], size: int, signature: bytes, trailers: dict[str, str]) -> None:
    block = b"".join(f"{name}:{value}\r\n".encode() for name, value in trailers.items())
    data, found, longest = decode(encode(chunks, signature, block), size)
    assert data == b"".join(chunks)
    assert found == trailers
    assert longest <= size


def test_line_ends_of_other_clients() -> None:
    assert decode(b"5\r\nhello\r\n0\r\nX-Amz-Checksum-Crc32: NhCmhg==\n\r\nx-amz-trailer-signature:b\r\n\r\n") == (
        b"hello",
        {"x-amz-checksum-crc32": "NhCmhg==", "x-amz-trailer-signature": "b"},
        4,
    )
    assert decode(b"5\nhello\n0\n\n")[0] == b"hello"
    assert decode(b"000005\r\nhello\r\n0\r\n")[0] == b"hello"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "IncompleteBody"),
        (b"5", "IncompleteBody"),
        (b"5\r\nhel", "IncompleteBody"),
        (b"5\r\nhello", "IncompleteBody"),
        (b"5\r\nhello\r\n", "IncompleteBody"),
        (b"3\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"-5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"5_0\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"\r\nhello", "InvalidRequest"),
        (b"hello, this is no chunk at all", "IncompleteBody"),
        (b"f" * 17 + b"\r\n", "InvalidRequest"),
        (b"a" * 100_000, "InvalidRequest"),
        (b"0\r\nno colon here\r\n\r\n", "MalformedTrailerError"),
        (b"0\r\na:" + b"b" * 100_000 + b"\r\n\r\n", "MalformedTrailerError"),
    ],
)
def test_what_is_not_so_encoded_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        decode(data, 65536)
    assert caught.value.code == code
