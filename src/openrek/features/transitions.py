"""Gradual transitions: from the log-odds of single frames to spans with exact ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openrek.observations import Observation

SMOOTHED = 5
"""Frames over which log-odds are averaged."""
BEGINS = 0.5
"""Log-odds above which a frame belongs to a transition that is one..."""
CERTAIN = 2.0
"""... by having a frame with these."""
SHORTEST = 3
BESIDE = 4
"""Frames before and after a span that show what it leads from and to."""
TURNED, SHARE = 12, 0.3
"""Levels by which a pixel of a thumbnail must change, and the share of the pixels that must: less is a title that appears."""
UNTOUCHED = 0.04
"""Progress within which a frame still shows the old, or already the new picture alone."""


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


def rough(log_odds: NDArray[np.float64], stride: int) -> list[Transition]:
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
        if stop - start >= SHORTEST and best > CERTAIN:
            found.append(Transition(start * stride, (stop - 1) * stride, best))
    return found


def refine(spans: Sequence[Transition], seen: Iterable[Observation], stride: int, fixed: Sequence[int]) -> list[Transition]:
    """The spans with the first and the last frame that show both pictures, or neither; without those that leave most of the picture alone.

    Parameters
    ----------
    seen
        What `thumbnail` saw, from the start.
    fixed
        Places of frames before which there is a cut: what lies beyond them is another picture.
    """
    beside = BESIDE * stride
    cuts = np.asarray(fixed, np.int64)
    reaches = []
    for span in spans:
        low, high = span.first - beside, span.last + beside
        before, after = cuts[(cuts > low) & (cuts <= span.first)], cuts[(cuts > span.last) & (cuts <= high)]
        reaches.append((max(0, int(before.max(initial=low))), int(after.min(initial=high + 1)) - 1))
    pictures: list[list[NDArray[np.uint8]]] = [[] for _ in spans]
    waiting = 0
    for place, moment in enumerate(seen):
        while waiting < len(spans) and place > reaches[waiting][1]:
            waiting += 1
        if waiting == len(spans):
            break
        for number in range(waiting, len(spans)):
            low, high = reaches[number]
            if place < low:
                break
            if place <= high:
                pictures[number].append(moment["luma"][0])
    refined = [_refined(span, low, np.stack(levels)) for span, (low, _), levels in zip(spans, reaches, pictures, strict=True) if levels]
    return [span for span in refined if span is not None]


def _refined(span: Transition, low: int, levels: NDArray[np.uint8]) -> Transition | None:
    """The span cut to where the progress from the first to the last of these pictures is neither 0 nor 1; None if little has changed."""
    rows = levels.reshape(len(levels), -1).astype(np.float64)
    change = rows[-1] - rows[0]
    if (np.abs(change) > TURNED).mean() < SHARE:
        return None
    progress = (rows - rows[0]) @ change / (change @ change + 1)
    middle = int(np.argmin(np.abs(progress - 0.5)))
    old = np.flatnonzero(progress[:middle] < UNTOUCHED)
    new = np.flatnonzero(progress[middle:] > 1 - UNTOUCHED)
    first = int(old[-1]) + 1 if len(old) else 0
    last = middle + int(new[0]) - 1 if len(new) else len(rows) - 1
    if last < first:
        return span
    return Transition(low + first, low + last, span.log_odds)
