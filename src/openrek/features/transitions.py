"""Gradual transitions: from the log-odds of single frames to spans with exact ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from openrek.features.span_evidence import REACH, TURNED, Inside, evidence
from openrek.features.views import Views
from openrek.observations import Observation

SMOOTHED = 5
"""Frames over which log-odds are averaged."""
BEGINS = -0.5
"""Log-odds above which a frame may belong to a transition..."""
LIKELY = 0.5
"""... that must have a frame with these to be looked into."""
WITHIN = 0.25
"""Share of the best log-odds that those of its first and last frame have at least."""
SHORTEST = 3
BESIDE = 3
"""Frames before and after a span that show what it leads from and to."""
SHARE = 0.3
"""Share of the pixels that must turn into others: less is a title that appears."""
UNTOUCHED = 0.03
"""Progress within which a frame still shows the old, or already the new picture alone."""
STILL = 0.05
"""Progress within which frames stay that show a picture that stands still."""
ASTRAY = (5, 0.1)
"""Frames and share of its length by which an end of a span may be moved where the picture beyond it does not stand still."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Transition:
    """The frames (by place) that show two shots at once, or a picture on its way from or to black.

    Attributes
    ----------
    log_odds
        That it is one.
    """

    first: int
    last: int
    log_odds: float


@dataclass(frozen=True, slots=True)
class Rough:
    """Frames (by place) that may be a transition: the best and the mean of their log-odds."""

    first: int
    last: int
    best: float
    usual: float


def rough(log_odds: NDArray[np.float64], stride: int) -> list[Rough]:
    """Spans in which log-odds are high.

    Parameters
    ----------
    log_odds
        Of every `stride`-th frame.
    """
    if not len(log_odds):
        return []
    padded = np.pad(log_odds, SMOOTHED // 2, mode="edge")
    smooth = np.convolve(padded, np.full(SMOOTHED, 1 / SMOOTHED), "valid")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], smooth > BEGINS, [False]]).astype(np.int8)))
    found = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        best = float(smooth[start:stop].max())
        if stop - start >= SHORTEST and best > LIKELY:
            within = start + np.flatnonzero(smooth[start:stop] >= WITHIN * best)
            first, last = int(within[0]), int(within[-1])
            found.append(Rough(first * stride, last * stride, best, float(smooth[first : last + 1].mean())))
    return found


def examined(spans: Sequence[Rough], seen: Iterable[Observation], stride: int, cuts: Mapping[int, float]) -> Iterator[tuple[Rough, Floats]]:
    """Spans cut to the first and the last frame that show both pictures, or neither, and what speaks for each of them as a whole.

    Those that leave most of the picture alone are left out.

    Parameters
    ----------
    seen
        What `thumbnail` saw, from the start.
    cuts
        Places of frames before which there seems to be a cut, and its log-odds: what lies beyond one is another picture.
    """
    places = np.array(sorted(cuts), np.int64)
    reaches = []
    for span in spans:
        low, high = span.first - stride * REACH, span.last + stride * REACH
        before, after = places[(places > low) & (places <= span.first)], places[(places > span.last) & (places <= high)]
        reaches.append((max(0, int(before.max(initial=low))), int(after.min(initial=high + 1)) - 1))
    for span, (low, _), pictures in zip(spans, reaches, _pictures(reaches, seen), strict=True):
        views = Views(np.stack([luma for luma, _ in pictures]), np.stack([chroma for _, chroma in pictures]))
        ends = _ends(views, span.first - low, span.last - low, stride)
        if ends is not None:
            first, last = ends
            inside = [odds for place, odds in cuts.items() if low + first < place <= low + last]
            within = Inside(first, last, span.best, span.usual, max(inside, default=0.0))
            yield replace(span, first=low + first, last=low + last), evidence(views, within, stride)


def _pictures(
    reaches: Sequence[tuple[int, int]], seen: Iterable[Observation]
) -> Iterator[list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]]:
    """Luma and chroma of the frames in each of the reaches, which ascend by their starts."""
    pictures: list[list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]] = [[] for _ in reaches]
    given = 0
    for place, moment in enumerate(seen):
        while given < len(reaches) and place > reaches[given][1]:
            yield pictures[given]
            pictures[given] = []
            given += 1
        if given == len(reaches):
            return
        for number in range(given, len(reaches)):
            low, high = reaches[number]
            if place < low:
                break
            if place <= high:
                pictures[number].append((moment["luma"][0], moment["chroma"][0]))
    yield from pictures[given:]


def _ends(views: Views, first: int, last: int, stride: int) -> tuple[int, int] | None:
    """Where the progress from shortly before a span to shortly after it is neither 0 nor 1; None if little has changed."""
    low, high = max(0, first - BESIDE * stride), min(len(views) - 1, last + BESIDE * stride)
    rows = views.levels[low : high + 1].astype(np.float64)
    change = rows[-1] - rows[0]
    if (np.abs(change) > TURNED).mean() < SHARE:
        return None
    progress = (rows - rows[0]) @ change / (change @ change + 1)
    middle = int(np.argmin(np.abs(progress - 0.5)))
    old = np.flatnonzero(progress[:middle] < UNTOUCHED)
    new = np.flatnonzero(progress[middle:] > 1 - UNTOUCHED)
    start = int(old[-1]) + 1 if len(old) else 0
    end = middle + int(new[0]) - 1 if len(new) else len(rows) - 1
    stands = np.abs(progress[:start]).max(initial=0) <= STILL, np.abs(progress[end + 1 :] - 1).max(initial=0) <= STILL
    start, end = low + start, low + end
    most = max(ASTRAY[0] * stride, ASTRAY[1] * (last - first + 1))
    start = start if stands[0] or abs(start - first) <= most else first
    end = end if stands[1] or abs(end - last) <= most else last
    return (start, end) if end >= start else (first, last)
