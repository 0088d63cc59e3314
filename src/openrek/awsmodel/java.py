"""Values as AWS's messages show them: as Java prints them."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from openrek.awsmodel.shapes import Shape

_FLOAT = struct.Struct("<f")


def to_float32(value: float) -> float:
    """The nearest 32-bit value.

    Raises
    ------
    OverflowError
        There is none.
    """
    rounded: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    return rounded


def java_text(shape: Shape, value: Any) -> str:
    """`String.valueOf` of a parameter."""
    if value is None:
        return "null"
    kind = shape.kind
    if kind == "structure":
        members = (f"{lower_first(name)}={java_text(member.shape, value.get(name))}" for name, member in shape.members.items())
        return f"{shape.name}({', '.join(members)})"
    if kind == "list":
        assert shape.element is not None
        return f"[{', '.join(java_text(shape.element.shape, item) for item in value)}]"
    if kind == "map":
        assert shape.entry is not None
        return "{" + ", ".join(f"{key}={java_text(shape.entry.shape, item)}" for key, item in value.items()) + "}"
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "float":
        return _java_number(_shortest(value))
    if kind == "double":
        return _java_number(repr(float(value)))
    if kind == "blob":
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    return str(value)


def lower_first(name: str) -> str:
    """`SNSTopicArn` → `sNSTopicArn`: Java's name of the member."""
    return name[:1].lower() + name[1:]


def _shortest(value: float) -> str:
    """The fewest digits that name a 32-bit value."""
    target = to_float32(value)
    for digits in range(1, 10):
        text = f"{target:.{digits}g}"
        if to_float32(float(text)) == target:
            return text
    return repr(target)


def _java_number(digits: str) -> str:
    """Decimal between 10^-3 and 10^7, computerised scientific notation elsewhere, always with a point."""
    number = Decimal(digits)
    if number.is_zero():
        return "-0.0" if math.copysign(1, float(digits)) < 0 else "0.0"
    if Decimal("0.001") <= abs(number) < 10**7:
        text = format(number, "f")
        return text if "." in text else f"{text}.0"
    exponent = number.adjusted()
    mantissa = format(number.scaleb(-exponent).normalize(), "f")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent}"
