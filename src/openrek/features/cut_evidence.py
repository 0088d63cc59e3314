"""What speaks for a cut between two frames: how unlike all that comes after is to all that was before.

A cut is a change that is sharp and stays. So a place is judged by the frames on both sides of it (`REACH` each): by how much the change
there stands out from those beside it, and by the most similar pair among a frame before and a frame after. A flash, a flicker or somebody
who passes by gives way to the picture that was there before, and so has such a pair; fast motion does not stand out.

Pictures are compared in four ways, since each is blind to something: by correlation (blind to lighting), level by level, by the
distribution of levels (blind to motion: the earth mover's distance), by colour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from openrek.features.shifts import unexplained
from openrek.features.views import MEASURES, Views

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

REACH = 8
"""Frames on each side, of 30 a second; at higher rates further apart."""
FAINT = 3.0
"""Mean change of levels, and twice that of colours, under which nothing is a cut."""
ALIKE = 0.03
"""Unlikeness by correlation under which two frames show the same."""
_NEAR = ((-2, -1), (1, 2))
SAME_CORRELATION, SAME_LEVELS = 0.12, 12.0
"""Unlikeness within which a frame after a change shows the same as one before it, whatever lies between."""
RETURN = 24
"""Frames within which a picture that comes back speaks against a cut, of 30 a second."""
_OF_A_MEASURE = ("here", "beyond its neighbours", "most similar", "close")
EVIDENCE = (
    *(f"{measure} {what}" for measure in MEASURES for what in _OF_A_MEASURE),
    *(f"{measure} returns {when}" for measure in ("correlation", "colour") for when in ("later", "from earlier")),
    "not explained by motion",
)
"""Names of what `evidence` gives, all of them the larger the more they speak for a cut."""


def candidates(views: Views) -> Places:
    """The frames before which there may be a cut: those where the change is as large as any beside it, and not faint."""
    change = views.steps["levels"] + 2 * views.steps["colour"]
    beside = np.maximum(np.append(change[1:], 0), np.insert(change[:-1], 0, 0))
    return np.flatnonzero((change > FAINT) & (change >= 0.99 * beside) & (views.steps["correlation"] > ALIKE))


def evidence(views: Views, places: Places, step: float) -> Floats:
    """What speaks for a cut before each of the frames `places`; shape (places, len(EVIDENCE)).

    Parameters
    ----------
    step
        Frames between two that are compared, at least 1.
    """
    last = len(views) - 1
    offsets = np.rint(np.arange(RETURN) * step).astype(np.int64)
    before = np.clip(places[:, None] - 1 - offsets, 0, last)
    after = np.clip(places[:, None] + offsets, 0, last)
    columns = []
    for measure in MEASURES:
        steps = np.pad(views.steps[measure], 2)
        here = views.steps[measure][places]
        beside = np.max([steps[places + 2 + offset] for low, high in _NEAR for offset in range(low, high + 1)], axis=0)
        unlike = views.across(measure, before[:, :REACH], after[:, :REACH])
        columns += [here, here - beside, unlike.min(axis=(1, 2)), unlike[:, :3, :3].mean(axis=(1, 2))]
    for measure in ("correlation", "colour"):
        columns += [
            views.across(measure, before[:, :1], after).min(axis=(1, 2)),
            views.across(measure, before, after[:, :1]).min(axis=(1, 2)),
        ]
    columns.append(unexplained(views.pictures[places - 1], views.pictures[places]))
    return np.stack(columns, axis=1).astype(np.float32)


def comes_back(found: Floats) -> NDArray[np.bool_]:
    """Whether the picture is soon what it was before, by the evidence; shape (places,). No true cut of 589 does."""
    correlation, levels = (found[:, EVIDENCE.index(f"{measure} most similar")] for measure in ("correlation", "levels"))
    back: NDArray[np.bool_] = (correlation < SAME_CORRELATION) & (levels < SAME_LEVELS)
    return back
