"""Requests into operations and parameters, by the service's model."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from openrek.awsmodel.calls import Params, ServiceError
from openrek.awsmodel.dialects import dialect_of
from openrek.awsmodel.parse_json import MalformedValueError, load_json, parse_json
from openrek.awsmodel.parse_query import parse_query
from openrek.awsmodel.parse_rest import json_body, parse_rest, xml_body
from openrek.awsmodel.requests import Request
from openrek.awsmodel.routes import Match, RouteTable
from openrek.awsmodel.services import OperationModel, Service


def find_operation(service: Service, request: Request) -> Match:
    """Which operation a request is for. Only the query protocol looks at the body.

    Raises
    ------
    ServiceError
        The service has no such operation.
    """
    if service.protocol.startswith("rest"):
        return _routes(service).match(request)
    if service.protocol == "query":
        name = dict(request.query_pairs() + request.form_pairs()).get("Action", "")
        unknown = f"Could not find operation {name} for version {service.api_version}" if name else "The request has no parameter Action"
    else:
        target = request.headers.get("x-amz-target", "")
        prefix, _, name = target.rpartition(".")
        if prefix != service.target_prefix:
            name = ""
        unknown = f"Unknown operation: {target}" if target else "Unknown operation: the request has no header X-Amz-Target"
    operation = service.operation(name)
    if operation is None:
        dialect = dialect_of(service.name, service.protocol)
        raise ServiceError(dialect.unknown_operation, unknown, status=dialect.unknown_status)
    return Match(operation, {})


def parse(service: Service, operation: OperationModel, request: Request, labels: Mapping[str, str]) -> Params:
    """Parameters of an operation, as its input's shape names them.

    Numbers are `int` and `float`, blobs `bytes`, timestamps aware `datetime`s in UTC; what is absent or null is left out. The
    member that is a streamed body is the request's `Upload` itself.

    Raises
    ------
    ServiceError
        A value has the wrong type, or the body cannot be read.
    """
    shape = operation.input
    if shape is None:
        return {}
    dialect = dialect_of(service.name, service.protocol)
    try:
        if service.protocol == "query":
            return parse_query(shape, request.query_pairs() + request.form_pairs())
        if service.protocol == "json":
            params: dict[str, Any] = parse_json(shape, load_json(request.content))
            return params
        return parse_rest(shape, request, labels, dialect, xml_body if service.protocol == "rest-xml" else json_body)
    except MalformedValueError as error:
        raise ServiceError(dialect.malformed, dialect.malformed_message(str(error))) from None
    except RecursionError:
        raise ServiceError(dialect.malformed, dialect.malformed_message("The request is nested too deeply")) from None


@functools.cache
def _routes(service: Service) -> RouteTable:
    return RouteTable(service, dialect_of(service.name, service.protocol), strict=service.protocol == "rest-xml")
