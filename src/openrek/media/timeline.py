"""From packets as a container gives them to a `PacketIndex`: which pts can be trusted, how many frames a second, where the video ends."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from openrek.media.packets import CONTINUES, DISCARD, HIDDEN, KEY, NO_TIME, Numbers, PacketIndex

USUAL_RATE = Fraction(25)
"""Frames per second where nothing says how many."""
FASTEST_RATE = 1000
"""Frames per second above which a nominal rate is nonsense."""
FARTHEST = 64
"""Packets by which display order and decode order differ at most; more is a jump of the clock."""
FEW = Fraction(1, 50)
"""The part of the frames that may lack a pts; they are not shown then."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What the container and the codec say of a video stream.

    Attributes
    ----------
    rates
        Frames per second, the most trustworthy first.
    independent, reorders
        Whether the codec's packets need no others, and whether it may show frames in another order than it codes them.
    """

    number: int
    time_base: Fraction
    rates: tuple[Fraction, ...]
    independent: bool
    reorders: bool


@dataclass
class PacketColumns:
    """The packets of a stream in decode order, while they are collected."""

    pts: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    duration: array[int] = field(default_factory=lambda: array("q"))
    size: array[int] = field(default_factory=lambda: array("q"))
    flags: array[int] = field(default_factory=lambda: array("B"))


def index(columns: PacketColumns, stream: StreamFacts) -> PacketIndex:
    """The index with the container's times if every frame has one and they make sense; else by `untimed`."""
    pts, dts, duration, size = (np.array(column, np.int64) for column in (columns.pts, columns.dts, columns.duration, columns.size))
    flags: NDArray[np.uint8] = np.array(columns.flags, np.uint8)
    without = _shown(flags) & (pts == NO_TIME)
    if without.sum() <= FEW * _shown(flags).sum():
        flags[without] |= HIDDEN
    draft = PacketIndex(stream.number, stream.time_base, USUAL_RATE, True, stream.independent, 0, pts, dts, size, flags)
    if (pts[_shown(flags)] == NO_TIME).any() or not _is_near(pts[_shown(flags)]):
        return untimed(draft, stream)
    if not draft.frames:
        return draft
    packet = int(draft.frame_packets[-1])
    last = int(duration[packet])
    if packet + 1 < len(flags) and flags[packet + 1] & CONTINUES:
        last += int(duration[packet + 1])
    if last <= 0:
        steps = np.diff(draft.frame_pts())
        last = round(np.median(steps)) if len(steps) else round(1 / (next(iter(stream.rates), USUAL_RATE) * stream.time_base))
    draft = replace(draft, end_pts=int(draft.frame_pts()[-1]) + max(last, 1))
    return replace(draft, frame_rate=_rate(draft, stream.rates))


def untimed(draft: PacketIndex, stream: StreamFacts) -> PacketIndex:
    """The index without the container's times: frames follow each other at the nominal rate.

    A codec that never reorders shows its frames in the order of their packets, so these can still be told apart.
    """
    rate = next(iter(stream.rates), USUAL_RATE)
    shown = _shown(draft.flags)
    frames = int(shown.sum())
    pts = np.full(len(shown), NO_TIME, np.int64)
    if not stream.reorders:
        pts[shown] = np.arange(frames)
    dts = np.full(len(shown), NO_TIME, np.int64)
    return replace(draft, time_base=1 / rate, frame_rate=rate, usable=not stream.reorders, end_pts=max(frames, 1), pts=pts, dts=dts)


def opened_at(draft: PacketIndex, first: int) -> PacketIndex:
    """The index without the frames before `first`, the first that could be decoded, so far as they lack the keyframe that they build on.

    A recording that begins in the middle of a group of pictures shows nothing until its first keyframe. Frames that are lost in spite of a
    keyframe are damage, and keep their places.
    """
    numbers = draft.numbers
    keys = np.flatnonzero(draft.flags & KEY)
    early = (numbers >= 0) & (numbers < first)
    if len(keys):
        early &= (np.arange(len(numbers)) < keys[0]) | (numbers < numbers[keys[0]])
    return replace(draft, flags=draft.flags | np.where(early, HIDDEN, 0).astype(np.uint8)) if early.any() else draft


def is_ascending(draft: PacketIndex) -> bool:
    """Whether frames are shown in the order in which they are coded."""
    return bool((np.diff(draft.frame_packets) > 0).all())


def _shown(flags: NDArray[np.uint8]) -> NDArray[np.bool_]:
    shown: NDArray[np.bool_] = flags & (DISCARD | HIDDEN) == 0
    return shown


def _is_near(pts: Numbers) -> bool:
    """Whether display order is near decode order."""
    order = np.argsort(pts, kind="stable")
    return not len(pts) or int(np.abs(order - np.arange(len(pts))).max()) <= FARTHEST


def _rate(draft: PacketIndex, nominal: tuple[Fraction, ...]) -> Fraction:
    """Frames per second: a nominal rate if it explains the length to within the rounding of two pts, else as counted."""
    length = draft.duration
    error, best = min(((abs(draft.frames / rate - length), rate) for rate in nominal), default=(length, USUAL_RATE))
    return best if error <= 2 * draft.time_base else (draft.frames / length).limit_denominator(1_001_000)
