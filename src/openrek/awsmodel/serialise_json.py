"""Results as JSON, key by key as the model has them."""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterable
from json.encoder import encode_basestring
from typing import Any

from openrek.awsmodel.scalars import checked_float, checked_integer, checked_string, checked_timestamp, mismatch
from openrek.awsmodel.services import load_service
from openrek.awsmodel.shapes import Member, Shape
from openrek.awsmodel.timestamps import epoch_seconds, format_timestamp
from openrek.errors import ModelMismatchError


class Serialised:
    """Elements of a list that were serialised before, by `serialise_json_element`; they go into the reply as they are.

    Parameters
    ----------
    elements
        One by one, or all in one, joined by commas.
    """

    __slots__ = ("joined",)

    def __init__(self, elements: bytes | Iterable[bytes]) -> None:
        self.joined = elements if isinstance(elements, bytes) else b",".join(elements)


def serialise_json_element(service: str, shape_name: str, value: Any) -> bytes:
    """A value of a shape as compact JSON in UTF-8, for rows that are paged later.

    Parameters
    ----------
    service
        botocore's name: "rekognition".
    shape_name
        "LabelDetection".

    Raises
    ------
    ModelMismatchError
        The value has a key that the shape does not have, or another type.
    LookupError
        There is no such service or shape.
    """
    return write_json(load_service(service).shapes[shape_name], value)


def write_json(shape: Shape, value: Any) -> bytes:
    """A value of a shape as compact JSON in UTF-8.

    Members that are None are left out.

    Raises
    ------
    ModelMismatchError
        The value has a key that the shape does not have, or another type.
    """
    parts: list[bytes] = []
    _WRITERS[shape.kind](shape, value, parts.append)
    return b"".join(parts)


Append = Callable[[bytes], None]


def _structure(shape: Shape, value: Any, append: Append) -> None:
    if not isinstance(value, dict):
        mismatch(shape, value)
    members = shape.members
    before = b"{"
    for name, item in value.items():
        member = members.get(name)
        if member is None:
            raise ModelMismatchError(f"{shape.name} has no member {name!r}")
        if item is not None:
            append(before + _key(member.wire_name))
            before = b","
            if member.timestamp_format is None:
                _WRITERS[member.shape.kind](member.shape, item, append)
            else:
                _formatted_timestamp(member, item, append)
    append(b"{}" if before == b"{" else b"}")


def _list(shape: Shape, value: Any, append: Append) -> None:
    if isinstance(value, Serialised):
        append(b"[" + value.joined + b"]")
        return
    if not isinstance(value, list | tuple):
        mismatch(shape, value)
    assert shape.element is not None
    element = shape.element.shape
    write = _WRITERS[element.kind]
    append(b"[")
    for number, item in enumerate(value):
        if number:
            append(b",")
        write(element, item, append)
    append(b"]")


def _map(shape: Shape, value: Any, append: Append) -> None:
    if not isinstance(value, dict):
        mismatch(shape, value)
    assert shape.key is not None
    assert shape.entry is not None
    entry = shape.entry.shape
    write = _WRITERS[entry.kind]
    append(b"{")
    for number, (key, item) in enumerate(value.items()):
        text = encode_basestring(checked_string(shape.key.shape, key)).encode()
        append(b"," + text + b":" if number else text + b":")
        write(entry, item, append)
    append(b"}")


def _string(shape: Shape, value: Any, append: Append) -> None:
    append(encode_basestring(checked_string(shape, value)).encode())


def _integer(shape: Shape, value: Any, append: Append) -> None:
    append(b"%d" % checked_integer(shape, value))


def _float(shape: Shape, value: Any, append: Append) -> None:
    append(repr(checked_float(shape, value)).encode())


def _boolean(shape: Shape, value: Any, append: Append) -> None:
    if not isinstance(value, bool):
        mismatch(shape, value)
    append(b"true" if value else b"false")


def _blob(shape: Shape, value: Any, append: Append) -> None:
    if not isinstance(value, bytes):
        mismatch(shape, value)
    append(b'"' + base64.b64encode(value) + b'"')


def _timestamp(shape: Shape, value: Any, append: Append) -> None:
    append(repr(epoch_seconds(checked_timestamp(shape, value))).encode())


def _formatted_timestamp(member: Member, value: Any, append: Append) -> None:
    assert member.timestamp_format is not None
    text = format_timestamp(checked_timestamp(member.shape, value), member.timestamp_format)
    append(text.encode() if member.timestamp_format == "unixTimestamp" else b'"' + text.encode() + b'"')


_WRITERS: dict[str, Callable[[Shape, Any, Append], None]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "blob": _blob,
    "timestamp": _timestamp,
}


@functools.cache
def _key(wire_name: str) -> bytes:
    return encode_basestring(wire_name).encode() + b":"
