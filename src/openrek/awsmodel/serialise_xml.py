"""Results as XML, element by element as the model has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from openrek.awsmodel.scalars import checked_string, mismatch, scalar_text
from openrek.awsmodel.shapes import Member, Shape
from openrek.errors import ModelMismatchError

_SPECIAL = re.compile('[&<>"\x00-\x08\x0b-\x1f\ufffe\uffff]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(text: str) -> str:
    """Text of an element or attribute.

    Control characters that XML 1.0 cannot spell are written as character references, as S3 does; a client that may meet them asks
    for `encoding-type=url`.
    """
    return _SPECIAL.sub(lambda found: _ENTITIES.get(found[0]) or f"&#x{ord(found[0]):x};", text)


def element(name: str, text: str) -> str:
    """An element with a text."""
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name}/>"


def document(name: str, namespace: str, inner: str) -> bytes:
    """A whole document around its content."""
    attribute = f' xmlns="{escape(namespace)}"' if namespace else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}{attribute}>{inner}</{name}>'.encode()


def write_members(shape: Shape, value: Any) -> str:
    """The elements of a structure's body members, without one around them.

    Members that are None are left out.

    Raises
    ------
    ModelMismatchError
        The value has a key that the shape does not have, or another type.
    """
    if not isinstance(value, dict):
        mismatch(shape, value)
    parts: list[str] = []
    for name, item in value.items():
        member = shape.members.get(name)
        if member is None:
            raise ModelMismatchError(f"{shape.name} has no member {name!r}")
        if item is not None and member.location is None and not member.xml_attribute:
            _write(member, item, parts)
    return "".join(parts)


def _write(member: Member, value: Any, parts: list[str]) -> None:
    shape, name = member.shape, member.wire_name
    if shape.kind == "structure":
        parts.append(f"<{name}{_attributes(member, value)}>{write_members(shape, value)}</{name}>")
    elif shape.kind == "list":
        _write_list(member, value, parts)
    elif shape.kind == "map":
        _write_map(member, value, parts)
    else:
        parts.append(element(name, scalar_text(shape, value, member.timestamp_format or "iso8601")))


def _write_list(member: Member, value: Any, parts: list[str]) -> None:
    if not isinstance(value, list | tuple):
        mismatch(member.shape, value)
    entry = member.shape.element
    assert entry is not None
    if member.flattened:
        one = replace(entry, wire_name=member.wire_name)
        for item in value:
            _write(one, item, parts)
    else:
        parts.append(f"<{member.wire_name}>")
        for item in value:
            _write(entry, item, parts)
        parts.append(f"</{member.wire_name}>")


def _write_map(member: Member, value: Any, parts: list[str]) -> None:
    if not isinstance(value, dict):
        mismatch(member.shape, value)
    key, entry = member.shape.key, member.shape.entry
    assert key is not None
    assert entry is not None
    around = member.wire_name if member.flattened else "entry"
    if not member.flattened:
        parts.append(f"<{member.wire_name}>")
    for name, item in value.items():
        parts.append(f"<{around}>{element(key.wire_name, checked_string(key.shape, name))}")
        _write(entry, item, parts)
        parts.append(f"</{around}>")
    if not member.flattened:
        parts.append(f"</{member.wire_name}>")


def _attributes(member: Member, value: Any) -> str:
    text = _namespace(member.xml_namespace)
    for inner in member.shape.members.values():
        if inner.xml_attribute and isinstance(value, dict) and value.get(inner.name) is not None:
            text += f' {inner.wire_name}="{escape(scalar_text(inner.shape, value[inner.name], "iso8601"))}"'
    return text


def _namespace(namespace: Mapping[str, str] | None) -> str:
    if not namespace:
        return ""
    prefix = f":{namespace['prefix']}" if "prefix" in namespace else ""
    return f' xmlns{prefix}="{escape(namespace["uri"])}"'
