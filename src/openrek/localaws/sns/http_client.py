"""One POST at a time, cancelled at any moment: all that delivering to HTTP endpoints needs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Mapping
from functools import cache
from urllib.parse import quote, unquote, urlsplit

import h11

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
_READ_BYTES = 65_536
_READABLE = "/?:@!$&'()*+,;=-._~%"


class PostError(Exception):
    """There was no answer; the message says why."""


async def post(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Post to an address and return the status of the answer. Redirections are not followed.

    Raises
    ------
    PostError
        Nobody is there, the answer takes too long, or is none.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    try:
        request = _request(url, headers, len(body))
    except (h11.LocalProtocolError, UnicodeError) as error:
        raise PostError(f"cannot be asked over HTTP: {error}") from error
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=_trust() if secure else None)
    except (OSError, UnicodeError) as error:
        raise PostError(f"cannot connect: {str(error) or type(error).__name__}") from error
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await _exchange(reader, writer, request, body)
    except (OSError, h11.ProtocolError) as error:
        raise PostError(f"no answer: {str(error) or type(error).__name__}") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def without_password(url: str) -> str:
    """An address as it may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _request(url: str, headers: Mapping[str, str], length: int) -> h11.Request:
    parts = urlsplit(url)
    account, _, host = parts.netloc.rpartition("@")
    fields = {"Host": host, "Content-Length": str(length), "Connection": "close", **headers}
    if account:
        fields["Authorization"] = f"Basic {base64.b64encode(unquote(account).encode()).decode()}"
    target = quote(parts.path or "/", safe=_READABLE) + (f"?{quote(parts.query, safe=_READABLE)}" if parts.query else "")
    return h11.Request(method="POST", target=target, headers=list(fields.items()))


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes) -> int:
    connection = h11.Connection(h11.CLIENT)
    for sent in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(connection.send(sent) or b"")
    await writer.drain()
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif not isinstance(event, h11.InformationalResponse):
            raise h11.RemoteProtocolError("the connection was closed")


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()
