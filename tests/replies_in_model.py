"""Whether a reply holds what the service model says and nothing else; by botocore's own reading of the model, not by ours."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from openrek.awsmodel.patterns import compile_pattern

ERROR_MEMBERS = {
    "rekognition": {"__type", "Code", "Logref", "Message"},
    "logs": {"__type", "message"},
    "sqs": {"__type", "message", "Message"},
}
"""Members of an error's body beside those that its shape has."""
LEFT_OUT = {"Successful", "Failed"}
"""Members that the model of SQS requires, and that AWS leaves out where they would be empty."""


@cache
def service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def check_reply(operation: OperationModel, status: int, headers: Any, body: Any) -> None:
    """Fail if the reply has a key that the model does not have, or a value that the model does not allow.

    Parameters
    ----------
    body
        The bytes; anything else is a stream, of which only the headers are looked at.
    """
    problems = list(_problems(operation, status, {name.lower(): value for name, value in headers.items()}, body))
    assert not problems, f"{operation.service_model.service_name} {operation.name} {status}: {problems}\n{body!r}"


def _problems(operation: OperationModel, status: int, headers: dict[str, str], body: Any) -> Iterator[str]:
    service = operation.service_model
    protocol = service.protocol
    if not {"x-amzn-requestid", "x-amz-request-id"} & headers.keys():
        yield "there is no request id"
    if not isinstance(body, bytes):
        return
    if protocol == "json":
        if headers.get("content-type") != f"application/x-amz-json-{service.metadata['jsonVersion']}":
            yield f"content type {headers.get('content-type')}"
        yield from _json_error(service, status, headers, body) if status >= 300 else _json_result(operation, body)
    elif protocol in {"query", "rest-xml"} and body:
        root = ElementTree.fromstring(body)
        if status < 300:
            yield from _query_result(operation, root) if protocol == "query" else _rest_result(operation, root)
        elif _local(root) not in {"Error", "ErrorResponse"}:
            yield f"an error named {root.tag}"


def _json_result(operation: OperationModel, body: bytes) -> Iterator[str]:
    if operation.output_shape is None:
        if body.strip() not in {b"", b"{}"}:
            yield "a body, where the model has no output"
        return
    yield from _json_value(operation.output_shape, json.loads(body), operation.output_shape.name)


