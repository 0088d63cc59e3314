"""Errors into replies, in the words of each protocol."""

from __future__ import annotations

import json

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.dialects import dialect_of
from openrek.awsmodel.replies import Reply
from openrek.awsmodel.serialise import header_text, request_id_headers
from openrek.awsmodel.serialise_json import write_json
from openrek.awsmodel.serialise_xml import document, element
from openrek.awsmodel.services import Service
from openrek.awsmodel.shapes import Shape
from openrek.errors import ModelMismatchError


def internal_error(service: Service) -> ServiceError:
    """The error of a failure that is ours: it tells nothing of what happened."""
    code = dialect_of(service.name, service.protocol).internal
    return ServiceError(code, "We encountered an internal error. Please try again.", status=500)


def error_reply(service: Service, error: ServiceError, request_id: str, resource: str = "") -> Reply:
    """The reply to a call that failed.

    Parameters
    ----------
    resource
        Path of the request; S3 names it.
    """
    shape = service.errors.get(error.code)
    reply = Reply(_status(service, shape, error), request_id_headers(service, request_id))
    reply.headers += [(name, header_text(value)) for name, value in error.headers.items()]
    if reply.status == 304:
        return reply
    if service.protocol == "rest-xml":
        reply.headers.append(("Content-Type", "application/xml"))
        reply.body = _s3_body(error, request_id, resource)
    elif service.protocol == "query":
        reply.headers.append(("Content-Type", "text/xml"))
        reply.body = _query_body(service, shape, error, reply.status, request_id)
    else:
        reply.headers += _json_headers(service, shape, error, reply.status)
        reply.body = _json_body(service, shape, error, reply.status, request_id)
    return reply


def _status(service: Service, shape: Shape | None, error: ServiceError) -> int:
    if shape is None:
        return error.status
    if shape.http_status is not None:
        return shape.http_status
    # The models mark throttling as the server's fault, yet it is answered with 400.
    if service.protocol == "json" and "Throttl" not in shape.name:
        return 500 if shape.fault else error.status
    return error.status


def _json_headers(service: Service, shape: Shape | None, error: ServiceError, status: int) -> list[tuple[str, str]]:
    name = shape.name if shape is not None else error.code
    json_type = f"application/x-amz-json-{service.json_version}" if service.protocol == "json" else "application/json"
    headers = [("Content-Type", json_type), ("x-amzn-errortype", header_text(name))]
    if service.query_compatible:
        legacy = dialect_of(service.name, service.protocol).legacy_codes.get(name, name)
        headers.append(("x-amzn-query-error", header_text(f"{legacy};{'Receiver' if status >= 500 else 'Sender'}")))
    return headers


def _json_body(service: Service, shape: Shape | None, error: ServiceError, status: int, request_id: str) -> bytes:
    name = shape.name if shape is not None else error.code
    if service.protocol == "json":
        body = {"__type": dialect_of(service.name, service.protocol).namespace + name}
    else:
        body = {"Type": "Service" if status >= 500 else "User"}
    if service.name == "rekognition":
        body |= {"Code": name, "Logref": request_id, "Message": error.text}
    else:
        body["Message" if shape is not None and "Message" in shape.members else "message"] = error.text
    plain = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    details = _json_details(shape, error)
    return plain if len(details) <= len("{}") else plain[:-1] + b"," + details[1:]


def _json_details(shape: Shape | None, error: ServiceError) -> bytes:
    if not error.details:
        return b""
    if shape is None:
        raise ModelMismatchError(f"{error.code} is not in the model, so it has no members {sorted(error.details)}")
    return write_json(shape, error.details)


def _query_body(service: Service, shape: Shape | None, error: ServiceError, status: int, request_id: str) -> bytes:
    code = (shape.error_code or shape.name) if shape is not None else error.code
    inner = element("Type", "Receiver" if status >= 500 else "Sender") + element("Code", code) + element("Message", error.text)
    inner += "".join(element(name, str(value)) for name, value in error.details.items())
    return document("ErrorResponse", service.xml_namespace, f"<Error>{inner}</Error>{element('RequestId', request_id)}")


def _s3_body(error: ServiceError, request_id: str, resource: str) -> bytes:
    inner = element("Code", error.code) + element("Message", error.text)
    inner += "".join(element(name, str(value)) for name, value in error.details.items())
    inner += element("Resource", resource) + element("RequestId", request_id) + element("HostId", request_id)
    return document("Error", "", inner)
