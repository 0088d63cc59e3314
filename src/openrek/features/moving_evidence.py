"""What speaks for a gradual transition at a frame though things move in it.

On both sides of a transition there is a shot that stays more or less what it is, and the two are unlike: that is looked for in forms of
the pictures that motion leaves as they are, distributions of levels block by block and of colours, over spans of several lengths in the
middle of which the frame is. (The checkerboard kernels of J. Foote, "Automatic audio segmentation using a measure of audio novelty",
2000, with a gap between the sides.) While pictures are mixed, they have less texture than before and after: the dip of A. M. Alattar,
"Detecting and compressing dissolve regions in video sequences", 1993, block by block.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from openrek.features.views import Views

Floats = NDArray[np.float32]

SPANS = (6, 12, 24, 48)
"""Frames from one end to the other, of 30 a second."""
_PIECES = 6
"""Of a span, from one to the next of which the way is measured."""
_OF_A_FORM = (
    "distance",
    "straightness",
    "larger change beside",
    "smaller change beside",
    "distance beyond changes beside",
    "largest piece",
    "progress",
    "progress from the middle",
    "not mixed",
)
_OF_TEXTURE = ("ratio", "below the lesser end", "below the middle", "deviation from the middle", "distance")
EVIDENCE = tuple(
    f"{what} over {span}"
    for span in SPANS
    for what in (
        *(f"{of} of {form}" for form in ("local levels", "colours") for of in _OF_A_FORM),
        *(f"{of} of texture" for of in _OF_TEXTURE),
    )
)
"""Names of what `evidence` gives."""
_STILL = np.float32(0.3)
"""Mean change that a picture that stands still may have."""


def evidence(views: Views) -> Floats:
    """What speaks for a transition at each frame; shape (n, len(EVIDENCE))."""
    forms = (_shifted(views.local_levels), _shifted(views.colours))
    changes = tuple(_changes(form) for form in forms)
    texture = _shifted(views.texture)
    columns: list[Floats] = []
    for span in SPANS:
        for form, change in zip(forms, changes, strict=True):
            columns += _of_form(form, change, span)
        columns += _of_texture(texture, span)
    return np.stack(columns, axis=1).astype(np.float32)


def _shifted(rows: Floats) -> Callable[[int], Floats]:
    """The rows so many frames later; beyond the ends those at the ends."""
    reach = SPANS[-1]
    padded = np.pad(rows, ((reach, reach), (0, 0)), mode="edge")
    return lambda frames: padded[reach + frames : reach + frames + len(rows)]


def _changes(form: Callable[[int], Floats]) -> Callable[[int, int], Floats]:
    """The mean change from so many frames later to so many frames later."""
    known: dict[int, Floats] = {}
    reach = SPANS[-1]
    count = len(form(0))

    def change(first: int, last: int) -> Floats:
        lag = last - first
        if lag not in known:
            everything = np.concatenate([np.repeat(form(0)[:1], reach, axis=0), form(0), np.repeat(form(0)[-1:], reach, axis=0)])
            known[lag] = np.abs(everything[lag:] - everything[:-lag]).mean(axis=1)
        return known[lag][reach + first : reach + first + count]

    return change


def _of_form(form: Callable[[int], Floats], change: Callable[[int, int], Floats], span: int) -> list[Floats]:
    half, piece = span // 2, span // _PIECES
    start, here = form(-half), form(0)
    difference = form(half) - start
    distance = change(-half, half)
    beside = change(-span, -half), change(half, span)
    pieces = np.stack([change(at, at + piece) for at in range(-half, half, piece)])
    way = pieces.sum(axis=0) + _STILL
    power = np.square(difference).mean(axis=1) + 1
    covered = here - start
    progress = (covered * difference).mean(axis=1) / power
    rest = covered - progress[:, None] * difference
    progress = np.clip(progress, -0.5, 1.5)
    return [
        distance,
        distance / way,
        np.maximum(*beside),
        np.minimum(*beside),
        distance / (distance + beside[0] + beside[1] + 1),
        pieces.max(axis=0) / way,
        progress,
        np.abs(progress - 0.5),
        np.minimum(np.sqrt(np.square(rest).mean(axis=1) / power), 2),
    ]


def _of_texture(texture: Callable[[int], Floats], span: int) -> list[Floats]:
    before, here, after = texture(-span // 2), texture(0), texture(span // 2)
    less, both = np.minimum(before, after), before + after
    below = (here - both / 2) / (both + 2)
    return [
        np.minimum(here.mean(axis=1) / (np.minimum(before.mean(axis=1), after.mean(axis=1)) + 1), 3),
        np.clip((here - less) / (less + 2), -1, 1).mean(axis=1),
        below.mean(axis=1),
        below.std(axis=1),
        np.abs(after - before).mean(axis=1),
    ]
