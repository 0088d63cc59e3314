"""Where print stands in a picture, without reading it: a measure for credits and slates, which are laid out, not for signs in a street.

Letters are marks that are thinner than they are high and much lighter, or much darker, than what is around them; morphological top-hats
find those. Print is letters of like height side by side on one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openrek.vision.measures import Measure
from openrek.vision.observers import Columns, Picture

WIDTH, HEIGHT = 640, 360
"""Of the view that is looked at."""
STROKE = 17
"""Pixels; strokes are thinner."""
CONTRAST = 56
"""Levels by which a mark differs from what is around it."""
LOWEST, HIGHEST = 5, 64
"""Pixels: heights of a mark."""
NEAR = 1.6
"""Heights that a gap between two marks of a line may have."""
FEWEST = 4
"""Marks of a line."""
REGULAR = 0.45
"""Regularity under which marks are no line of print."""
_MOST_MARKS = 800
"""More are a texture, and no print."""
_MANY_LINES = 40
_MOST_LINES = 60

Marks = NDArray[np.int32]
"""Left, top, width, height of each, shape (n, 4)."""
Line = tuple[int, int, int, int, int, float]
"""Left, top, width, height, marks, regularity."""


class TextLayout(Measure):
    """Lines of print in a picture."""

    role = "text-layout"
    version = 1

    def observe(self, seen: Sequence[Picture]) -> list[Columns]:
        """One row a line."""
        return [self._of(picture) for picture in seen]

    def _of(self, picture: Picture) -> Columns:
        import cv2  # in the child only: the server knows the measures by name and version

        luma = picture.luma(WIDTH, HEIGHT)
        kernel = np.ones((STROKE, STROKE), np.uint8)
        lines = [line for kind in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT) for line in _lines(_marks(cv2.morphologyEx(luma, kind, kernel)))]
        lines = sorted(_apart(lines), key=lambda line: (line[1], line[0]))
        boxes = np.array([line[:4] for line in lines], np.float32).reshape(-1, 4) / np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)
        return {
            "boxes": np.clip(boxes, 0, 1).astype(np.float32),
            "glyphs": np.array([line[4] for line in lines], np.int16),
            "regularity": np.array([line[5] for line in lines], np.float32),
        }


def _marks(hat: Any) -> Marks:
    """What may be letters."""
    import cv2

    mask = (hat > CONTRAST).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found: Marks = np.asarray(stats[1:], np.int32)
    width, height, area = found[:, 2], found[:, 3], found[:, 4]
    fill = area / np.maximum(width * height, 1)
    good = (height >= LOWEST) & (height <= HIGHEST) & (width <= 4 * height) & (fill > 0.12) & (area >= 4)
    kept: Marks = found[good][:, :4]
    return kept if len(kept) <= _MOST_MARKS else kept[:0]


def _lines(marks: Marks) -> list[Line]:
    """Marks side by side: box, number and regularity of each line."""
    lines: list[list[list[int]]] = []
    open_lines: list[list[list[int]]] = []
    for mark in sorted(marks.tolist()):
        left, top, _, height = mark
        best, nearest = None, -1
        for line in open_lines:
            before_left, before_top, before_width, before_height = line[-1]
            low, tall = (height, before_height) if height < before_height else (before_height, height)
            if before_left <= nearest or left - before_left - before_width > NEAR * tall or tall > 2.2 * low:
                continue
            if 2 * (min(top + height, before_top + before_height) - max(top, before_top)) >= low:
                best, nearest = line, before_left
        if best is None:
            best = []
            lines.append(best)
            open_lines.append(best)
            if len(open_lines) > _MANY_LINES:
                open_lines = [line for line in open_lines if not line or line[-1][0] + line[-1][2] + NEAR * HIGHEST >= left]
        best.append(mark)
    return [described for line in lines if len(line) >= FEWEST and (described := _described(np.array(line))) is not None]


def _apart(lines: list[Line]) -> list[Line]:
    """The best lines, without those that lie on better ones: spaces between letters look like letters of the other kind."""
    kept: list[Line] = []
    for line in sorted(lines, key=lambda line: (-line[4] * line[5], line)):
        if len(kept) < _MOST_LINES and not any(_shared(line, other) > 0.4 * line[2] * line[3] for other in kept):
            kept.append(line)
    return kept


def _shared(one: Line, other: Line) -> int:
    """Pixels that are in both."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0)


def _described(line: NDArray[Any]) -> Line | None:
    left, top = line[:, 0].min(), line[:, 1].min()
    right, bottom = (line[:, 0] + line[:, 2]).max(), (line[:, 1] + line[:, 3]).max()
    usual = float(np.median(line[:, 3]))
    alike = float((np.abs(line[:, 3] - usual) <= 0.35 * usual + 1).mean())
    feet = line[:, 1] + line[:, 3]
    standing = float((np.abs(feet - np.median(feet)) <= 0.2 * usual + 1).mean())
    narrow = float((line[:, 2] <= 1.6 * usual).mean())
    regularity = alike * standing * narrow
    if regularity < REGULAR or right - left < 1.8 * usual:
        return None
    return int(left), int(top), int(right - left), int(bottom - top), len(line), regularity
