"""The query protocol's parameters: `Tags.member.1.Key=a&Tags.member.1.Value=b`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from openrek.awsmodel.parse_json import MalformedValueError
from openrek.awsmodel.parse_text import parse_text
from openrek.awsmodel.shapes import Member, Shape

_DEEPEST = 24
"""More steps than any served model has between a parameter and a leaf."""


class _Node(dict[str, "_Node"]):
    """What stands under one prefix; `text` is the value of the prefix itself."""

    __slots__ = ("text",)

    def __init__(self) -> None:
        self.text: str | None = None


def parse_query(shape: Shape, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parameters of an operation's input.

    Parameters
    ----------
    shape
        The input.
    pairs
        Decoded names and values of the form, and of the query string.

    Raises
    ------
    MalformedValueError
        A value is not of its shape's kind.
    """
    root = _Node()
    for name, value in pairs:
        node = root
        for step in name.split(".", _DEEPEST):
            child = node.get(step)
            if child is None:
                child = node[step] = _Node()
            node = child
        node.text = value
    return _structure(shape, root)


def _structure(shape: Shape, node: _Node) -> dict[str, Any]:
    params = {}
    for wire_name, member in shape.body_members.items():
        child = node.get(wire_name)
        if child is not None:
            params[member.name] = _value(member, child)
    return params


def _value(member: Member, node: _Node) -> Any:
    shape = member.shape
    if shape.kind == "structure":
        return _structure(shape, node)
    if shape.kind == "list":
        assert shape.element is not None
        entries = node if member.flattened else node.get(shape.element.wire_name, _Node())
        return [_value(shape.element, entry) for entry in _numbered(entries)]
    if shape.kind == "map":
        return _map(member, node)
    if node.text is None:
        raise MalformedValueError(f"{member.wire_name} has no value of its own")
    return parse_text(shape, node.text)


def _map(member: Member, node: _Node) -> dict[str, Any]:
    key, entry = member.shape.key, member.shape.entry
    assert key is not None
    assert entry is not None
    pairs: dict[str, Any] = {}
    for numbered in _numbered(node if member.flattened else node.get("entry", _Node())):
        key_node = numbered.get(key.wire_name)
        if key_node is None or key_node.text is None:
            raise MalformedValueError(f"An entry of {member.wire_name} has no {key.wire_name}")
        value_node = numbered.get(entry.wire_name)
        pairs[key_node.text] = None if value_node is None else _value(entry, value_node)
    return pairs


def _numbered(node: _Node) -> list[_Node]:
    numbers = sorted((int(step), step) for step in node if step.isascii() and step.isdigit() and len(step) < 10)
    return [node[step] for _, step in numbers]
