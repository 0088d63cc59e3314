"""Message attributes in SNS's words, and in the form in which queues keep them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from openrek.awsmodel.calls import ServiceError

_CHARACTER = re.compile(r"[^A-Za-z0-9_.-]")
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST_NAME = 256


def check(attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse attributes that SNS refuses.

    Raises
    ------
    ServiceError
        A name, a type or a value breaks its rule.
    """
    for name, attribute in attributes.items():
        _check_name(name)
        kind = attribute["DataType"]
        if not _TYPE.fullmatch(kind):
            raise _invalid(
                f"The message attribute '{name}' has an invalid message attribute type, "
                "the set of supported type prefixes is Binary, Number, and String."
            )
        wanted = "Binary" if kind.startswith("Binary") else "String"
        other = "String" if wanted == "Binary" else "Binary"
        if not attribute.get(f"{wanted}Value"):
            if attribute.get(f"{other}Value"):
                raise _invalid(f"The message attribute '{name}' with type '{kind}' must use field '{wanted}'.")
            raise _invalid(
                f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{kind}'."
            )
        if kind.startswith("Number") and not _NUMBER.fullmatch(attribute["StringValue"]):
            raise _invalid(f"Could not cast message attribute '{name}' value to number.")


def size(attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of names, types and values."""
    total = 0
    for name, attribute in attributes.items():
        value = attribute.get("BinaryValue") or attribute.get("StringValue", "").encode()
        total += len(name.encode()) + len(attribute["DataType"].encode()) + len(value)
    return total


def for_envelope(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """As they stand in a notification."""
    return {name: {"Type": attribute["DataType"], "Value": _text(attribute)} for name, attribute in attributes.items()}


def for_queue(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """As queues keep them."""
    return {
        name: {"DataType": attribute["DataType"], ("BinaryValue" if attribute.get("BinaryValue") else "StringValue"): _text(attribute)}
        for name, attribute in attributes.items()
    }


def _text(attribute: Mapping[str, Any]) -> str:
    value = attribute.get("BinaryValue")
    return base64.b64encode(value).decode() if value else attribute["StringValue"]


def _check_name(name: str) -> None:
    if len(name.encode()) > _LONGEST_NAME:
        raise _invalid("Length of message attribute name must be less than 256 bytes.")
    forbidden = _CHARACTER.search(name)
    if forbidden or not name:
        character = f"#x{ord(forbidden[0]):X}" if forbidden else ""
        raise _invalid(
            f"Invalid non-alphanumeric character '{character}' was found in the message attribute name. "
            "Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    if name.startswith("."):
        raise _invalid("Invalid message attribute name starting with character '.' was found.")
    if name.endswith("."):
        raise _invalid("Invalid message attribute name ending with character '.' was found.")
    if ".." in name:
        raise _invalid("Message attribute name can not have successive '.' character.")


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
