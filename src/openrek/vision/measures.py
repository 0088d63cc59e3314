"""Observers without a network: how light pictures are, and how loud sound is."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np

from openrek.observations import LUMA_BINS, LUMA_GRID
from openrek.vision.observers import Columns, Picture, Sound

TILE = 20
"""Side in pixels of a tile of the view that light is measured on: enough pixels for fine shares, few enough to look at every frame."""
SILENCE = -200.0
"""dBFS of digital silence, and the least that is reported."""
LOUDEST = 40.0
"""dBFS that nothing real exceeds: floating-point sound may pass full scale, but not a hundredfold."""


class Measure:
    """An observer that holds nothing."""

    at_once = 1

    def close(self) -> None:
        """Nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class LumaStatistics(Measure):
    """Mean, histogram and tiles of a picture's luma."""

    role = "luma-statistics"
    version = 1

    def observe(self, seen: Sequence[Picture]) -> list[Columns]:
        """One row a picture."""
        return [self._of(picture) for picture in seen]

    def _of(self, picture: Picture) -> Columns:
        rows, columns = LUMA_GRID
        luma = picture.luma(columns * TILE, rows * TILE)
        levels = np.bincount(luma.ravel(), minlength=256)
        tiles = luma.reshape(rows, TILE, columns, TILE).sum(axis=(1, 3), dtype=np.uint32) / TILE**2
        return {
            "mean": np.array([levels @ np.arange(256) / (255 * luma.size)], np.float32),
            "histogram": (levels.reshape(1, LUMA_BINS, -1).sum(axis=2) / luma.size).astype(np.float32),
            "grid": np.rint(tiles)[None].astype(np.uint8),
        }


class Loudness(Measure):
    """Root mean square of a block of sound, over all samples of all channels."""

    role = "loudness"
    version = 1

    def observe(self, seen: Sequence[Sound]) -> list[Columns]:
        """One row a block."""
        return [{"rms": np.array([_decibels(block)], np.float32)} for block in seen]


def _decibels(block: Sound) -> float:
    # A decoder of floating-point sound passes on whatever the file says, infinities included.
    samples = np.nan_to_num(block.ravel().astype(np.float64), nan=0.0)
    power = float(np.mean(np.square(np.clip(samples, -1e6, 1e6)))) if samples.size else 0.0
    return min(max(10 * float(np.log10(power)), SILENCE), LOUDEST) if power > 0 else SILENCE
