"""Requests to an ASGI application, without a server between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    asked_for_body: bool = False


async def ask(
    app: Any,
    method: str,
    path: str = "/",
    query: str = "",
    headers: list[tuple[bytes, bytes]] | dict[str, str] | None = None,
    body: list[bytes | None] | bytes = b"",
    *,
    gone: asyncio.Event | None = None,
) -> Answer:
    """One request. The body comes in pieces, None is the client hanging up; with `gone` it hangs up when that is set."""
    raw = (
        [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        if not isinstance(headers, list)
        else headers
    )
    pieces: list[bytes | None] = list(body) if isinstance(body, list) else [body]
    names = {name for name, _ in raw}
    if isinstance(body, bytes) and body and not names & {b"content-length", b"transfer-encoding"}:
        raw.append((b"content-length", str(len(body)).encode()))
    if b"host" not in names:
        raw.append((b"host", b"localhost:4599"))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path, "latin-1"),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": raw,
        "server": ("127.0.0.1", 4599),
        "client": ("127.0.0.1", 1),
    }
    answer = Answer()

    async def receive() -> dict[str, Any]:
        answer.asked_for_body = True
        if pieces:
            piece = pieces.pop(0)
            return {"type": "http.disconnect"} if piece is None else {"type": "http.request", "body": piece, "more_body": bool(pieces)}
        if gone is not None:
            await gone.wait()
        elif not answer.complete:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert not answer.status
            answer.status = message["status"]
            assert all(name == name.strip() and b"\n" not in value and b"\r" not in value for name, value in message["headers"])
            answer.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            assert answer.status
            assert not answer.complete
            answer.body += message.get("body", b"")
            answer.complete = not message.get("more_body", False)

    await app(scope, receive, send)
    if answer.complete and method != "HEAD" and answer.status not in {204, 304}:
        assert int(answer.headers["content-length"]) == len(answer.body)
    return answer
