"""Pictures in forms that things which move a little leave as they are: what levels, what texture and what colours there are, not where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BLOCKS = (3, 6)
"""Rows and columns of blocks of a thumbnail."""
_LEVELS = 6
"""Numbers that stand for the distribution of levels in a block."""
_COLOURS = 18


def local_levels(luma: NDArray[np.uint8]) -> Floats:
    """How levels are distributed in each block: means of sixths of its sorted pixels, shape (n, blocks x 6).

    The mean difference of two rows is the earth mover's distance between distributions, block by block.
    """
    pixels = np.sort(_in_blocks(luma), axis=2)
    parts = pixels.reshape(len(luma), pixels.shape[1], _LEVELS, -1)
    means: Floats = parts.mean(axis=3, dtype=np.float32)
    return means.reshape(len(luma), -1)


def colours(chroma: NDArray[np.uint8]) -> Floats:
    """How blue and red differences are distributed in a picture: means of eighteenths of the sorted ones, shape (n, 36)."""
    differences = np.sort(chroma.reshape(len(chroma), -1, 2), axis=1)
    means: Floats = differences.reshape(len(chroma), _COLOURS, -1, 2).mean(axis=2, dtype=np.float32)
    return means.reshape(len(chroma), -1)


def texture(luma: NDArray[np.uint8]) -> Floats:
    """Mean difference of neighbouring pixels in each block, shape (n, blocks). Two pictures that are mixed have less than either."""
    pictures = luma.astype(np.int16)
    steps = np.zeros(luma.shape, np.int16)
    steps[:, :, 1:] = np.abs(np.diff(pictures, axis=2))
    steps[:, 1:] += np.abs(np.diff(pictures, axis=1))
    means: Floats = _in_blocks(steps).mean(axis=2, dtype=np.float32)
    return means


def _in_blocks(pictures: NDArray[np.uint8] | NDArray[np.int16]) -> NDArray[np.uint8] | NDArray[np.int16]:
    """Pixels block by block, shape (n, blocks, pixels)."""
    count, height, width = pictures.shape
    rows, columns = BLOCKS
    blocks = pictures.reshape(count, rows, height // rows, columns, width // columns).swapaxes(2, 3)
    return blocks.reshape(count, rows * columns, -1)
