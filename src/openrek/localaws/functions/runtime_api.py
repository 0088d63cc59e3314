"""The Runtime API by which functions get their events (Lambda developer guide, "Runtime API for custom runtimes"), and their packages.

/_functions/runtime/SECRET/2018-06-01/runtime/…    each process knows its secret, and nobody else does
/_functions/packages/SHA256.zip                    where `Code.Location` of GetFunction leads
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from openrek.localaws.functions.packages import Packages
from openrek.localaws.functions.sandbox import LARGEST_ANSWER, Sandbox

FOLDER = "/_functions/"
_RUNTIME = re.compile(r"/_functions/runtime/(?P<secret>[\w-]+)/2018-06-01/runtime/(?P<what>.+)", re.ASCII)
_PACKAGE = re.compile(r"/_functions/packages/(?P<sha256>[0-9a-f]{64})\.zip")
_OUTCOME = re.compile(r"invocation/(?P<request_id>[^/]+)/(?P<kind>response|error)")


class RuntimeApi:
    """An ASGI application that answers functions' processes, and leaves all else to another.

    Parameters
    ----------
    app
        Answers all else.
    find
        The sandbox that has this secret.
    packages
        Of all functions.
    """

    def __init__(self, app: ASGIApp, find: Callable[[str], Sandbox | None], packages: Packages) -> None:
        self._app = app
        self._find = find
        self._packages = packages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(FOLDER):
            await self._app(scope, receive, send)
            return
        try:
            response = await self._answer(Request(scope, receive))
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        package = _PACKAGE.fullmatch(request.url.path)
        if package is not None and request.method in ("GET", "HEAD"):
            path = self._packages.path(package["sha256"])
            return FileResponse(path, media_type="application/zip") if path.is_file() else _refusal(404, "There is no such package")
        found = _RUNTIME.fullmatch(request.url.path)
        sandbox = self._find(found["secret"]) if found is not None else None
        if found is None or sandbox is None:
            return _refusal(403, "No function of this server runs under this address")
        what = found["what"]
        if what == "invocation/next" and request.method == "GET":
            return await _next(sandbox)
        if what == "init/error" and request.method == "POST":
            sandbox.fail_start(await request.body())
            return _accepted()
        outcome = _OUTCOME.fullmatch(what)
        if outcome is None or request.method != "POST":
            return _refusal(404, f"There is no {request.method} {what}")
        return await _take(sandbox, request, outcome["request_id"], failed=outcome["kind"] == "error")


async def _next(sandbox: Sandbox) -> Response:
    run = await sandbox.next()
    if run is None:
        return _refusal(403, "Somebody else asks already, or there is nothing more to come")
    invocation = run.invocation
    headers = {
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(run.deadline),
        "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
    }
    if invocation.client_context is not None:
        headers["Lambda-Runtime-Client-Context"] = invocation.client_context
    return Response(invocation.payload, headers=headers, media_type="application/json")


async def _take(sandbox: Sandbox, request: Request, request_id: str, *, failed: bool) -> Response:
    body = bytearray()
    too_large = False
    async for piece in request.stream():
        too_large = too_large or len(body) + len(piece) > LARGEST_ANSWER
        if not too_large:
            body += piece
    if too_large:
        sandbox.answer_too_large(request_id)
        return _refusal(413, f"Exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes).", "RequestEntityTooLarge")
    if sandbox.answer(request_id, bytes(body), failed=failed):
        return _accepted()
    return _refusal(400, "Invalid request ID", "InvalidRequestID")


def _accepted() -> Response:
    return JSONResponse({"status": "OK"}, 202)


def _refusal(status: int, message: str, kind: str = "Runtime.Refused") -> Response:
    return Response(json.dumps({"errorMessage": message, "errorType": kind}), status, media_type="application/json")
