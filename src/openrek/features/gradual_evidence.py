"""What speaks for a gradual transition (dissolve, fade, wipe) at a frame.

In a transition every pixel goes from what it was to what it becomes, and not back: so the frame lies between one before and one after,
level by level, and the way from one to the other is hardly longer than their distance. Pixels of a moving picture wander about. That is
looked at over spans of several lengths, `SPANS`, in the middle of which the frame is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openrek.features.views import Views

Floats = NDArray[np.float32]

SPANS = (6, 12, 24, 48)
"""Frames from one end to the other, of 30 a second."""
_OF_A_SPAN = (
    "distance",
    "straightness",
    "unlikeness",
    "colour distance",
    "colour straightness",
    "outside",
    "progress",
    "progress from the middle",
    "not mixed",
    "largest step",
    "usual step",
    "contrast of the ends",
    "contrast",
    "unlike one end",
    "unlike both ends",
)
EVIDENCE = tuple(f"{what} over {span}" for span in SPANS for what in _OF_A_SPAN)
"""Names of what `evidence` gives."""
_STILL = np.float32(0.3)
"""Mean change of levels that a picture that stands still may have."""


def evidence(views: Views) -> Floats:
    """What speaks for a transition at each frame; shape (n, len(EVIDENCE))."""
    levels, colours = views.levels[:, ::2], views.colour[:, ::2]
    steps = np.zeros(len(levels), np.float32)
    steps[1:] = np.abs(levels[1:] - levels[:-1]).mean(axis=1)
    way, colour_way = np.cumsum(steps), np.cumsum(views.steps["colour"])
    return np.concatenate([_over(span, views, levels, colours, steps, way, colour_way) for span in SPANS], axis=1)


def _over(span: int, views: Views, levels: Floats, colours: Floats, steps: Floats, way: Floats, colour_way: Floats) -> Floats:
    count, half = len(levels), span // 2
    here = np.arange(count)
    start, end = np.clip(here - half, 0, count - 1), np.clip(here + half, 0, count - 1)
    before, after = levels[start], levels[end]
    change = after - before
    distance = np.abs(change).mean(axis=1)
    length = way[end] - way[start] + _STILL
    colour_distance = np.abs(colours[end] - colours[start]).mean(axis=1)
    outside = np.maximum(levels - np.maximum(before, after), 0) + np.maximum(np.minimum(before, after) - levels, 0)
    power = np.square(change).mean(axis=1) + 1
    progress = ((levels - before) * change).mean(axis=1) / power
    rest = levels - before - progress[:, None] * change
    progress = np.clip(progress, -0.5, 1.5)
    inside = np.lib.stride_tricks.sliding_window_view(np.pad(steps, (half - 1, half)), span)[:count]
    ends = np.minimum(views.contrast[start], views.contrast[end])
    similarity = [np.einsum("ij,ij->i", views.correlation[end_], views.correlation) for end_ in (start, end)]
    return np.stack(
        [
            distance,
            distance / length,
            1 - np.einsum("ij,ij->i", views.correlation[start], views.correlation[end]),
            colour_distance,
            colour_distance / (colour_way[end] - colour_way[start] + _STILL),
            outside.mean(axis=1) / (distance + 1),
            progress,
            np.abs(progress - 0.5),
            np.minimum(np.sqrt(np.square(rest).mean(axis=1) / power), 2),
            inside.max(axis=1) / length,
            np.sort(inside, axis=1)[:, half] / ((length - _STILL) / span + 0.1),
            np.minimum(ends, 30),
            np.minimum(views.contrast / (ends + 3), 3),
            1 - np.minimum(*similarity),
            1 - np.maximum(*similarity),
        ],
        axis=1,
    ).astype(np.float32)
