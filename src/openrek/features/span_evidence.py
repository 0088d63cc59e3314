"""What speaks for a gradual transition in a span of frames as a whole.

How unlike what comes after is to what was before, whatever pair of frames is taken; whether motion explains it; how one becomes the
other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openrek.features.shifts import unexplained
from openrek.features.views import MEASURES, Views

Floats = NDArray[np.float32]

REACH = 12
"""Frames before and after the span that are looked at, of 30 a second."""
_BESIDE = np.array([0, 2, 4, 8])
_PIECES = 8
_FORMS = (*MEASURES, "local_levels", "colours")
_OF_A_FORM = ("most similar", "close", "larger change beside", "straightness", "largest piece", "not mixed")
TURNED = 12
"""Levels by which a pixel of a thumbnail must change to count as another one."""
EVIDENCE = (
    *(f"{form}: {what}" for form in _FORMS for what in _OF_A_FORM),
    *("not explained by motion", "not explained by motion beside", "least explained piece", "best explained piece"),
    *("texture in the middle", "pixels turned", "contrast of the ends", "least contrast", "darkness of an end", "cut inside"),
    *("length", "shortness", "best frame", "usual frame"),
)
"""Names of what `evidence` gives."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A span in some frames: places of its first and its last, the best and the usual log-odds of its frames, those of a cut in it."""

    first: int
    last: int
    best: float
    usual: float
    cut: float


def evidence(views: Views, span: Inside, stride: int) -> Floats:
    """What speaks for a transition, shape (len(EVIDENCE),).

    Parameters
    ----------
    views
        The frames of the span and those around it.
    stride
        Frames that go for one of 30 a second.
    """
    before = np.clip(span.first - 1 - stride * _BESIDE, 0, None)
    after = np.clip(span.last + 1 + stride * _BESIDE, None, len(views) - 1)
    along = np.rint(np.linspace(before[0], after[0], _PIECES + 1)).astype(np.int64)
    columns: list[float] = []
    for form in _FORMS:
        columns += _of_form(views, form, before, after, along)
    pictures = views.pictures
    froms = np.array([before[0], after[0], before[-1], after[0], *along[:-2:2]])
    tos = np.array([after[0], before[0], before[0], after[-1], *along[2::2]])
    shares = unexplained(pictures[froms], pictures[tos])
    columns += [shares[:2].min(), shares[2:4].max(), shares[4:].max(), shares[4:].min()]
    texture = views.texture.mean(axis=1)
    ends = views.contrast[[before[0], after[0]]]
    columns += [
        min(texture[along[_PIECES // 2]] / (min(texture[before[0]], texture[after[0]]) + 1), 3),
        (np.abs(views.levels[after[0]] - views.levels[before[0]]) > TURNED).mean(),
        min(ends.min(), 30),
        min(views.contrast[along].min() / (ends.min() + 3), 3),
        np.exp(-min(views.levels[before[0]].mean(), views.levels[after[0]].mean()) / 16),
        np.clip(span.cut, -10, 20),
    ]
    frames = (span.last - span.first + 1) / stride
    columns += [np.log(frames), 1 / frames, span.best, span.usual]
    return np.array(columns, np.float32)


def _of_form(views: Views, form: str, before: NDArray[np.int64], after: NDArray[np.int64], along: NDArray[np.int64]) -> list[float]:
    across = views.across(form, before[None], after[None])[0]
    beside = [float(views.across(form, ends[None, :1], ends[None, -1:])[0, 0, 0]) for ends in (before, after)]
    rows: Floats = getattr(views, form)[along]
    scale = np.sqrt(rows.shape[1]) if form == "correlation" else 1
    pieces = np.abs(np.diff(rows, axis=0)).mean(axis=1) * scale
    whole = rows[-1] - rows[0]
    way = float(pieces.sum()) + (0.05 if form == "correlation" else 0.5)
    power = float(whole @ whole) + 1e-3
    covered = rows - rows[0]
    rest = covered - np.outer(covered @ whole / power, whole)
    return [
        float(across.min()),
        float(across[0, 0]),
        max(beside),
        float(np.abs(whole).mean() * scale) / way,
        float(pieces.max()) / way,
        min(float(np.sqrt(np.square(rest).sum(axis=1).mean() / power)), 3),
    ]
