"""The packets of a video stream, demuxed once: frame numbers, sample instants and places to cut come from here.

This module is used on both sides of the sandbox; it knows numbers only, and nothing of FFmpeg.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from openrek.errors import ObservationError
from openrek.observations import Sampling
from openrek.timecode import ticks

KEY = 1
"""Decoding can start at this packet."""
DISCARD = 2
"""The container wants it decoded but not shown: it lies before an edit."""
HIDDEN = 4
"""No picture comes out of it."""
CONTINUES = 8
"""It holds the second field of the picture that the packet before began."""
CORRUPT = 16
"""The demuxer knows that it is damaged."""

NO_TIME = -(2**63)
"""In place of a pts or dts that is not known."""
MOST_PACKETS = 8_000_000
"""Six hours at 240 frames/s are 5.2 million."""
_SHOWS_NOTHING = DISCARD | HIDDEN
_EARLIEST, _LATEST = -(2**61), 2**61
_LONGEST = 10 * 365 * 86_400
_ARRAYS = {"pts": "int64", "dts": "int64", "size": "int64", "flags": "uint8"}

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """All packets of the video stream in decode order, and what follows from them.

    Frames are numbered in display order from 0, the first that is shown. If pts cannot be trusted (`usable` is False), frames are
    numbered as the decoder gives them out, and the time of frame n is n / `frame_rate`.

    Attributes
    ----------
    stream
        Number of the stream in its container.
    time_base
        Seconds of one unit of pts; 1 / `frame_rate` if pts are not usable.
    frame_rate
        Average frames per second.
    usable
        Every packet has a pts, and they give the order in which the decoder shows the frames.
    independent
        No packet needs another one to be decoded.
    end_pts
        First pts after the last frame has been shown.
    pts, dts
        Shape (n,), int64; `NO_TIME` where it is not known.
    size
        Bytes, shape (n,), int64.
    flags
        `KEY` and so on, shape (n,), uint8.
    """

    stream: int
    time_base: Fraction
    frame_rate: Fraction
    usable: bool
    independent: bool
    end_pts: int
    pts: Numbers
    dts: Numbers
    size: Numbers
    flags: NDArray[np.uint8]

    @property
    def frames(self) -> int:
        """How many frames are shown."""
        return len(self.frame_packets)

    @property
    def start_pts(self) -> int:
        """The pts of the first frame that is shown."""
        return int(self.frame_pts()[0])

    @property
    def duration(self) -> Fraction:
        """Seconds from the first frame to the end of the last."""
        return (self.end_pts - self.start_pts) * self.time_base

    @cached_property
    def frame_packets(self) -> Numbers:
        """The packet of every frame, in display order."""
        shown = np.flatnonzero(self.flags & _SHOWS_NOTHING == 0)
        return shown[np.argsort(self.pts[shown], kind="stable")] if self.usable else shown

    @cached_property
    def numbers(self) -> Numbers:
        """The frame number of every packet, -1 where no frame is shown."""
        numbers = np.full(len(self.pts), -1, np.int64)
        numbers[self.frame_packets] = np.arange(self.frames)
        return numbers

    @cached_property
    def _frame_pts(self) -> Numbers:
        return self.pts[self.frame_packets] if self.usable else np.arange(self.frames, dtype=np.int64)

    def frame_pts(self) -> Numbers:
        """The pts of every frame, in display order, shape (frames,)."""
        return self._frame_pts

    @cached_property
    def _starts(self) -> tuple[Numbers, Numbers]:
        keys = np.flatnonzero(self.flags & (KEY | CONTINUES) == KEY)
        if not self.usable:
            keys = keys[:0]
        if not len(keys) or keys[0] > 0:
            keys = np.concatenate([[0], keys])
        first_shown = np.where(self.numbers < 0, self.frames, self.numbers)
        # A keyframe that is shown is where decoding is at home; what follows it and is shown earlier leads over from before.
        reached = np.where(self.numbers[keys] >= 0, self.numbers[keys], np.minimum.reduceat(first_shown, keys))
        reached[0] = 0
        shown_before = np.concatenate([[-1], np.maximum.accumulate(self.numbers)])[keys]
        good = (reached > shown_before) & (reached < max(self.frames, 1))
        keys, reached = keys[good], reached[good]
        last_of_equals = np.append(reached[1:] > reached[:-1], True)
        return keys[last_of_equals], reached[last_of_equals]

    @property
    def starts(self) -> Numbers:
        """The packets at which decoding can start, ascending; the first one gives frame 0."""
        return self._starts[0]

    @property
    def reached(self) -> Numbers:
        """The first frame that decoding from each of `starts` gives, ascending; from there on it gives all."""
        return self._starts[1]

    def keyframe_pts(self) -> Numbers:
        """The pts of the frames at which decoding can start, ascending: the places to cut the video at."""
        return self.frame_pts()[self.reached]

    def between(self, start: int, end: int) -> range:
        """The numbers of the frames with `start` <= pts < `end`."""
        first, stop = np.searchsorted(self.frame_pts(), [start, end])
        return range(int(first), int(stop))

    def frame_at(self, instant: Fraction) -> int:
        """The frame that is shown at `instant`, in seconds after the first one is: the last one at or before it."""
        pts = self.start_pts + ticks(instant, self.time_base)
        return int(np.searchsorted(self.frame_pts(), pts, side="right")) - 1

    def sampled(self, sampling: Sampling) -> Numbers:
        """The numbers of the frames that a sampling looks at, each once, ascending.

        Raises
        ------
        ValueError
            The sampling is one of sound.
        """
        if sampling.kind == "frames":
            return np.arange(self.frames, dtype=np.int64)
        if sampling.kind == "keyframes":
            return np.unique(self.numbers[(self.flags & KEY != 0) & (self.numbers >= 0)])
        if sampling.kind == "rate" and sampling.rate is not None:
            # ticks(k / rate, time_base), in whole numbers for speed: machine words where they suffice
            over = sampling.rate.denominator * self.time_base.denominator
            under = sampling.rate.numerator * self.time_base.numerator
            count = self.blocks(sampling.rate)
            k = np.arange(count, dtype=np.int64 if count * over < 2**62 and under < 2**62 else object)
            wanted = (k * over // under + self.start_pts).astype(np.int64)
            return np.unique(np.searchsorted(self.frame_pts(), wanted, side="right") - 1)
        raise ValueError(f"a sampling of kind {sampling.kind!r} looks at no frames")

    def blocks(self, rate: Fraction) -> int:
        """How many of the instants k / `rate` seconds, k = 0, 1, ..., lie before the end of the video: as many blocks of sound it has."""
        return -((-self.duration * rate) // 1)

    def blocks_between(self, start: int, end: int, rate: Fraction) -> range:
        """The numbers of the blocks of sound that begin at `start` <= pts < `end`."""
        first, stop = (-((self.start_pts - pts) * self.time_base * rate // 1) for pts in (start, end))
        return range(max(first, 0), min(max(stop, 0), self.blocks(rate)))

    def block_pts(self, block: int, rate: Fraction) -> int:
        """The pts at or just before the instant when a block of sound begins."""
        return self.start_pts + ticks(block / rate, self.time_base)

    def to_bytes(self) -> bytes:
        """The index as compressed safetensors: times as differences, some bytes a packet at most."""
        facts = {
            "stream": self.stream,
            "time_base": str(self.time_base),
            "frame_rate": str(self.frame_rate),
            "usable": self.usable,
            "independent": self.independent,
            "end_pts": self.end_pts,
        }
        arrays = {"pts": np.diff(self.pts, prepend=0), "dts": np.diff(self.dts, prepend=0), "size": self.size, "flags": self.flags}
        return zlib.compress(save(arrays, metadata={"facts": json.dumps(facts)}), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote, from a process that is not trusted.

        Raises
        ------
        ObservationError
            The bytes are no packet index, or hold what no video has.
        """
        try:
            plain = _inflate(data)
            arrays = load(plain)
            header = json.loads(plain[8 : 8 + int.from_bytes(plain[:8], "little")])
            facts = json.loads(header["__metadata__"]["facts"])
            time_base, frame_rate = Fraction(facts["time_base"]), Fraction(facts["frame_rate"])
        except (zlib.error, SafetensorError, ValueError, KeyError, TypeError, ZeroDivisionError, RecursionError) as error:
            raise ObservationError(f"not a packet index: {error}") from error
        _check_arrays(arrays)
        whole = all(type(facts.get(name)) is int for name in ("stream", "end_pts"))
        if not whole or not all(type(facts.get(name)) is bool for name in ("usable", "independent")):
            raise ObservationError("a packet index has facts of the wrong type")
        index = cls(
            facts["stream"],
            time_base,
            frame_rate,
            facts["usable"],
            facts["independent"],
            facts["end_pts"],
            np.cumsum(arrays["pts"]),
            np.cumsum(arrays["dts"]),
            arrays["size"],
            arrays["flags"],
        )
        index._check()
        return index

    def _check(self) -> None:
        """Refuse what arithmetic on the index could stumble over."""
        if not (0 < self.time_base <= 2**31 and 0 < self.frame_rate <= 2**31 and 0 <= self.stream < 2**31):
            raise ObservationError("a packet index has an impossible time base, frame rate or stream")
        if max(self.time_base.denominator, self.frame_rate.denominator) >= 2**32:
            raise ObservationError("a packet index has an impossible time base or frame rate")
        if len(self.size) and (self.size.min() < 0 or self.size.max() >= 2**31):
            raise ObservationError("a packet index has an impossible size")
        known = self.pts[self.pts != NO_TIME]
        if len(known) and (known.min() < _EARLIEST or known.max() > _LATEST):
            raise ObservationError("a packet index has an impossible pts")
        if self.frames == 0 or (self.usable and (self.frame_pts() == NO_TIME).any()):
            raise ObservationError("a packet index lacks frames, or their pts")
        if not int(self.frame_pts()[-1]) < self.end_pts <= _LATEST:
            raise ObservationError("a packet index ends before its last frame")
        if self.duration > _LONGEST:
            raise ObservationError("a packet index is of an impossibly long video")


def _inflate(data: bytes) -> bytes:
    """What zlib packed, if it is not larger than any index."""
    most = MOST_PACKETS * sum(np.dtype(dtype).itemsize for dtype in _ARRAYS.values()) + 2**16
    inflater = zlib.decompressobj()
    plain = inflater.decompress(data, most)
    if not inflater.eof:
        raise ValueError("it is too long, or ends too soon")
    return plain


def _check_arrays(arrays: dict[str, NDArray[Any]]) -> None:
    if {name: array.dtype.name for name, array in arrays.items()} != _ARRAYS:
        raise ObservationError("a packet index has arrays of the wrong name or type")
    shape = arrays["pts"].shape
    if len(shape) != 1 or any(array.shape != shape for array in arrays.values()):
        raise ObservationError("a packet index has arrays of different length")
