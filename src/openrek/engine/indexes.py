"""The file in which an indexed video is kept: its facts, then its packets."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from openrek.engine.tasks import IndexAnswer
from openrek.media.packets import PacketIndex
from openrek.video import VideoFacts

_FACTS: TypeAdapter[VideoFacts] = TypeAdapter(VideoFacts)
_LENGTH = 4


def pack(answer: IndexAnswer) -> bytes:
    """The answer as bytes."""
    facts = _FACTS.dump_json(answer.facts)
    return len(facts).to_bytes(_LENGTH, "big") + facts + answer.packets.to_bytes()


def unpack(data: bytes) -> IndexAnswer:
    """What `pack` made.

    Raises
    ------
    ObservationError
        The packets are damaged.
    """
    start = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
    return IndexAnswer(_FACTS.validate_json(data[_LENGTH:start]), PacketIndex.from_bytes(data[start:]))


def read_packets(path: Path) -> PacketIndex:
    """The packets of an indexed video."""
    return unpack(path.read_bytes()).packets
