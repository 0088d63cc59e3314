"""Thumbnails in the forms in which they are compared."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from openrek.features import block_views
from openrek.features.shifts import NOISE

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

MEASURES = ("correlation", "levels", "distribution", "colour")
_QUANTILES = 16
"""Every so manieth of the sorted levels stands for the distribution."""


class Views:
    """Frames in the forms in which they are compared, each as one row of numbers.

    Parameters
    ----------
    luma, chroma
        Consecutive thumbnails, uint8, shape (n, height, width) and (n, height, width, 2).
    """

    def __init__(self, luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> None:
        self._luma, self._chroma = luma, chroma
        self.pictures: Floats = luma.astype(np.float32)
        self.levels: Floats = self.pictures.reshape(len(luma), -1)
        centred = self.levels - self.levels.mean(axis=1, keepdims=True)
        power = np.square(centred).mean(axis=1)
        self.contrast: Floats = np.sqrt(power)
        self.correlation: Floats = centred / np.sqrt((power + NOISE) * self.levels.shape[1])[:, None]
        self.distribution: Floats = np.sort(luma.reshape(len(luma), -1), axis=1)[:, ::_QUANTILES].astype(np.float32)
        self.colour: Floats = chroma.reshape(len(chroma), -1).astype(np.float32)
        self.steps = {measure: self._steps(measure) for measure in MEASURES}

    def __len__(self) -> int:
        return len(self.levels)

    @cached_property
    def local_levels(self) -> Floats:
        """How levels are distributed in each block."""
        return block_views.local_levels(self._luma)

    @cached_property
    def colours(self) -> Floats:
        """How colours are distributed."""
        return block_views.colours(self._chroma)

    @cached_property
    def texture(self) -> Floats:
        """How much neighbouring pixels differ in each block."""
        return block_views.texture(self._luma)

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
            return np.asarray(1 - np.einsum("pik,pjk->pij", one, other), np.float32)
        return np.stack([np.abs(one[:, i, None] - other).mean(axis=2) for i in range(one.shape[1])], axis=1)