def _json_error(service: ServiceModel, status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    error = json.loads(body)
    name = error["__type"].rpartition("#")[2]
    if headers.get("x-amzn-errortype") != name:
        yield f"x-amzn-errortype is {headers.get('x-amzn-errortype')}, __type {name}"
    allowed = set(ERROR_MEMBERS.get(service.service_name, set()))
    if name in service.shape_names:
        allowed |= set(_structure(service.shape_for(name)).members)
    if strangers := error.keys() - allowed:
        yield f"{name} has members {strangers}"
    if service.service_name == "rekognition":
        if error["Code"] != name or error["Logref"] != headers["x-amzn-requestid"]:
            yield "Code is not the name, or Logref not the request id"
        if (status == 500) != (name == "InternalServerError"):
            yield f"{name} with status {status}"


def _structure(shape: Shape) -> StructureShape:
    assert isinstance(shape, StructureShape)
    return shape


def _json_value(shape: Any, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if not _is_json[kind](value):
        yield f"{path} is {value!r}, no {kind}"
        return
    if kind == "structure":
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, item in value.items():
            if name in members:
                yield from _json_value(members[name], item, f"{path}.{name}")
            else:
                yield f"{path} has no member {name}"
        yield from (f"{path} lacks {name}" for name in shape.required_members if name not in value and name not in LEFT_OUT)
    elif kind == "list":
        for number, item in enumerate(value):
            yield from _json_value(shape.member, item, f"{path}[{number}]")
    elif kind == "map":
        for key, item in value.items():
            yield from _json_value(shape.value, item, f"{path}[{key!r}]")
    yield from _constraints(shape, value, path)


def _constraints(shape: Any, value: Any, path: str) -> Iterator[str]:
    facts = shape.metadata
    size = value if shape.type_name in {"integer", "long", "float", "double"} else len(value) if hasattr(value, "__len__") else None
    if size is not None and not facts.get("min", size) <= size <= facts.get("max", size):
        yield f"{path} is {value!r}, outside {facts}"
    if facts.get("enum") and value not in facts["enum"]:
        yield f"{path} is {value!r}, none of {facts['enum']}"
    if "pattern" in facts and isinstance(value, str) and not compile_pattern(facts["pattern"]).matches(value):
        yield f"{path} is {value!r}, which {facts['pattern']} does not match"


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float32(value: Any) -> bool:
    return isinstance(value, float) and struct.unpack("<f", struct.pack("<f", value))[0] == value


_is_json: dict[str, Callable[[Any], bool]] = {
    "structure": lambda value: isinstance(value, dict),
    "list": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
    "character": lambda value: isinstance(value, str),
    "blob": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "long": _is_integer,
    "float": _is_float32,
    "double": lambda value: isinstance(value, float) or _is_integer(value),
    "timestamp": lambda value: isinstance(value, float) or _is_integer(value),
}


def _query_result(operation: OperationModel, root: ElementTree.Element) -> Iterator[str]:
    wrapper = None if operation.output_shape is None else operation.output_shape.serialization.get("resultWrapper")
    for child in root:
        name = _local(child)
        if name == wrapper:
            assert operation.output_shape is not None
            yield from _xml_value(operation.output_shape, child, name)
        elif name != "ResponseMetadata":
            yield f"{_local(root)} has no member {name}"


def _rest_result(operation: OperationModel, root: ElementTree.Element) -> Iterator[str]:
    shape = operation.output_shape
    if shape is None:
        yield "a body, where the model has no output"
        return
    payload = shape.serialization.get("payload")
    if len(root) or payload is None:
        yield from _xml_value(shape.members[payload] if payload else shape, root, _local(root))


def _xml_value(shape: Any, element: ElementTree.Element, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        members = {_wire_name(member, name): member for name, member in shape.members.items() if "location" not in member.serialization}
        for child in element:
            member = members.get(_local(child))
            if member is None:
                yield f"{path} has no member {_local(child)}"
            elif member.type_name == "list" and member.serialization.get("flattened"):
                yield from _xml_value(member.member, child, f"{path}.{_local(child)}")
            else:
                yield from _xml_value(member, child, f"{path}.{_local(child)}")
    elif kind == "list":
        wanted = shape.member.serialization.get("name", "member")
        for child in element:
            if _local(child) == wanted:
                yield from _xml_value(shape.member, child, f"{path}.{wanted}")
            else:
                yield f"{path} has elements {_local(child)}, not {wanted}"
    elif kind == "map":
        names = {shape.key.serialization.get("name", "key"): shape.key, shape.value.serialization.get("name", "value"): shape.value}
        for child in [element] if shape.serialization.get("flattened") else element:
            for part in child:
                if _local(part) in names:
                    yield from _xml_value(names[_local(part)], part, f"{path}.{_local(part)}")
                else:
                    yield f"an entry of {path} has no {_local(part)}"
    elif len(element):
        yield f"{path} has members, and is a {kind}"
    elif "enum" in shape.metadata and element.text and element.text not in shape.metadata["enum"]:
        yield f"{path} is {element.text!r}, none of {shape.metadata['enum']}"


def _wire_name(member: Any, name: str) -> str:
    """botocore's rule for the element of a member."""
    if member.type_name == "list" and member.serialization.get("flattened"):
        inner = member.member.serialization.get("name")
        if inner is not None:
            return str(inner)
    return str(member.serialization.get("name", name))


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def checking(convert: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """botocore's step between the connection and its parser, looking at every reply that is not from (a mock of) AWS itself."""

    def convert_and_check(response: Any, operation: OperationModel) -> dict[str, Any]:
        converted = convert(response, operation)
        if not str(urlsplit(response.url).hostname).endswith((".amazonaws.com", ".aws")):
            check_reply(operation, converted["status_code"], converted["headers"], converted["body"])
        return converted

    return convert_and_check
