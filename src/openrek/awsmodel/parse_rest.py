"""REST requests into parameters: URI labels, query, headers and a body in XML or JSON, or as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.dialects import Dialect
from openrek.awsmodel.parse_json import MalformedValueError, load_json, parse_json, well_formed
from openrek.awsmodel.parse_text import parse_text
from openrek.awsmodel.parse_xml import parse_xml
from openrek.awsmodel.requests import Request
from openrek.awsmodel.shapes import Member, Shape
from openrek.awsmodel.xml_tree import load_xml, local_name

ParseBody = Callable[[Shape, bytes, str | None], dict[str, Any]]


def parse_rest(shape: Shape, request: Request, labels: Mapping[str, str], dialect: Dialect, parse_body: ParseBody) -> dict[str, Any]:
    """Parameters of an operation's input.

    Raises
    ------
    MalformedValueError
        The body cannot be read.
    ServiceError
        A value outside the body cannot be read.
    """
    query: dict[str, list[str]] = {}
    for name, value in request.query_pairs():
        query.setdefault(name, []).append(value)
    params: dict[str, Any] = {}
    for name, member in shape.members.items():
        if member.location is None:
            continue
        try:
            value = _located(member, request.headers, query, labels)
        except MalformedValueError as error:
            raise ServiceError(
                dialect.invalid_value,
                f"Provided {member.wire_name} is not valid: {error}",
                details={"ArgumentName": member.wire_name} if dialect.invalid_value == "InvalidArgument" else None,
            ) from None
        if value is not None:
            params[name] = value
    if shape.payload is not None:
        payload = _payload(shape.members[shape.payload], request, parse_body)
        if payload is not None:
            params[shape.payload] = payload
    elif shape.body_members and request.content:
        params |= parse_body(shape, request.content, None)
    return params


def xml_body(shape: Shape, body: bytes, root_name: str | None) -> dict[str, Any]:
    """A structure from an XML document; its root element has the given name, if one is given."""
    root = load_xml(body)
    if root_name is not None and local_name(root.tag) != root_name:
        raise MalformedValueError(f"The root element is {local_name(root.tag)} instead of {root_name}")
    return parse_xml(shape, root)


def json_body(shape: Shape, body: bytes, _: str | None) -> dict[str, Any]:
    """A structure from a JSON document."""
    value: dict[str, Any] = parse_json(shape, load_json(body))
    return value


def _located(member: Member, headers: Mapping[str, str], query: Mapping[str, list[str]], labels: Mapping[str, str]) -> Any:
    if member.location == "headers":
        prefix = member.wire_name.lower()
        found = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
        return found or None
    if member.location == "querystring":
        return _from_query(member, query)
    text = labels.get(member.wire_name) if member.location == "uri" else headers.get(member.wire_name.lower())
    if text is None:
        return None
    if member.shape.kind == "list":
        assert member.shape.element is not None
        return [parse_text(member.shape.element.shape, item.strip()) for item in text.split(",") if item.strip()]
    if member.shape.kind == "timestamp":
        # HTTP has it that a date that cannot be read is as good as none.
        try:
            return parse_text(member.shape, text)
        except MalformedValueError:
            return None
    return parse_text(member.shape, text)


def _from_query(member: Member, query: Mapping[str, list[str]]) -> Any:
    if member.shape.kind == "map":
        return {name: values[0] for name, values in query.items()} or None
    values = query.get(member.wire_name)
    if values is None:
        return None
    if member.shape.kind == "list":
        assert member.shape.element is not None
        return [parse_text(member.shape.element.shape, value) for value in values]
    return parse_text(member.shape, values[0])


def _payload(member: Member, request: Request, parse_body: ParseBody) -> Any:
    if member.streaming and not isinstance(request.body, bytes):
        return request.body
    body = request.content
    if member.shape.kind == "structure":
        return parse_body(member.shape, body, member.wire_name) if body.strip() else None
    if member.shape.kind == "string":
        try:
            return well_formed(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise MalformedValueError("The request body is not UTF-8") from None
    return body
