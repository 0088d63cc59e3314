"""Boxes as ratios of the displayed frame, and the letterbox that a network sees.

A box is (left, top, width, height); arrays of boxes have the shape (n, 4), float32 unless said otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a frame of `width` x `height` pixels lies, unpadded at the left and top, in a square of `side` pixels."""

    width: int
    height: int
    side: int

    @property
    def scaled(self) -> tuple[int, int]:
        """Width and height in pixels of the frame inside the square."""
        longest = max(self.width, self.height)
        return max(1, round(self.width * self.side / longest)), max(1, round(self.height * self.side / longest))

    def to_frame(self, corners: NDArray[np.floating]) -> Boxes:
        """Boxes as ratios of the frame, clipped to it, from (left, top, right, bottom) in pixels of the square, shape (n, 4)."""
        width, height = self.scaled
        ratios = np.clip(corners / np.array([width, height, width, height], np.float64), 0.0, 1.0)
        return np.concatenate([ratios[:, :2], ratios[:, 2:] - ratios[:, :2]], axis=1).astype(np.float32)


def iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of every box of `a` (n, 4) with every box of `b` (m, 4), shape (n, m)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    union = a[:, None, 2:].prod(axis=2) + b[None, :, 2:].prod(axis=2) - shared
    ratio: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio
