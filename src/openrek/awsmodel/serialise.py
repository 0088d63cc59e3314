"""Results into replies, by the service's model; a key that the model does not have is refused."""

from __future__ import annotations

from email.header import Header
from typing import Any

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.dialects import dialect_of
from openrek.awsmodel.replies import Reply
from openrek.awsmodel.scalars import mismatch, scalar_text
from openrek.awsmodel.serialise_json import Serialised, serialise_json_element, write_json
from openrek.awsmodel.serialise_xml import document, element, escape, write_members
from openrek.awsmodel.services import OperationModel, Service
from openrek.awsmodel.shapes import Member, Shape
from openrek.errors import ModelMismatchError

__all__ = ["Serialised", "serialise", "serialise_json_element"]

_S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def serialise(service: Service, operation: OperationModel, result: dict[str, Any] | None, request_id: str) -> Reply:
    """The reply to a call that succeeded.

    Parameters
    ----------
    result
        Members of the output's shape; None is as good as none at all. Timestamps are aware `datetime`s or epoch seconds, blobs
        `bytes`, a streamed body a `Download`; a list of JSON may be `Serialised`. Members that are None are left out.

    Raises
    ------
    ModelMismatchError
        The result has a key that the model does not have, or a value of another type.
    """
    values = result or {}
    if operation.output is None and values:
        raise ModelMismatchError(f"{operation.name} has no output, but the result has {sorted(values)}")
    if service.protocol == "json":
        body = write_json(operation.output, values) if operation.output is not None else b""
        return Reply(
            operation.status,
            [("x-amzn-RequestId", request_id), ("Content-Type", f"application/x-amz-json-{service.json_version}")],
            body,
        )
    if service.protocol == "query":
        return _query_reply(service, operation, values, request_id)
    return _rest_reply(service, operation, values, request_id)


def _query_reply(service: Service, operation: OperationModel, values: dict[str, Any], request_id: str) -> Reply:
    inner = ""
    if operation.output is not None:
        inner = write_members(operation.output, values)
        if operation.wrapper:
            inner = f"<{operation.wrapper}>{inner}</{operation.wrapper}>"
    inner += f"<ResponseMetadata>{element('RequestId', request_id)}</ResponseMetadata>"
    return Reply(
        operation.status,
        [("x-amzn-RequestId", request_id), ("Content-Type", "text/xml")],
        document(f"{operation.name}Response", service.xml_namespace, inner),
    )


def _rest_reply(service: Service, operation: OperationModel, values: dict[str, Any], request_id: str) -> Reply:
    reply = Reply(operation.status, request_id_headers(service, request_id))
    shape = operation.output
    if shape is None:
        return reply
    for name, value in values.items():
        member = shape.members.get(name)
        if member is None:
            raise ModelMismatchError(f"{shape.name} has no member {name!r}")
        if value is None:
            continue
        if member.location == "statusCode":
            if value not in range(200, 600):
                mismatch(member.shape, value)
            reply.status = value
        elif member.location is not None:
            reply.headers += _headers(member, value)
    if values.get("ContentRange") is not None:
        reply.status = 206
    content_type = _write_body(service, operation, shape, values, reply)
    if content_type and not any(name.lower() == "content-type" for name, _ in reply.headers):
        reply.headers.append(("Content-Type", content_type))
    return reply


def _write_body(service: Service, operation: OperationModel, shape: Shape, values: dict[str, Any], reply: Reply) -> str:
    """Set the body; returns its type, empty for no body."""
    if shape.payload is not None:
        return _write_payload(service, shape.members[shape.payload], values.get(shape.payload), reply)
    if not shape.body_members:
        return ""
    inside = {name: value for name, value in values.items() if shape.members[name].location is None}
    if service.protocol == "rest-json":
        reply.body = write_json(shape, inside)
        return "application/json"
    root = dialect_of(service.name, service.protocol).roots.get(operation.name, shape.name)
    # The one reply of S3 whose only member is the root's own text.
    inner = escape(inside.get(root) or "") if root in shape.members and len(shape.members) == 1 else write_members(shape, inside)
    reply.body = document(root, _S3_NAMESPACE, inner)
    return "application/xml"


def _write_payload(service: Service, member: Member, value: Any, reply: Reply) -> str:
    kind = member.shape.kind
    if kind == "structure":
        if value is None:
            return ""
        if service.protocol == "rest-json":
            reply.body = write_json(member.shape, value)
            return "application/json"
        reply.body = document(member.wire_name, _S3_NAMESPACE, write_members(member.shape, value))
        return "application/xml"
    if kind == "string":
        reply.body = scalar_text(member.shape, value or "", "").encode()
        return "application/json"
    if value is not None and not isinstance(value, bytes) and not _is_download(value):
        mismatch(member.shape, value)
    reply.body = b"" if value is None else value
    return "application/json" if service.protocol == "rest-json" else "binary/octet-stream"


def _is_download(value: object) -> bool:
    return isinstance(getattr(value, "length", None), int) and hasattr(value, "__aiter__")


def request_id_headers(service: Service, request_id: str) -> list[tuple[str, str]]:
    """The headers that name a request, in the service's spelling."""
    if service.protocol == "rest-xml":
        return [("x-amz-request-id", request_id), ("x-amz-id-2", request_id)]
    return [("x-amzn-RequestId", request_id)]


def _headers(member: Member, value: Any) -> list[tuple[str, str]]:
    if member.location == "headers":
        if not isinstance(value, dict):
            mismatch(member.shape, value)
        return [(f"{member.wire_name}{name}", header_text(text)) for name, text in value.items()]
    if member.shape.kind == "list":
        if not isinstance(value, list | tuple):
            mismatch(member.shape, value)
        assert member.shape.element is not None
        return [(member.wire_name, header_text(",".join(scalar_text(member.shape.element.shape, item, "rfc822") for item in value)))]
    return [(member.wire_name, header_text(scalar_text(member.shape, value, member.timestamp_format or "rfc822")))]


def header_text(text: str) -> str:
    """Text that may stand in a header: what is not Latin-1 is encoded as in mail, as S3 does with metadata.

    Raises
    ------
    ServiceError
        It has line breaks or other control characters.
    """
    if any((character < " " and character != "\t") or character == "\x7f" for character in text):
        raise ServiceError("InvalidArgument", "A header's value may not contain control characters")
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return Header(text, "utf-8", maxlinelen=0).encode()
    return text.strip()
