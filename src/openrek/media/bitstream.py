"""What is asked of a packet's own bytes where containers are vague: can decoding start at it, does a picture come out of it?

A keyframe flag is a muxer's word. x264's periodic intra refresh flags frames at which FFmpeg's decoder does not start, some muxers
flag everything. And a packet may show nothing: the second field of an interlaced H.264 picture, a hidden reference of VP8 or VP9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Look:
    """What the bytes of a packet say.

    Attributes
    ----------
    starts
        Decoding can start here, if the container says so too.
    shows
        A picture comes out.
    continues
        It belongs to the picture of the packet before.
    """

    starts: bool = True
    shows: bool = True
    continues: bool = False


PLAIN = Look()
"""Of a packet that there is no doubt about."""


class Inspector(Protocol):
    """Looks into the packets of one stream, in decode order."""

    def wants(self, keyframe: bool) -> bool:
        """Whether it must see a packet; any other is `PLAIN`."""
        ...

    def look(self, data: bytes) -> Look:
        """What a packet says; `data` is not empty."""
        ...


class Bits:
    """Reads bits, most significant first; past the end come zeros."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        self._left -= count
        taken = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return taken & ((1 << count) - 1)

    def ue(self) -> int:
        """An unsigned Exp-Golomb number (ITU-T H.264, 9.1)."""
        zeros = 0
        while zeros < 32 and self.u(1) == 0:
            zeros += 1
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb number."""
        number = self.ue()
        return (number + 1) // 2 if number % 2 else -(number // 2)
