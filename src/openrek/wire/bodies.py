"""Request bodies from an ASGI server: as a stream, and as a whole within a limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from starlette.types import Receive

from openrek.awsmodel.calls import ServiceError
from openrek.errors import ClientGoneError


class BodyStream:
    """The bytes of a request's body as they come; each is read once.

    Attributes
    ----------
    expected
        Bytes that the request announces; None if it is chunked.
    received
        Bytes that have come so far.
    complete
        Whether the end has been reached.
    started
        Whether anything has been asked for: a client that waits for "100 Continue" has then got it.
    """

    def __init__(self, receive: Receive, headers: Mapping[str, str]) -> None:
        self._receive = receive
        length = headers.get("content-length")
        chunked = "transfer-encoding" in headers
        self.expected: int | None = None if chunked else int(length) if length and length.isdecimal() else 0
        self.received = 0
        self.complete = self.expected == 0
        self.started = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield pieces until the end.

        Raises
        ------
        ClientGoneError
            The client hung up before.
        """
        while not self.complete:
            self.started = True
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            self.complete = not message.get("more_body", False)
            piece = message.get("body", b"")
            self.received += len(piece)
            if piece:
                yield piece

    async def disconnected(self) -> None:
        """Return when the client has hung up; meant for after the end of the body."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def read_whole(pieces: AsyncIterator[bytes], expected: int | None, limit: int, too_large: ServiceError) -> bytes:
    """All of a body.

    Parameters
    ----------
    expected
        Bytes that it announces, if it does: over the limit nothing is read.

    Raises
    ------
    ServiceError
        `too_large`: there is more than `limit`.
    ClientGoneError
        The client hung up.
    """
    if expected is not None and expected > limit:
        raise too_large
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > limit:
            raise too_large
    return bytes(body)


def header_map(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined by commas. They are Latin-1, so that any bytes come back as they went."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    return headers
