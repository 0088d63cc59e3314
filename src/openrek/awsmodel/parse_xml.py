"""XML elements into parameters."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from openrek.awsmodel.parse_json import MalformedValueError
from openrek.awsmodel.parse_text import parse_text
from openrek.awsmodel.shapes import Member, Shape
from openrek.awsmodel.xml_tree import local_name


def parse_xml(shape: Shape, element: Element) -> dict[str, Any]:
    """A structure from the element that holds its members.

    Elements that the shape does not have are left out.

    Raises
    ------
    MalformedValueError
        A value is not of its shape's kind.
    """
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(local_name(child.tag), []).append(child)
    params = {}
    for wire_name, member in shape.body_members.items():
        if member.xml_attribute:
            text = _attribute(element, wire_name)
            if text is not None:
                params[member.name] = parse_text(member.shape, text)
        elif wire_name in children:
            params[member.name] = _value(member, children[wire_name])
    return params


def _value(member: Member, elements: list[Element]) -> Any:
    shape = member.shape
    if shape.kind == "list":
        assert shape.element is not None
        name = shape.element.wire_name
        entries = elements if member.flattened else [child for child in elements[0] if local_name(child.tag) == name]
        return [_value(shape.element, [entry]) for entry in entries]
    if shape.kind == "map":
        return _map(member, elements)
    if shape.kind == "structure":
        return parse_xml(shape, elements[0])
    if len(elements[0]):
        raise MalformedValueError(f"{member.wire_name} has elements instead of a text")
    return parse_text(shape, elements[0].text or "")


def _map(member: Member, elements: list[Element]) -> dict[str, Any]:
    key, entry = member.shape.key, member.shape.entry
    assert key is not None
    assert entry is not None
    pairs = {}
    for element in elements if member.flattened else elements[0]:
        children = {local_name(child.tag): child for child in element}
        if key.wire_name not in children or entry.wire_name not in children:
            raise MalformedValueError(f"An entry of {member.wire_name} lacks its {key.wire_name} or {entry.wire_name}")
        pairs[children[key.wire_name].text or ""] = _value(entry, [children[entry.wire_name]])
    return pairs


def _attribute(element: Element, wire_name: str) -> str | None:
    name = wire_name.rpartition(":")[2]
    return next((text for attribute, text in element.attrib.items() if local_name(attribute) == name), None)
