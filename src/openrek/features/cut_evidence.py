"""What speaks for a cut between two frames: how unlike all that comes after is to all that was before.

A cut is a change that is sharp and stays. So a place is judged by the frames on both sides of it (`REACH` each): by how much the change
there stands out from those beside it, and by the most similar pair among a frame before and a frame after. A flash, a flicker or somebody
who passes by gives way to the picture that was there before, and so has such a pair; fast motion does not stand out.

Pictures are compared in four ways, since each is blind to something: by correlation (blind to lighting), level by level, by the
distribution of levels (blind to motion: the earth mover's distance), by colour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

REACH = 8
"""Frames on each side, of 30 a second; at higher rates further apart."""
FAINT = 3.0
"""Mean change of levels, and twice that of colours, under which nothing is a cut."""
ALIKE = 0.03
"""Unlikeness by correlation under which two frames show the same."""
_NOISE = 9.0
"""Variance of levels that is taken for noise: what is flatter correlates with nothing."""
_QUANTILES = 16
"""Every so manieth of the sorted levels stands for the distribution."""
_NEAR = ((-2, -1), (1, 2))
SAME_CORRELATION, SAME_LEVELS = 0.12, 12.0
"""Unlikeness within which a frame after a change shows the same as one before it, whatever lies between."""
RETURN = 24
"""Frames within which a picture that comes back speaks against a cut, of 30 a second."""
MEASURES = ("correlation", "levels", "distribution", "colour")
_OF_A_MEASURE = ("here", "beyond its neighbours", "most similar", "close")
EVIDENCE = (
    *(f"{measure} {what}" for measure in MEASURES for what in _OF_A_MEASURE),
    *(f"{measure} returns {when}" for measure in ("correlation", "colour") for when in ("later", "from earlier")),
    "not explained by motion",
)
"""Names of what `evidence` gives, all of them the larger the more they speak for a cut."""

_SHIFTS = tuple((y, x) for y in range(-3, 4) for x in range(-4, 5))
"""Pixels of a thumbnail by which things are supposed to move at most from one frame to the next."""
_BLOCKS = (3, 6)


class Views:
    """Frames in the forms in which they are compared, each as one row of numbers.

    Parameters
    ----------
    luma, chroma
        Consecutive thumbnails, uint8, shape (n, height, width) and (n, height, width, 2).
    """

    def __init__(self, luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> None:
        self.pictures: Floats = luma.astype(np.float32)
        self.levels: Floats = self.pictures.reshape(len(luma), -1)
        centred = self.levels - self.levels.mean(axis=1, keepdims=True)
        power = np.square(centred).mean(axis=1)
        self.contrast: Floats = np.sqrt(power)
        self.correlation: Floats = centred / np.sqrt((power + _NOISE) * self.levels.shape[1])[:, None]
        self.distribution: Floats = np.sort(luma.reshape(len(luma), -1), axis=1)[:, ::_QUANTILES].astype(np.float32)
        self.colour: Floats = chroma.reshape(len(chroma), -1).astype(np.float32)
        self.steps = {measure: self._steps(measure) for measure in MEASURES}

    def __len__(self) -> int:
        return len(self.levels)

    def _steps(self, measure: str) -> Floats:
        """How unlike each frame is to the one before it; 0 for the first."""
        rows: Floats = getattr(self, measure)
        steps = np.zeros(len(rows), np.float32)
        if measure == "correlation":
            steps[1:] = 1 - np.einsum("ij,ij->i", rows[1:], rows[:-1])
        else:
            steps[1:] = np.abs(rows[1:] - rows[:-1]).mean(axis=1)
        return steps

    def across(self, measure: str, before: Places, after: Places) -> Floats:
        """How unlike each frame of `before` is to each of `after`, both of shape (places, k); shape (places, k, k)."""
        rows: Floats = getattr(self, measure)
        one, other = rows[before], rows[after]
        if measure == "correlation":
            return np.asarray(1 - one @ other.transpose(0, 2, 1), np.float32)
        return np.stack([np.abs(one[:, i, None] - other).mean(axis=2) for i in range(one.shape[1])], axis=1)


def candidates(views: Views) -> Places:
    """The frames before which there may be a cut: those where the change is as large as any beside it, and not faint."""
    change = views.steps["levels"] + 2 * views.steps["colour"]
    beside = np.maximum(np.append(change[1:], 0), np.insert(change[:-1], 0, 0))
    return np.flatnonzero((change > FAINT) & (change >= 0.99 * beside) & (views.steps["correlation"] > ALIKE))


def evidence(views: Views, places: Places, step: float) -> Floats:
    """What speaks for a cut before each of the frames `places`; shape (places, len(EVIDENCE)).

    Parameters
    ----------
    step
        Frames between two that are compared, at least 1.
    """
    last = len(views) - 1
    offsets = np.rint(np.arange(RETURN) * step).astype(np.int64)
    before = np.clip(places[:, None] - 1 - offsets, 0, last)
    after = np.clip(places[:, None] + offsets, 0, last)
    columns = []
    for measure in MEASURES:
        steps = np.pad(views.steps[measure], 2)
        here = views.steps[measure][places]
        beside = np.max([steps[places + 2 + offset] for low, high in _NEAR for offset in range(low, high + 1)], axis=0)
        unlike = views.across(measure, before[:, :REACH], after[:, :REACH])
        columns += [here, here - beside, unlike.min(axis=(1, 2)), unlike[:, :3, :3].mean(axis=(1, 2))]
    for measure in ("correlation", "colour"):
        columns += [
            views.across(measure, before[:, :1], after).min(axis=(1, 2)),
            views.across(measure, before, after[:, :1]).min(axis=(1, 2)),
        ]
    columns.append(_unexplained(views.pictures[places - 1], views.pictures[places]))
    return np.stack(columns, axis=1).astype(np.float32)


def comes_back(found: Floats) -> NDArray[np.bool_]:
    """Whether the picture is soon what it was before, by the evidence; shape (places,). No true cut of 589 does."""
    correlation, levels = (found[:, EVIDENCE.index(f"{measure} most similar")] for measure in ("correlation", "levels"))
    back: NDArray[np.bool_] = (correlation < SAME_CORRELATION) & (levels < SAME_LEVELS)
    return back


def _unexplained(before: Floats, after: Floats) -> Floats:
    """Share of the variance of blocks that no shift of what was there before explains, shape (pairs,); lighting is left out of account."""
    count, height, width = before.shape
    rows, columns = max(abs(y) for y, _ in _SHIFTS), max(abs(x) for _, x in _SHIFTS)
    padded = np.pad(before, ((0, 0), (rows, rows), (columns, columns)), mode="edge")
    best = np.full((count, *_BLOCKS), np.inf, np.float32)
    for y, x in _SHIFTS:
        shifted = padded[:, rows + y : rows + y + height, columns + x : columns + x + width]
        best = np.minimum(best, _variance(after - shifted))
    whole = _variance(before) + _variance(after) + np.float32(_NOISE)
    return np.asarray(np.minimum(2 * best / whole, 1).mean(axis=(1, 2)), np.float32)


def _variance(pictures: Floats) -> Floats:
    """Variance within each block."""
    count, height, width = pictures.shape
    blocks = pictures.reshape(count, _BLOCKS[0], height // _BLOCKS[0], _BLOCKS[1], width // _BLOCKS[1])
    variance: Floats = np.square(blocks).mean(axis=(2, 4)) - np.square(blocks.mean(axis=(2, 4)))
    return variance
