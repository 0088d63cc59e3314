"""Where print stands in a picture, without reading it: a measure for credits and slates, which are laid out, not for signs in a street.

Letters are marks that are thinner than they are high and much lighter, or much darker, than what is around them; morphological top-hats
find those. Print is letters of like height side by side on one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
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
    # Sixteen bits number more components than the view has room for.
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
    found: Marks = np.asarray(stats[1:], np.int32)
    width, height, area = found[:, 2], found[:, 3], found[:, 4]
    fill = area / np.maximum(width * height, 1)
    good = (height >= LOWEST) & (height <= HIGHEST) & (width <= 4 * height) & (fill > 0.12) & (area >= 4)
    kept: Marks = found[good][:, :4]
    return kept if len(kept) <= _MOST_MARKS else kept[:0]


def _lines(marks: Marks) -> list[Line]:
    """Marks side by side: box, number and regularity of each line.

    From left to right, each mark goes on with the line that ends nearest to it, if one does.
    """
    marks = marks[np.lexsort(marks.T[::-1])]
    before, after = _beside(marks)
    lines: list[list[int]] = []
    line_of, ends = [-1] * len(marks), [True] * len(marks)
    listed: list[list[int]] = marks.tolist()
    starts = np.searchsorted(after, np.arange(len(marks) + 1)).tolist()
    befores = before.tolist()
    for mark in range(len(marks)):
        free = [other for other in befores[starts[mark] : starts[mark + 1]] if ends[other]]
        if free:
            last = max(free, key=lambda other: (listed[other][0], -line_of[other]))
            ends[last] = False
            line_of[mark] = line_of[last]
            lines[line_of[mark]].append(mark)
        else:
            line_of[mark] = len(lines)
            lines.append([mark])
    long = ([listed[mark] for mark in line] for line in lines if len(line) >= FEWEST)
    return [described for line in long if (described := _described(line)) is not None]


def _beside(marks: Marks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of marks of which the second may follow the first on a line, by their numbers, sorted by the second; `marks` ascend."""
    order = np.argsort(marks[:, 1], kind="stable")
    tops, heights = marks[order, 1], marks[order, 3]
    # Of two marks that share rows, the higher one reaches down to the top of the other.
    counts = np.searchsorted(tops, tops + heights) - np.arange(len(marks)) - 1
    one = np.repeat(np.arange(len(marks)), counts)
    other = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts) + one + 1
    pair = np.sort(np.stack([order[one], order[other]]), axis=0)
    first, second = marks[pair[0]], marks[pair[1]]
    low, tall = np.minimum(first[:, 3], second[:, 3]), np.maximum(first[:, 3], second[:, 3])
    shared = np.minimum(first[:, 1] + first[:, 3], second[:, 1] + second[:, 3]) - np.maximum(first[:, 1], second[:, 1])
    near = second[:, 0] - first[:, 0] - first[:, 2] <= NEAR * tall
    pair = pair[:, near & (tall <= 2.2 * low) & (2 * shared >= low)]
    pair = pair[:, np.argsort(pair[1], kind="stable")]
    return pair[0], pair[1]


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


def _described(marks: list[list[int]]) -> Line | None:
    left, top = min(mark[0] for mark in marks), min(mark[1] for mark in marks)
    right, bottom = max(mark[0] + mark[2] for mark in marks), max(mark[1] + mark[3] for mark in marks)
    usual = median(mark[3] for mark in marks)
    foot = median(mark[1] + mark[3] for mark in marks)
    count = len(marks)
    alike = sum(abs(mark[3] - usual) <= 0.35 * usual + 1 for mark in marks) / count
    standing = sum(abs(mark[1] + mark[3] - foot) <= 0.2 * usual + 1 for mark in marks) / count
    narrow = sum(mark[2] <= 1.6 * usual for mark in marks) / count
    regularity = alike * standing * narrow
    if regularity < REGULAR or right - left < 1.8 * usual:
        return None
    return left, top, right - left, bottom - top, count, regularity
