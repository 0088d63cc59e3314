"""Shapes of a service model: what a value must look like, and where each member goes on the wire.

botocore's own `Shape` objects are rebuilt for every reference to them; these are built once per name, so that the request path
only follows pointers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False, repr=False)
class Member:
    """A reference to a shape: a structure's member, a list's element, a map's key or value.

    Attributes
    ----------
    name
        As in parameters and results.
    wire_name
        As in the request or response: XML element, JSON key, header, query parameter, label of the URI.
    location
        `uri`, `querystring`, `header`, `headers` (a prefix of many), `statusCode`; None is the body.
    flattened
        A list or map whose entries stand in the parent element, without one around them.
    streaming
        The body itself, handed on unread.
    """

    name: str
    shape: Shape
    wire_name: str
    location: str | None = None
    flattened: bool = False
    streaming: bool = False
    xml_attribute: bool = False
    xml_namespace: Mapping[str, str] | None = None
    timestamp_format: str | None = None

    def __repr__(self) -> str:
        return f"<{self.name}: {self.shape!r}>"


@dataclass(slots=True, eq=False, repr=False)
class Shape:
    """A type of a service model.

    Attributes
    ----------
    kind
        `structure`, `list`, `map`, `string`, `integer`, `long`, `float`, `double`, `boolean`, `blob` or `timestamp`.
    members, body_members
        Of a structure: all by name; those of the body by wire name.
    element, key, entry
        Of a list: its element; of a map: its keys and values.
    minimum, maximum
        Of the value, or of the length of a string, list, map or blob.
    pattern
        A Java regular expression that matches the whole value.
    payload
        The member that is the body as such.
    error_code, http_status, fault
        Of an error: its code on the wire if that is not the name; its status if the model says; whether the server is to blame.
    """

    name: str
    kind: str
    members: dict[str, Member] = field(default_factory=dict)
    body_members: dict[str, Member] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    element: Member | None = None
    key: Member | None = None
    entry: Member | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    sensitive: bool = False
    payload: str | None = None
    event_stream: bool = False
    error: bool = False
    error_code: str | None = None
    http_status: int | None = None
    fault: bool = False

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}>"


class ShapeTable:
    """The shapes of one service, built when first asked for."""

    def __init__(self, raw: Mapping[str, Mapping[str, Any]]) -> None:
        self._raw = raw
        self._shapes: dict[str, Shape] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._raw

    def __getitem__(self, name: str) -> Shape:
        shape = self._shapes.get(name)
        return shape if shape is not None else self._build(name)

    def errors(self) -> list[Shape]:
        """All shapes that are errors."""
        return [self[name] for name, raw in self._raw.items() if raw.get("exception")]

    def _build(self, name: str) -> Shape:
        raw = self._raw[name]
        error = raw.get("error", {})
        shape = Shape(
            name=name,
            kind="string" if raw["type"] == "character" else raw["type"],
            required=tuple(raw.get("required", ())),
            minimum=raw.get("min"),
            maximum=raw.get("max"),
            pattern=raw.get("pattern"),
            enum=tuple(raw.get("enum", ())),
            sensitive=raw.get("sensitive", False),
            payload=raw.get("payload"),
            event_stream=raw.get("eventstream", False),
            error=raw.get("exception", False),
            error_code=error.get("code"),
            http_status=error.get("httpStatusCode"),
            fault=raw.get("fault", False) or error.get("fault", False),
        )
        self._shapes[name] = shape  # before its members: a shape may contain itself
        for member_name, reference in raw.get("members", {}).items():
            member = self._reference(member_name, reference, member_name)
            shape.members[member_name] = member
            if member.location is None:
                shape.body_members[member.wire_name] = member
        if "member" in raw:
            shape.element = self._reference("member", raw["member"], "member")
        if "key" in raw:
            shape.key = self._reference("key", raw["key"], "key")
            shape.entry = self._reference("value", raw["value"], "value")
        return shape

    def _reference(self, name: str, reference: Mapping[str, Any], default_wire_name: str) -> Member:
        shape = self[reference["shape"]]
        raw = self._raw[shape.name]
        flattened = reference.get("flattened", False) or raw.get("flattened", False)
        wire_name = reference.get("locationName") or raw.get("locationName")
        if wire_name is None and flattened and "member" in raw:
            wire_name = raw["member"].get("locationName")
        return Member(
            name=name,
            shape=shape,
            wire_name=wire_name or default_wire_name,
            location=reference.get("location"),
            flattened=flattened,
            streaming=reference.get("streaming", False) or raw.get("streaming", False),
            xml_attribute=reference.get("xmlAttribute", False),
            xml_namespace=reference.get("xmlNamespace") or raw.get("xmlNamespace"),
            timestamp_format=reference.get("timestampFormat") or raw.get("timestampFormat"),
        )
