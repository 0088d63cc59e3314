"""Checks of results against their shapes, and the text of scalars."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime
from typing import Any, NoReturn

from openrek.awsmodel.java import to_float32
from openrek.awsmodel.shapes import Shape
from openrek.awsmodel.timestamps import format_timestamp
from openrek.errors import ModelMismatchError

_BITS = {"integer": 31, "long": 63}


def mismatch(shape: Shape, value: Any) -> NoReturn:
    """Refuse a value that is not of its shape's kind."""
    raise ModelMismatchError(f"{shape.name} is a {shape.kind}, but the result has {value!r:.200} ({type(value).__name__})")


def checked_integer(shape: Shape, value: Any) -> int:
    """An integer in its range."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << _BITS[shape.kind]) <= value < 1 << _BITS[shape.kind]:
        mismatch(shape, value)
    return int(value)


def checked_float(shape: Shape, value: Any) -> float:
    """A finite number; of shape `float` the nearest 32-bit value."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        mismatch(shape, value)
    try:
        return to_float32(value) if shape.kind == "float" else float(value)
    except OverflowError:
        mismatch(shape, value)


def checked_string(shape: Shape, value: Any) -> str:
    """A string that can be written as UTF-8."""
    if not isinstance(value, str):
        mismatch(shape, value)
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            mismatch(shape, value)
    return value


def checked_timestamp(shape: Shape, value: Any) -> datetime:
    """A point in time: an aware `datetime`, or epoch seconds."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    mismatch(shape, value)


def scalar_text(shape: Shape, value: Any, timestamp_format: str) -> str:
    """A scalar in XML, or in a header.

    Raises
    ------
    ModelMismatchError
        The value is not of the shape's kind.
    """
    kind = shape.kind
    if kind == "string":
        return checked_string(shape, value)
    if kind in _BITS:
        return str(checked_integer(shape, value))
    if kind in {"float", "double"}:
        return repr(checked_float(shape, value))
    if kind == "boolean" and isinstance(value, bool):
        return "true" if value else "false"
    if kind == "blob" and isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if kind == "timestamp":
        return format_timestamp(checked_timestamp(shape, value), timestamp_format)
    mismatch(shape, value)
