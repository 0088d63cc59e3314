"""What every single frame is, in a few numbers each: small enough to be held for a whole video."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openrek.features.black import BlackRule, is_empty
from openrek.features.color_bars import likeness
from openrek.observations import Observation

_FEW = 4096
_ALIKE = 8
"""Levels."""


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """Frames in display order, by place; one that was lost to damage has no place.

    Attributes
    ----------
    pts, numbers
        In the video's time base, and the frame's number.
    dark
        As the request defines black, sound apart.
    empty
        It shows nothing but black.
    change
        Mean change of levels since the frame before; 0 for the first.
    level, contrast
        Mean and standard deviation of the levels.
    plain
        Share of the thumbnail that is as light as most of it.
    bars
        How much it looks like colour bars, 0 to 1.
    """

    pts: NDArray[np.int64]
    numbers: NDArray[np.int64]
    dark: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    change: NDArray[np.float32]
    level: NDArray[np.float32]
    contrast: NDArray[np.float32]
    plain: NDArray[np.float32]
    bars: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.pts)


def gather(seen: Iterable[Observation], rule: BlackRule) -> FrameFacts:
    """The facts of all frames.

    Parameters
    ----------
    seen
        What `thumbnail` saw of every frame.
    """
    rows: list[tuple[float, ...]] = []
    parts: list[NDArray[np.float64]] = []
    moments: list[tuple[int, int]] = []
    before: NDArray[np.int16] | None = None
    for moment in seen:
        luma = moment["luma"][0]
        levels = luma.astype(np.int16)
        change = float(np.abs(levels - before).mean()) if before is not None else 0.0
        bars = likeness(luma, moment["chroma"][0])
        plain = float((np.abs(levels - np.median(levels)) <= _ALIKE).mean())
        rows.append((rule.is_black(moment["levels"][0]), is_empty(luma), change, luma.mean(), luma.std(), plain, bars))
        moments.append((moment.pts, moment.frame))
        before = levels
        if len(rows) == _FEW:
            parts.append(np.array(rows, np.float64))
            rows = []
    table = np.concatenate([*parts, np.array(rows, np.float64).reshape(-1, 7)])
    when = np.array(moments, np.int64).reshape(-1, 2)
    return FrameFacts(
        when[:, 0],
        when[:, 1],
        table[:, 0] > 0,
        table[:, 1] > 0,
        table[:, 2].astype(np.float32),
        table[:, 3].astype(np.float32),
        table[:, 4].astype(np.float32),
        table[:, 5].astype(np.float32),
        table[:, 6].astype(np.float32),
    )
