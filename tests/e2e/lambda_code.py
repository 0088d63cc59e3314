"""Functions for tests: made, invoked, waited for."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from real_server import PATIENCE, ROLE, Server

T = TypeVar("T")


def zipped(files: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def create(server: Server, name: str, code: str, handler: str = "code_of.handler", **params: Any) -> str:
    """A new function; its ARN."""
    made = server.client("lambda").create_function(
        **{"FunctionName": name, "Runtime": "python3.12", "Role": ROLE, "Handler": handler, "Timeout": 60, "MemorySize": 512} | params,
        Code={"ZipFile": zipped({"code_of.py": code})},
    )
    return str(made["FunctionArn"])


def invoke(server: Server, name: str, event: Any = None, **params: Any) -> tuple[Any, str | None]:
    """What a function returns, or its error; and what `FunctionError` says."""
    answer = server.client("lambda", read_timeout=PATIENCE).invoke(FunctionName=name, Payload=json.dumps(event), **params)
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def log_lines(server: Server, name: str) -> list[str]:
    logs = server.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]:
        return []
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
    return [event["message"].rstrip("\n") for page in pages for event in page["events"]]


def eventually(look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """What `look` finds, once it finds something."""
    until = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < until, what
        time.sleep(0.1)
    return found
