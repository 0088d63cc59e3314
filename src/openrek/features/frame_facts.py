"""What every single frame is, in a few numbers each: small enough to be held for a whole video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from openrek.features.black import BlackRule, are_empty
from openrek.features.color_bars import likeness
from openrek.observations import THUMBNAIL, Observation

_FEW = 256
"""Frames that are looked at together."""
_ALIKE = 8
"""Levels."""
_FITS = 5
_CELL = 3
"""Side in pixels of what a gradient is fitted to."""


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
    smooth
        Share of the thumbnail that is as light as a gradient that runs over all of it.
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
    smooth: NDArray[np.float32]
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
    few: list[Observation] = []
    parts: list[NDArray[np.float64]] = []
    moments: list[tuple[int, int]] = []
    before: NDArray[np.uint8] | None = None
    for moment in seen:
        moments.append((moment.pts, moment.frame))
        few.append(moment)
        if len(few) == _FEW:
            parts.append(_table(few, before, rule))
            before = few[-1]["luma"][0]
            few = []
    table = np.concatenate([*parts, _table(few, before, rule)] if few else [*parts, np.zeros((0, 8))])
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
        table[:, 7].astype(np.float32),
    )


def _table(moments: Sequence[Observation], before: NDArray[np.uint8] | None, rule: BlackRule) -> NDArray[np.float64]:
    """A row a frame: dark, empty, change, level, contrast, plain, smooth, bars. `before` is the luma of the frame before the first."""
    luma, chroma, levels = (np.concatenate([moment[name] for moment in moments]) for name in ("luma", "chroma", "levels"))
    pixels = luma.reshape(len(luma), -1)
    previous = np.concatenate([pixels[:1] if before is None else before.reshape(1, -1), pixels[:-1]])
    rows = pixels.astype(np.int16)
    change = np.abs(rows - previous).mean(axis=1)
    ordered = np.partition(rows, [rows.shape[1] // 2 - 1, rows.shape[1] // 2], axis=1)
    usual = ordered[:, rows.shape[1] // 2 - 1 : rows.shape[1] // 2 + 1].mean(axis=1, keepdims=True)
    plain = (np.abs(rows - usual) <= _ALIKE).mean(axis=1)
    level, contrast = pixels.mean(axis=1), pixels.std(axis=1)
    facts = (rule.are_black(levels), are_empty(luma), change, level, contrast, plain, _smooth(luma), likeness(luma, chroma))
    return np.stack(facts, axis=1).astype(np.float64)


def _smooth(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Share of the pixels of each thumbnail on its gradient, a quadratic surface fitted to all but what stands out (Huber, 1964)."""
    rows, columns = THUMBNAIL[0] // _CELL, THUMBNAIL[1] // _CELL
    cells = luma.reshape(-1, rows, _CELL, columns, _CELL).mean(axis=(2, 4), dtype=np.float32).reshape(len(luma), -1)
    surfaces = _surfaces(rows, columns)
    projection = np.linalg.pinv(surfaces).astype(np.float32)
    fitted, shape = cells, np.zeros((len(luma), len(surfaces)), np.float32)
    for _ in range(_FITS):
        shape = np.einsum("np,pk->nk", fitted, projection)
        gradient = np.einsum("nk,kp->np", shape, surfaces)
        fitted = gradient + np.clip(cells - gradient, -_ALIKE, _ALIKE)
    gradient = np.einsum("nk,kp->np", shape, _surfaces(*THUMBNAIL))
    share: NDArray[np.float32] = (np.abs(luma.reshape(len(luma), -1) - gradient) <= _ALIKE).mean(axis=1, dtype=np.float32)
    return share


@cache
def _surfaces(rows: int, columns: int) -> NDArray[np.float32]:
    """Constant, linear and quadratic surfaces over a picture, shape (6, pixels)."""
    y, x = ((np.indices((rows, columns))[axis].ravel() + 0.5) / size * 2 - 1 for axis, size in enumerate((rows, columns)))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).astype(np.float32)
