"""Every operation's reply, and every error, is read by botocore's own parsers as what went in."""

from __future__ import annotations

import random
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_values import SERVED, ModelValues

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.errors import error_reply
from openrek.awsmodel.replies import Reply
from openrek.awsmodel.serialise import serialise
from openrek.awsmodel.services import load_service

MODELS = {name: ServiceModel(Loader().load_service_model(name, "service-2"), name) for name in SERVED}
STREAMS = {"SelectObjectContent", "InvokeWithResponseStream", "StartLiveTail", "GetLogObject"}
AMBIGUOUS = {
    "GetBucketLocation",  # read by a handler of the client, not by the parser
    "GetBucketNotification",  # deprecated: two members have one element name
}
OPERATIONS = [(name, operation) for name in SERVED for operation in MODELS[name].operation_names if operation not in STREAMS | AMBIGUOUS]
ERRORS = [(name, error) for name in SERVED for error in sorted(load_service(name).errors)]


def read_by_botocore(service: str, reply: Reply, shape: Any) -> dict[str, Any]:
    assert isinstance(reply.body, bytes)
    response = {
        "status_code": reply.status,
        "headers": HeadersDict(reply.headers),
        "body": reply.body,
        "context": {"operation_name": "Operation"},
    }
    parsed: dict[str, Any] = create_parser(MODELS[service].metadata["protocol"]).parse(response, shape)
    return parsed


@pytest.mark.parametrize(("service_name", "operation_name"), OPERATIONS)
@settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(rng=st.randoms(use_true_random=True))
def test_reply_survives(service_name: str, operation_name: str, rng: random.Random) -> None:
    service = load_service(service_name)
    operation = service.operation(operation_name)
    assert operation is not None
    result = ModelValues(rng, empties="json" in service.protocol).structure(operation.output) if operation.output is not None else {}

    body = operation.output.payload if operation.output is not None else None
    if body is not None and isinstance(result.get(body), bytes):
        result[body] = b"some text"  # the parser alone decodes it; the client puts a stream there

    reply = serialise(service, operation, result, "the-request")
    parsed = read_by_botocore(service_name, reply, MODELS[service_name].operation_model(operation_name).output_shape)

    metadata = parsed.pop("ResponseMetadata")
    assert metadata["RequestId"] == "the-request"
    for name, member in operation.output.members.items() if operation.output is not None else ():
        if name not in result:
            empty = parsed.pop(name, None)
            assert member.location is not None or empty in ({}, [], b"", "", None)
    if body is not None and isinstance(result.get(body), bytes):
        parsed[body] = parsed[body].encode()
    assert parsed == result


@pytest.mark.parametrize(("service_name", "code"), ERRORS)
def test_error_survives(service_name: str, code: str) -> None:
    service = load_service(service_name)
    shape = service.errors[code]

    reply = error_reply(service, ServiceError(code, "It's <so> & ünfortunate.", status=400), "the-request", "/some/where")
    parsed = read_by_botocore(service_name, reply, None)

    assert parsed["Error"]["Message"] == "It's <so> & ünfortunate."
    assert parsed["ResponseMetadata"]["RequestId"] == "the-request"
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] >= 400
    expected = {shape.name, shape.error_code}
    if service_name == "sqs":
        assert parsed["Error"]["QueryErrorCode"] == shape.name
    else:
        assert parsed["Error"]["Code"] in expected
