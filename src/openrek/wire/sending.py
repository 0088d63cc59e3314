"""Replies onto an ASGI server, with an end that a client can read even while it is still sending."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from starlette.types import Send

from openrek.awsmodel.calls import Download
from openrek.awsmodel.replies import Reply
from openrek.errors import ClientGoneError
from openrek.wire.bodies import BodyStream
from openrek.wire.exchange import Exchange

_log = logging.getLogger(__name__)

_WITHOUT_BODY = frozenset({204, 304})
_LINGER_SECONDS = 5.0
_LINGER_BYTES = 64 * 1024 * 1024


async def send_reply(reply: Reply, exchange: Exchange, send: Send) -> None:
    """Send a reply.

    Raises
    ------
    ClientGoneError
        The client hung up before the end of a streamed body.
    """
    stream = exchange.stream
    unread = not stream.complete
    await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply, exchange, close=unread)})
    if exchange.request.method != "HEAD" and reply.status not in _WITHOUT_BODY:
        if isinstance(reply.body, bytes):
            await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        elif not await _send_pieces(reply.body, exchange, send):
            return
    if unread and (stream.started or "expect" not in exchange.request.headers):
        await _linger(stream)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(reply: Reply, exchange: Exchange, *, close: bool) -> list[tuple[bytes, bytes]]:
    headers = list(reply.headers)
    told = any(name.lower() == "content-length" for name, _ in headers)
    if reply.status in _WITHOUT_BODY:
        headers = [pair for pair in headers if pair[0].lower() != "content-length"]
    elif not (told and exchange.request.method == "HEAD"):
        length = len(reply.body) if isinstance(reply.body, bytes) else reply.body.length
        headers = [pair for pair in headers if pair[0].lower() != "content-length"] + [("Content-Length", str(length))]
    if close:
        # Bytes that nobody reads would be taken for the next request.
        headers.append(("Connection", "close"))
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _send_pieces(body: Download, exchange: Exchange, send: Send) -> bool:
    """Send a streamed body; False if it broke off, and the connection must end so that the client knows."""
    gone = asyncio.ensure_future(exchange.stream.disconnected()) if exchange.stream.complete else None
    try:
        async with contextlib.aclosing(_pieces(body)) as pieces:
            async for piece in pieces:
                if gone is not None and gone.done():
                    raise ClientGoneError
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    except ClientGoneError:
        raise
    except Exception:
        _log.exception("request %s: its reply broke off", exchange.request_id)
        return False
    finally:
        if gone is not None:
            gone.cancel()
    return True


async def _pieces(body: Download) -> AsyncGenerator[bytes, None]:
    """The body's pieces; its own iterator is closed with this one, not whenever it is collected."""
    iterator = aiter(body)
    try:
        async for piece in iterator:
            yield piece
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def _linger(stream: BodyStream) -> None:
    """Read on for a while after an early reply: a connection closed on unread bytes is reset, and the reply may be lost."""
    until = stream.received + _LINGER_BYTES
    with contextlib.suppress(ClientGoneError, TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            async for _ in stream:
                if stream.received > until:
                    return
