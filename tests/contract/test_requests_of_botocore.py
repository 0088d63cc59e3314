"""Every operation's request, written by botocore, is read back as what went in."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import create_request_object, prepare_request_dict
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_values import SERVED, ModelValues

from openrek.awsmodel.parse import find_operation, parse
from openrek.awsmodel.requests import Request
from openrek.awsmodel.services import load_service

# Two operations on one address: the request alone does not tell them apart.
SHADOWED = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
MODELS = {name: ServiceModel(Loader().load_service_model(name, "service-2"), name) for name in SERVED}
HOST_LABELS = {"WriteGetObjectResponse"}  # has a member in the host name, which only S3 Object Lambda takes
OPERATIONS = [(name, operation) for name in SERVED for operation in MODELS[name].operation_names if operation not in HOST_LABELS]


def written_by_botocore(service: str, operation: str, params: dict[str, Any]) -> Request:
    model = MODELS[service]
    serializer = create_serializer(model.metadata["protocol"], include_validation=False)
    parts = serializer.serialize_to_request(params, model.operation_model(operation))
    prepare_request_dict(parts, endpoint_url="http://localhost:4599")
    prepared = create_request_object(parts).prepare()
    url = urlsplit(prepared.url)
    headers = {
        name.lower(): value.decode("latin-1") if isinstance(value, bytes) else str(value) for name, value in prepared.headers.items()
    }
    body = prepared.body if prepared.body is not None else b""
    if hasattr(body, "read"):
        body = body.read()
    return Request(prepared.method, url.path or "/", url.query, headers, body.encode() if isinstance(body, str) else bytes(body))


@pytest.mark.parametrize(("service_name", "operation_name"), OPERATIONS)
@settings(max_examples=6, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(rng=st.randoms(use_true_random=True))
def test_request_survives(service_name: str, operation_name: str, rng: random.Random) -> None:
    service = load_service(service_name)
    operation = service.operation(operation_name)
    assert operation is not None
    shape = operation.input
    params = ModelValues(rng, empties="json" in service.protocol).structure(shape) if shape is not None else {}

    request = written_by_botocore(service_name, operation_name, params)
    match = find_operation(service, request)

    assert match.operation.name == SHADOWED.get(operation_name, operation_name)
    if operation_name in SHADOWED:
        return
    parsed = parse(service, operation, request, match.labels)
    for name, member in shape.members.items() if shape is not None else ():
        if name not in params and (member.location == "header" or name == shape.payload):
            parsed.pop(name, None)  # the transport's own headers, and a body that is not there
    assert parsed == params
