"""A reply as an HTTP server sends it, without the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from openrek.awsmodel.calls import Download


@dataclass(slots=True)
class Reply:
    """Status, headers and body.

    Attributes
    ----------
    headers
        In order, spelled as AWS spells them. The length of the body is for the sender to add, unless the reply has none and tells
        another's (HEAD).
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Download = b""
