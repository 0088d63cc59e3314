"""Whether a shift of what was there before explains a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openrek.features.block_views import BLOCKS

Floats = NDArray[np.float32]

NOISE = 9.0
"""Variance of levels that is taken for noise."""
_SHIFTS = tuple((y, x) for y in range(-3, 4) for x in range(-4, 5))
"""Pixels of a thumbnail by which things are supposed to move at most."""


def unexplained(before: Floats, after: Floats) -> Floats:
    """Share of the variance of blocks that no shift of what was there before explains, shape (pairs,); lighting is left out of account.

    Parameters
    ----------
    before, after
        Luma of thumbnails, shape (pairs, height, width).
    """
    count, height, width = before.shape
    rows, columns = max(abs(y) for y, _ in _SHIFTS), max(abs(x) for _, x in _SHIFTS)
    padded = np.pad(before, ((0, 0), (rows, rows), (columns, columns)), mode="edge")
    best = np.full((count, *BLOCKS), np.inf, np.float32)
    for y, x in _SHIFTS:
        shifted = padded[:, rows + y : rows + y + height, columns + x : columns + x + width]
        best = np.minimum(best, _variance(after - shifted))
    whole = _variance(before) + _variance(after) + np.float32(NOISE)
    return np.asarray(np.minimum(2 * best / whole, 1).mean(axis=(1, 2)), np.float32)


def _variance(pictures: Floats) -> Floats:
    """Variance within each block."""
    count, height, width = pictures.shape
    blocks = pictures.reshape(count, BLOCKS[0], height // BLOCKS[0], BLOCKS[1], width // BLOCKS[1])
    variance: Floats = np.square(blocks).mean(axis=(2, 4)) - np.square(blocks.mean(axis=(2, 4)))
    return variance
