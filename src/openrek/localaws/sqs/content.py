"""What a message may hold, how large it is, and the digests that SDKs verify."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openrek.awsmodel.calls import Params, ServiceError
from openrek.localaws.sqs.errors import invalid_parameter, invalid_value, missing_parameter

_FORBIDDEN = re.compile("[^\u0009\u000a\u000d\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\..*)?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_GROUP = re.compile(r"[!-~]{1,128}")
_MOST_ATTRIBUTES = 10


@dataclass(frozen=True, slots=True)
class Content:
    """The part of a message that never changes.

    Attributes
    ----------
    body
        The text.
    attributes
        Message attributes as in the service model, binary values as base64.
    system
        System attributes that the sender gave, and who the sender is.
    """

    body: str
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes that count towards the limit: body, names, types and values of attributes."""
        size = len(self.body.encode())
        for name, value in self.attributes.items():
            size += len(name.encode()) + len(value["DataType"].encode()) + len(_raw(value))
        return size


def content(params: Params) -> Content:
    """The content of a SendMessage request or of an entry of its batch.

    Raises
    ------
    ServiceError
        Characters, attributes or identifiers that SQS refuses.
    """
    body = params.get("MessageBody") or ""
    if not body:
        raise missing_parameter("MessageBody")
    if _FORBIDDEN.search(body):
        raise ServiceError("InvalidMessageContents", _INVALID_CHARACTERS)
    system: dict[str, str] = {}
    trace = (params.get("MessageSystemAttributes") or {}).get("AWSTraceHeader")
    if trace is not None:
        if trace.get("DataType") != "String" or not trace.get("StringValue"):
            raise invalid_value("AWSTraceHeader", "MessageSystemAttributes", "It must be a non-empty value of type 'String'.")
        system["AWSTraceHeader"] = trace["StringValue"]
    if (deduplication := params.get("MessageDeduplicationId")) is not None:
        raise invalid_value(
            deduplication, "MessageDeduplicationId", "The request includes a parameter that is not valid for this queue type."
        )
    if (group := params.get("MessageGroupId")) is not None:
        if not _GROUP.fullmatch(group):
            reason = "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."
            raise invalid_value(group, "MessageGroupId", reason)
        system["MessageGroupId"] = group
    return Content(body, message_attributes(params.get("MessageAttributes") or {}), system)


def message_attributes(given: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Check message attributes, and bring them into the form in which they are kept."""
    if len(given) > _MOST_ATTRIBUTES:
        reason = f"Number of message attributes [{len(given)}] exceeds the allowed maximum [{_MOST_ATTRIBUTES}]."
        raise invalid_parameter(reason)
    return {name: _message_attribute(name, value) for name, value in given.items()}


def selected(attributes: Mapping[str, dict[str, str]], names: list[str]) -> dict[str, dict[str, str]]:
    """The attributes that a receiver asked for: by name, `All` or `ALL`, `*`, `.*`, or `prefix.*`."""
    if any(name in ("All", "ALL", "*", ".*") for name in names):
        return dict(attributes)
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {name: value for name, value in attributes.items() if name in names or (prefixes and name.startswith(prefixes))}


def on_the_wire(attributes: Mapping[str, dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Kept message attributes as the service model shapes them."""
    return {
        name: {
            "DataType": value["DataType"],
            **({"BinaryValue": _raw(value)} if "BinaryValue" in value else {"StringValue": value["StringValue"]}),
        }
        for name, value in attributes.items()
    }


def body_digest(body: str) -> str:
    """MD5 of a body."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def attributes_digest(attributes: Mapping[str, dict[str, str]]) -> str:
    """MD5 of message attributes.

    In the order of names: name, type and value, each after its length in four bytes, the value also after a byte that is 1 for
    text and 2 for bytes (SQS developer guide, "Calculating the MD5 message digest for message attributes").
    """
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        for part in (name.encode(), value["DataType"].encode()):
            digest.update(struct.pack("!I", len(part)) + part)
        raw = _raw(value)
        digest.update((b"\2" if "BinaryValue" in value else b"\1") + struct.pack("!I", len(raw)) + raw)
    return digest.hexdigest()


def _raw(value: Mapping[str, str]) -> bytes:
    return base64.b64decode(value["BinaryValue"]) if "BinaryValue" in value else value["StringValue"].encode()


def _message_attribute(name: str, value: Mapping[str, Any]) -> dict[str, str]:
    if len(name) > 256:
        raise invalid_parameter("Message (user) attribute names must be shorter than 256 Bytes")
    if not _ATTRIBUTE_NAME.fullmatch(name) or ".." in name:
        raise invalid_parameter(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores. "
        )
    if name.lower().startswith(("aws.", "amazon.", ".")) or name.endswith("."):
        raise invalid_parameter(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. "
            "These strings are reserved for internal use. Additionally, they cannot start or end with '.'.",
        )
    kind = value.get("DataType") or ""
    if not _DATA_TYPE.fullmatch(kind):
        raise invalid_parameter(
            f"The type of message (user) attribute '{name}' is invalid. "
            "You must use only the following supported type prefixes: "
            "Binary, Number, String.",
        )
    if len(kind) > 256:
        raise invalid_parameter("Message (user) attribute types must be shorter than 256 Bytes")
    base = kind.partition(".")[0]
    field_name = "BinaryValue" if base == "Binary" else "StringValue"
    held = value.get(field_name)
    if not held:
        raise invalid_parameter(f"Message (user) attribute '{name}' must contain a non-empty value of type '{base}'.")
    if base == "Binary":
        return {"DataType": kind, field_name: base64.b64encode(held).decode()}
    if _FORBIDDEN.search(held):
        raise invalid_parameter(_INVALID_CHARACTERS)
    if base == "Number" and not _NUMBER.fullmatch(held):
        raise invalid_parameter(f"Could not cast message (user) attribute '{name}' value to number.")
    return {"DataType": kind, field_name: held}


_INVALID_CHARACTERS = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
)
