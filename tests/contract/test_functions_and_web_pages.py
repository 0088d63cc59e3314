"""No page that somebody looks at in a browser can run code through the embedded Lambda."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from asgi_client import Answer, ask
from local_application import LocalApplication

ROLE = "arn:aws:iam::000000000000:role/role"
# What a page can send without asking first: nothing but a query, a plain type and a body.
SCOPE = "X-Amz-Credential=any/20250101/us-east-1/lambda/aws4_request"
MADE: dict[str, Any] = {"FunctionName": "function", "Runtime": "python3.12", "Role": ROLE, "Handler": "code.handler"}
EMPTY_ZIP = b"PK\5\6" + bytes(18)


def post(application: LocalApplication, path: str, body: dict[str, Any], **headers: str) -> Answer:
    content = json.dumps(body).encode()
    given = {"content-type": "text/plain", **headers}
    return application.runner.run(ask(application.application.gateway, "POST", f"/2015-03-31/functions{path}", SCOPE, given, content))


@pytest.mark.parametrize("origin", ["https://page.example", "http://localhost:4599", "null", ""])
def test_what_a_page_asks_is_refused(application: LocalApplication, origin: str) -> None:
    body = MADE | {"Code": {"ZipFile": base64.b64encode(EMPTY_ZIP).decode()}}
    for path in ("", "/function/invocations"):
        answer = post(application, path, body, origin=origin)
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
        assert "does not answer web pages" in answer.body.decode()
    assert b"non-empty zip" in post(application, "", body).body  # a program gets as far as the package


def test_pages_may_ask_other_services(application: LocalApplication) -> None:
    scope = SCOPE.replace("lambda", "s3")
    answer = application.runner.run(ask(application.application.gateway, "GET", "/", scope, {"origin": "https://page.example"}))
    assert answer.status == 200
