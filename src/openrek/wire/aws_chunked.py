"""S3's own chunked encoding of uploads, which carries signatures and trailing checksums.

A chunk is its length in hexadecimal, perhaps `;chunk-signature=…`, a line end, the bytes and a line end; after the chunk of length
zero come trailing headers. Signatures are passed over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from openrek.awsmodel.calls import ServiceError

_LONGEST_LINE = 4096
_LONGEST_TRAILER = 64 * 1024


async def decode_chunks(source: AsyncIterator[bytes], trailers: dict[str, str]) -> AsyncIterator[bytes]:
    """Yield the bytes of the chunks, piece by piece as they come.

    Parameters
    ----------
    source
        The encoded body.
    trailers
        Takes the trailing headers, in lower case, when the end has been reached.

    Raises
    ------
    ServiceError
        The body is cut short or is not so encoded.
    """
    reader = _Reader(source)
    while True:
        length = _chunk_length(await reader.line())
        if length == 0:
            break
        async for piece in reader.take(length):
            yield piece
        if await reader.line() != b"":
            raise ServiceError("InvalidRequest", "A chunk of the request body is longer than its announced length.")
    trailers.update(_parse_trailers(await reader.rest(_LONGEST_TRAILER)))


class _Reader:
    """Lines and counted bytes from a stream; holds no more than one of its pieces."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._piece = b""
        self._at = 0

    async def line(self) -> bytes:
        """The bytes up to the next line end, without it."""
        line = b""
        while True:
            end = self._piece.find(b"\n", self._at)
            if end >= 0:
                line += self._piece[self._at : end]
                self._at = end + 1
                return line.removesuffix(b"\r")
            line += self._piece[self._at :]
            if len(line) > _LONGEST_LINE:
                raise ServiceError("InvalidRequest", "The request body is not encoded as its headers say.")
            await self._more()

    async def take(self, count: int) -> AsyncIterator[bytes]:
        """The next `count` bytes."""
        while count:
            if self._at == len(self._piece):
                await self._more()
            piece = self._piece[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    async def rest(self, limit: int) -> bytes:
        """All that follows."""
        rest = self._piece[self._at :]
        async for piece in self._source:
            rest += piece
            if len(rest) > limit:
                raise _malformed_trailer()
        return rest

    async def _more(self) -> None:
        try:
            self._piece = await anext(self._source)
        except StopAsyncIteration:
            raise incomplete_body() from None
        self._at = 0


def incomplete_body() -> ServiceError:
    """The error of an upload that is shorter or longer than announced."""
    return ServiceError("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")


def _chunk_length(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 16 or not all(digit in b"0123456789abcdefABCDEF" for digit in digits):
        raise ServiceError("InvalidRequest", "The request body is not encoded as its headers say.")
    return int(digits, 16)


def _parse_trailers(block: bytes) -> dict[str, str]:
    trailers = {}
    for line in block.splitlines():
        if line.strip():
            name, colon, value = line.partition(b":")
            if not colon:
                raise _malformed_trailer()
            trailers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    return trailers


def _malformed_trailer() -> ServiceError:
    return ServiceError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    )
