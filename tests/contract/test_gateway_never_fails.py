"""Whatever comes in, the gateway answers with an error of its caller's, never with one of ours."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from asgi_client import Answer, ask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_values import SERVED, TEXT, ModelValues
from test_requests_of_botocore import OPERATIONS, written_by_botocore

from openrek.awsmodel.calls import Caller, Params
from openrek.awsmodel.requests import Request
from openrek.awsmodel.services import Service, load_service
from openrek.wire.gateway import Gateway

V4 = "AWS4-HMAC-SHA256 Credential=AKID/20250101/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=abc"
HOSTILE = [
    None,
    True,
    0,
    -1,
    1.5,
    2**31,
    2**64,
    10**400,
    "",
    "a" * 3000,
    "\ud800",
    "\0",
    [],
    [None],
    [[]],
    {},
    {"": None},
    {"a": {"b": []}},
]
NASTY_BYTES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"{",
    b"[" * 3000,
    b"NaN",
    b"1e999",
    b"-",
    b"<a>",
    b"<!DOCTYPE a>",
    b"&b;",
    b"=&=",
    b"%",
    b"%zz%ff",
    b'"\\ud800"',
    b"9" * 5000,
]


async def accept(_: Caller, params: Params) -> Params:
    for value in params.values():
        if hasattr(value, "__aiter__"):
            async for _piece in value:
                pass
    return {}


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    services = {name: dict.fromkeys(load_service(name).operation_names, accept) for name in SERVED}
    return Gateway(services, account="000000000000", region="us-east-1", request_bytes=100_000)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def send(loop: asyncio.Runner, gateway: Gateway, service: str | None, request: Request) -> Answer:
    headers = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in request.headers.items()]
    headers = [pair for pair in headers if pair[0] not in {b"content-length", b"transfer-encoding"}]
    if service is not None:
        headers.append((b"authorization", V4.format(load_service(service).signing_name).encode()))
    answer = loop.run(ask(gateway, request.method, request.path, request.query, headers, request.content))
    assert answer.complete
    assert 200 <= answer.status < 500 or answer.status == 501, answer
    return answer


def hostile(value: Any, rng: random.Random) -> Any:
    """The value with one of its parts replaced by something that does not belong there."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        return value | {key: hostile(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        position = rng.randrange(len(value))
        return [*value[:position], hostile(value[position], rng), *value[position + 1 :]]
    return rng.choice(HOSTILE)


def broken(data: bytes, rng: random.Random) -> bytes:
    """The bytes with one place cut off, replaced, or filled with rubbish."""
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    rubbish = rng.choice([*NASTY_BYTES, rng.randbytes(3)])
    return rng.choice([data[:start], data[:start] + rubbish + data[start:], data[:start] + rubbish + data[end:], data[:start] + data[end:]])


def shaped(service: Service, operation_name: str, rng: random.Random) -> Request:
    operation = service.operation(operation_name)
    assert operation is not None
    params = ModelValues(rng, empties="json" in service.protocol).structure(operation.input) if operation.input is not None else {}
    return written_by_botocore(service.name, operation_name, params)


@pytest.mark.parametrize(("service_name", "operation_name"), OPERATIONS)
@settings(max_examples=4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(rng=st.randoms(use_true_random=True))
def test_model_shaped_and_broken(
    service_name: str, operation_name: str, rng: random.Random, gateway: Gateway, loop: asyncio.Runner
) -> None:
    service = load_service(service_name)
    request = shaped(service, operation_name, rng)
    send(loop, gateway, service_name, request)
    if service.protocol == "json":
        body = json.dumps(hostile(json.loads(request.content), rng)).encode()
        send(loop, gateway, service_name, Request(request.method, request.path, request.query, request.headers, body))
    send(loop, gateway, service_name, Request(request.method, request.path, request.query, request.headers, broken(request.content, rng)))
    path = broken(request.path.encode(), rng).decode("latin-1")
    send(loop, gateway, rng.choice([service_name, None]), Request(request.method, path, request.query, request.headers, request.content))
    query = broken(request.query.encode(), rng).decode("latin-1")
    send(loop, gateway, rng.choice([service_name, None]), Request(request.method, request.path, query, request.headers, request.content))
    headers = dict(request.headers)
    name = rng.choice(
        [*headers, "x-amz-target", "content-type", "x-amz-content-sha256", "x-amz-trailer", "host", "x-amz-decoded-content-length"]
    )
    headers[name] = broken(headers.get(name, "").encode("latin-1", "replace"), rng).decode("latin-1")
    send(loop, gateway, rng.choice([service_name, None]), Request(request.method, request.path, request.query, headers, request.content))


@settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "QUERY"]),
    path=st.one_of(
        st.sampled_from(["/", "/b", "/b/", "/b/k", "//", "/b//"]), st.text(alphabet="/abc.%2fF?&=\xff ", max_size=12).map("/{}".format)
    ),
    query=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Action",
                    "Version",
                    "acl",
                    "uploads",
                    "uploadId",
                    "partNumber",
                    "x-id",
                    "max-keys",
                    "X-Amz-Credential",
                    "AWSAccessKeyId",
                    "Signature",
                    "%ff",
                    "",
                ]
            ),
            st.sampled_from(["", "Publish", "2010-03-31", "1", "x", "%zz", "%ff", "a/b/c/d/aws4_request", "a/1/b/s3/aws4_request"]),
        ),
        max_size=4,
    ).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
    headers=st.dictionaries(
        st.sampled_from(
            [
                "authorization",
                "x-amz-target",
                "content-type",
                "host",
                "x-amz-content-sha256",
                "x-amz-copy-source",
                "range",
                "expect",
                "x-amz-meta-",
                "x-amz-trailer",
            ]
        ),
        st.one_of(
            st.sampled_from(
                [
                    *(V4.format(name) for name in SERVED),
                    "AWS4-",
                    "AWS a:b",
                    "AWS :",
                    "RekognitionService.StartLabelDetection",
                    "AmazonSQS.",
                    ".",
                    "application/x-www-form-urlencoded",
                    "application/x-amz-json-1.1",
                    "b.localhost:1",
                    ".localhost",
                    "100-continue",
                    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                ]
            ),
            st.text(alphabet=TEXT.replace("\n", "").replace("東京🎬", "\xff"), max_size=20).map(str.strip),
        ),
        max_size=5,
    ),
    body=st.one_of(
        st.sampled_from(NASTY_BYTES),
        st.binary(max_size=60),
        st.sampled_from([b"{}", b"Action=Publish&Version=2010-03-31", b"0\r\n\r\n", b"5\r\nhello"]),
    ),
)
def test_odd(method: str, path: str, query: str, headers: dict[str, str], body: bytes, gateway: Gateway, loop: asyncio.Runner) -> None:
    send(loop, gateway, None, Request(method, path, query, headers, body))
