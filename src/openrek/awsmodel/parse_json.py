"""JSON bodies into parameters: every value has exactly the JSON type that its shape says."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

from openrek.awsmodel.shapes import Shape
from openrek.awsmodel.timestamps import parse_timestamp

_INTEGER_BITS = {"integer": 31, "long": 63}
_LARGEST_FLOAT = 3.4028234663852886e38
_JAVA_NAMES = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
    "blob": "a Blob",
    "timestamp": "a Timestamp",
}


class MalformedValueError(ValueError):
    """A value cannot be what its shape says."""


def load_json(body: bytes) -> Any:
    """A JSON document; an empty body is an empty object.

    Raises
    ------
    MalformedValueError
        It is not JSON, not UTF-8, or too deep.
    """
    if not body.strip():
        return {}
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except MalformedValueError:
        raise
    except UnicodeDecodeError:
        raise MalformedValueError("The request body is not UTF-8") from None
    except RecursionError:
        raise MalformedValueError("The request body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise MalformedValueError(f"Could not parse the request body into JSON: {error}") from None
    except ValueError:  # an integer of more digits than Python converts
        raise MalformedValueError("The request body has a number that is too long") from None


def parse_json(shape: Shape, value: Any) -> Any:
    """A value of a shape from its JSON.

    Members that the shape does not have are left out, and so are those that are null. A null inside a list or map stays, for
    validation to find.

    Raises
    ------
    MalformedValueError
        It has another JSON type.
    """
    return _PARSERS[shape.kind](shape, value)


def _structure(shape: Shape, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        _refuse(shape, value)
    members = shape.body_members
    params = {}
    for name, raw in value.items():
        member = members.get(name)
        if member is not None and raw is not None:
            params[member.name] = _PARSERS[member.shape.kind](member.shape, raw)
    return params


def _list(shape: Shape, value: Any) -> list[Any]:
    if type(value) is not list:
        _refuse(shape, value)
    assert shape.element is not None
    element = shape.element.shape
    parse = _PARSERS[element.kind]
    return [None if raw is None else parse(element, raw) for raw in value]


def _map(shape: Shape, value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        _refuse(shape, value)
    assert shape.entry is not None
    entry = shape.entry.shape
    parse = _PARSERS[entry.kind]
    return {well_formed(key): None if raw is None else parse(entry, raw) for key, raw in value.items()}


def _string(shape: Shape, value: Any) -> str:
    if type(value) is not str:
        _refuse(shape, value)
    return well_formed(value)


def _integer(shape: Shape, value: Any) -> int:
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        _refuse(shape, value)
    bound = 1 << _INTEGER_BITS[shape.kind]
    if not -bound <= value < bound:
        raise MalformedValueError(f"The number does not fit into {_JAVA_NAMES[shape.kind]}")
    return value


def _float(shape: Shape, value: Any) -> float:
    if type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    if type(value) is not float:
        _refuse(shape, value)
    if math.isinf(value) or (shape.kind == "float" and abs(value) > _LARGEST_FLOAT):
        raise MalformedValueError(f"The number does not fit into {_JAVA_NAMES[shape.kind]}")
    return value


def _boolean(shape: Shape, value: Any) -> bool:
    if type(value) is not bool:
        _refuse(shape, value)
    return value


def _blob(shape: Shape, value: Any) -> bytes:
    if type(value) is not str:
        _refuse(shape, value)
    return decode_blob(value)


def _timestamp(shape: Shape, value: Any) -> Any:
    if type(value) is not int and type(value) is not float and type(value) is not str:
        _refuse(shape, value)
    try:
        return parse_timestamp(value)
    except ValueError:
        raise MalformedValueError(f"{_token(value)} can not be converted to a Timestamp") from None


_PARSERS: dict[str, Callable[[Shape, Any], Any]] = {
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


def well_formed(text: str) -> str:
    """The text, if it can be written as UTF-8: JSON can spell half a surrogate pair.

    Raises
    ------
    MalformedValueError
        It cannot.
    """
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise MalformedValueError("A string has half a surrogate pair") from None
    return text


def decode_blob(text: str) -> bytes:
    """Bytes from base64.

    Raises
    ------
    MalformedValueError
        It is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedValueError("A blob is not base64") from None


def _refuse(shape: Shape, value: Any) -> NoReturn:
    if shape.kind in {"list", "map"}:
        raise MalformedValueError(f"Expected {shape.kind} or null")
    if isinstance(value, list):
        raise MalformedValueError("Start of list found where not expected")
    if isinstance(value, dict):
        raise MalformedValueError("Start of structure or map found where not expected.")
    if shape.kind == "structure":
        raise MalformedValueError("Unexpected field type")
    raise MalformedValueError(f"{_token(value)} can not be converted to {_JAVA_NAMES[shape.kind]}")


def _token(value: Any) -> str:
    if isinstance(value, bool):
        return f"{value}_VALUE".upper()
    if isinstance(value, float):
        return "DECIMAL_VALUE"
    return "NUMBER_VALUE" if isinstance(value, int) else "STRING_VALUE"


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedValueError(f"{name} is not JSON")
