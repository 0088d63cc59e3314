"""Scalars that came as text: in a form, a header, a query string, a URI or an XML element."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from openrek.awsmodel.parse_json import MalformedValueError, decode_blob
from openrek.awsmodel.shapes import Shape
from openrek.awsmodel.timestamps import parse_timestamp

Scalar = str | int | float | bool | bytes | datetime

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BITS = {"integer": 31, "long": 63}


def parse_text(shape: Shape, text: str) -> Scalar:
    """A value of a scalar shape from its text.

    Raises
    ------
    MalformedValueError
        The text is not of that kind, or the kind is no scalar.
    """
    parser = _PARSERS.get(shape.kind)
    if parser is None:
        raise MalformedValueError(f"A {shape.kind} was expected")
    return parser(shape, text)


def _string(_: Shape, text: str) -> str:
    return text


def _integer(shape: Shape, text: str) -> int:
    bound = 1 << _BITS[shape.kind]
    if not _INTEGER.fullmatch(text.strip()) or not -bound <= int(text) < bound:
        raise MalformedValueError(f"{text[:100]!r} is not an integer, or too large")
    return int(text)


def _float(_: Shape, text: str) -> float:
    if not _FLOAT.fullmatch(text.strip()):
        raise MalformedValueError(f"{text[:100]!r} is not a number")
    return float(text)


def _boolean(_: Shape, text: str) -> bool:
    word = text.strip().lower()
    if word not in {"true", "false"}:
        raise MalformedValueError(f"{text[:100]!r} is neither true nor false")
    return word == "true"


def _blob(_: Shape, text: str) -> bytes:
    return decode_blob("".join(text.split()))


def _timestamp(_: Shape, text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except ValueError:
        raise MalformedValueError(f"{text[:100]!r} is not a timestamp") from None


_PARSERS: dict[str, Callable[[Shape, str], Scalar]] = {
    "string": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "blob": _blob,
    "timestamp": _timestamp,
}
