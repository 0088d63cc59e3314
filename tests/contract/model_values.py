"""Random values that have the shape a service model says, for tests that go through every operation."""

from __future__ import annotations

import random
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from openrek.awsmodel.shapes import Member, Shape

SERVED = ("rekognition", "sqs", "sns", "iam", "sts", "s3", "lambda", "logs")
UNIONS = frozenset({"PolicyIdentifier", "ObjectEncryption", "IntegrationDetails", "ResourceConfig"})
TEXT = "abcXYZ019 -_./:+=@&<>\"'%?#;,ñß東京🎬\t\n"
TOKEN = "abcXYZ019-_."


class ModelValues:
    """Values for one protocol: what it cannot carry (an empty list in a form) is not made.

    Strings keep to no pattern or length: these values are for the wire, not for validation.
    """

    def __init__(self, rng: random.Random, *, empties: bool) -> None:
        self._random = rng
        self._empties = empties

    def structure(self, shape: Shape, depth: int = 0) -> dict[str, Any]:
        values = {}
        members = shape.members
        if shape.name in UNIONS:
            name = self._random.choice(list(members))
            return {name: self.value(members[name].shape, depth + 1)}
        for name, member in members.items():
            wanted = name in shape.required or (depth < 4 and self._random.random() < 0.5)
            if wanted and not member.shape.event_stream:
                value = self._located(member) if member.location else self.value(member.shape, depth + 1)
                if value is not None:
                    values[name] = value
        return values

    def value(self, shape: Shape, depth: int) -> Any:
        rng = self._random
        if shape.kind == "structure":
            return self.structure(shape, depth) or (None if not self._empties else {})
        if shape.kind == "list":
            assert shape.element is not None
            items = [self.value(shape.element.shape, depth + 1) for _ in range(rng.randrange(4))]
            items = [item for item in items if item is not None]
            return items if items or self._empties else None
        if shape.kind == "map":
            assert shape.entry is not None
            pairs = {self.text(TEXT): self.value(shape.entry.shape, depth + 1) for _ in range(rng.randrange(4))}
            pairs = {key: value for key, value in pairs.items() if value is not None}
            return pairs if pairs or self._empties else None
        return self.scalar(shape)

    def scalar(self, shape: Shape) -> Any:
        rng = self._random
        match shape.kind:
            case "string":
                return rng.choice(shape.enum) if shape.enum else self.text(TEXT)
            case "integer":
                return rng.choice([0, 1, -1, 2**31 - 1, -(2**31), rng.randrange(1000)])
            case "long":
                return rng.choice([0, 2**63 - 1, -(2**63), rng.randrange(10**12)])
            case "float":
                return struct.unpack("<f", struct.pack("<f", rng.choice([0.0, 1e-7, 99.5, rng.uniform(-1e6, 1e6)])))[0]
            case "double":
                return rng.choice([0.0, 1e300, 5e-324, rng.uniform(-1e6, 1e6)])
            case "boolean":
                return rng.random() < 0.5
            case "blob":
                return rng.randbytes(rng.randrange(1, 40))
            case "timestamp":
                return datetime(1971, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(4 * 10**9))
        raise AssertionError(shape.kind)

    def text(self, alphabet: str) -> str:
        return "".join(self._random.choice(alphabet) for _ in range(self._random.randrange(1, 12)))

    def _located(self, member: Member) -> Any:
        """A value for a header, the query or the URI, where fewer characters may stand."""
        kind = member.shape.kind
        if member.location == "statusCode":
            return self._random.choice([200, 202, 204])
        if kind == "map":
            return {self.text("abcxyz019-"): self.text(TOKEN) for _ in range(self._random.randrange(1, 3))}
        if kind == "list":
            assert member.shape.element is not None
            element = member.shape.element.shape
            return [self._random.choice(element.enum) if element.enum else self.text(TOKEN) for _ in range(self._random.randrange(1, 3))]
        if kind == "string" and not member.shape.enum:
            wide = member.location == "querystring" or (member.location == "uri" and member.wire_name == "Key")
            return self.text(TEXT if wide else TOKEN)
        return self.scalar(member.shape)
