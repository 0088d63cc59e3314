"""Lines of print over time: those that stand still for a while, and those that roll by. What is seen but once is no print."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from openrek.observations import Demand, Observation, Sampling

TEXT_LAYOUT = Demand("text-layout", Sampling("rate", Fraction(4)))
_SAME_PLACE = 0.012
"""Share of the picture by which a line that stands still may seem to move, or one that rolls to move sideways."""
_SAME_SIZE = 0.03
_FARTHEST = 0.35
"""Share of the height that a roll moves at most between two looks."""
_TOGETHER = 0.006
"""Share of the height by which lines of one roll differ in their way."""

Boxes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Page:
    """The print of one moment.

    Attributes
    ----------
    place
        Of the frame.
    lines
        Boxes of the lines that were there at the moment before or after as well: left, top, width, height, shape (n, 4).
    rolls
        Whether most of them move up or down together.
    """

    place: int
    lines: Boxes
    rolls: bool


def pages(seen: Iterable[Observation], frame_pts: NDArray[np.int64]) -> list[Page]:
    """The print of every moment that `TEXT_LAYOUT` saw.

    Parameters
    ----------
    frame_pts
        Of all frames, ascending.
    """
    moments = [(moment.pts, np.asarray(moment["boxes"], np.float32)) for moment in seen]
    steps = [_step(a[1], b[1]) for a, b in pairwise(moments)]
    found = []
    for number, (pts, boxes) in enumerate(moments):
        stays = np.zeros(len(boxes), bool)
        moves = 0
        if number > 0:
            stays |= _has_counterpart(moments[number - 1][1], boxes, steps[number - 1])
            moves += steps[number - 1] != 0
        if number < len(steps):
            stays |= _has_counterpart(moments[number + 1][1], boxes, -steps[number])
            moves += steps[number] != 0
        place = max(0, int(np.searchsorted(frame_pts, pts, side="right")) - 1)
        found.append(Page(place, boxes[stays], bool(moves)))
    return found


def _step(before: Boxes, after: Boxes) -> float:
    """By how much most lines have moved down; 0 if they stand still, or have nothing to do with each other."""
    if len(before) < 2 or len(after) < 2:
        return 0.0
    pairs = _alike(before, after)
    ways = (after[None, :, 1] - before[:, None, 1])[pairs]
    ways = ways[np.abs(ways) <= _FARTHEST]
    if not len(ways):
        return 0.0
    votes = (np.abs(ways[:, None] - ways[None, :]) <= _TOGETHER).sum(axis=1)
    best = int(np.argmax(votes))
    standing = int((np.abs(ways) <= _TOGETHER).sum())
    enough = votes[best] >= max(2, 0.5 * min(len(before), len(after)))
    return float(ways[best]) if enough and votes[best] > standing and abs(float(ways[best])) > _TOGETHER else 0.0


def _has_counterpart(others: Boxes, boxes: Boxes, step: float) -> NDArray[np.bool_]:
    """Which of `boxes` are among `others` as well, in the same place or `step` higher."""
    way = boxes[None, :, 1] - others[:, None, 1]
    there = (np.abs(way) <= _SAME_PLACE) | ((np.abs(way - step) <= 2 * _TOGETHER) & (step != 0))
    has: NDArray[np.bool_] = (_alike(others, boxes) & there).any(axis=0)
    return has


def _alike(before: Boxes, after: Boxes) -> NDArray[np.bool_]:
    """Whether lines are as long and as high, and as far to the left; shape (before, after)."""
    difference = np.abs(before[:, None] - after[None])
    alike: NDArray[np.bool_] = (difference[..., 0] <= _SAME_PLACE) & (difference[..., 2] <= _SAME_SIZE) & (difference[..., 3] <= _SAME_SIZE)
    return alike
