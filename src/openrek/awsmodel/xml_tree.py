"""XML bodies: read without document types and entities, element names without their namespaces."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from openrek.awsmodel.parse_json import MalformedValueError


class _Builder(TreeBuilder):
    def doctype(self, name: str, pubid: str, system: str) -> None:
        """Refuse what could define entities."""
        raise MalformedValueError("A document type is not allowed")


def load_xml(body: bytes) -> Element:
    """The root element.

    Raises
    ------
    MalformedValueError
        It is not well-formed, or declares a document type.
    """
    parser = XMLParser(target=_Builder())  # noqa: S314 - without a document type there are no entities to expand
    try:
        parser.feed(body)
        root = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        raise MalformedValueError(f"The request body is not well-formed XML: {error}") from None
    assert isinstance(root, Element)
    return root


def local_name(name: str) -> str:
    """`{http://…}Key` → `Key`."""
    return name.rpartition("}")[2]
