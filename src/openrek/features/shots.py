"""Shots: spans of frames between cuts and gradual transitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from openrek.features import cut_evidence, gradual_evidence, moving_evidence
from openrek.features.gaps import Gap
from openrek.features.logistic import load, probability
from openrek.features.thumbnails import Window, windows
from openrek.features.transitions import Rough, Transition, examined, rough
from openrek.features.views import Views
from openrek.observations import Observation

USUAL_RATE = 30
"""Frames a second to which all spans of frames refer; at higher rates they are longer."""
MARGIN = 50
"""Frames around a window that its evidence may need."""
EDGE = 4.0
"""Log-odds of a cut from or to nothing but black."""
FADE_SLACK = 6
"""Frames near black that a fade may seem to lack: they are hardly lit."""
ADJOINS = 3
"""Frames between a cut and a transition that are no shot."""
OVERRULES = 3.0
"""By how much the log-odds of a cut must exceed those of a transition in whose midst it lies."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A frame, by its place, that begins another shot than the one before it."""

    place: int
    log_odds: float


@dataclass(frozen=True, slots=True)
class Shot:
    """Places of its first and last frame; how sure it is that it begins and ends there, from 0 to 1."""

    first: int
    last: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Where shots begin and end, in order; the frames of a transition belong to no shot."""

    frames: int
    cuts: tuple[Cut, ...]
    transitions: tuple[Transition, ...]

    def shots(self) -> list[Shot]:
        """All shots in order."""
        # Stop of one shot, start of the next, certainty.
        breaks = [(cut.place, cut.place, probability(cut.log_odds)) for cut in self.cuts]
        breaks += [(span.first, span.last + 1, probability(span.log_odds)) for span in self.transitions]
        breaks = [(0, 0, 1.0), *sorted(breaks), (self.frames, self.frames, 1.0)]
        return [Shot(a[1], b[0] - 1, min(a[2], b[2])) for a, b in pairwise(breaks) if b[0] > a[1]]


def stride_of(rate: Fraction) -> int:
    """Frames that go for one of the usual rate."""
    return max(1, round(rate / USUAL_RATE))


def boundaries(read: Callable[[], Iterable[Observation]], rate: Fraction, gaps: Sequence[Gap] = ()) -> Boundaries:
    """Cuts and transitions of a video.

    Parameters
    ----------
    read
        What `thumbnail` saw of every frame, as a stream; read twice.
    rate
        Frames a second.
    gaps
        Black gaps between shots.
    """
    cuts, examinations, frames = _evidence(read, rate)
    judged = [(span, float(load("spans").log_odds(evidence[None])[0])) for span, evidence in examinations]
    return settled(frames, cuts, [Transition(span.first, span.last, odd) for span, odd in judged if odd > 0], gaps)


def examined_spans(read: Callable[[], Iterable[Observation]], rate: Fraction) -> list[tuple[Rough, NDArray[np.float32]]]:
    """Spans that may be transitions, with what speaks for it."""
    return list(_evidence(read, rate)[1])


def _evidence(
    read: Callable[[], Iterable[Observation]], rate: Fraction
) -> tuple[list[Cut], Iterable[tuple[Rough, NDArray[np.float32]]], int]:
    """Cuts, spans that may be transitions with what speaks for it, number of frames."""
    step, stride = max(1.0, float(rate) / USUAL_RATE), stride_of(rate)
    cuts: list[Cut] = []
    odds: list[float] = []
    frames = 0
    for window in windows(read(), MARGIN * stride):
        views = Views(window.luma, window.chroma)
        cuts += _cuts(views, window, step)
        skip = -window.first % stride
        sparse = Views(window.luma[skip::stride], window.chroma[skip::stride]) if stride > 1 else views
        inside = [place for place in range(len(sparse)) if window.core.start <= skip + place * stride < window.core.stop]
        odds += load("transitions").log_odds(transition_evidence(sparse)[inside]).tolist()
        frames = window.first + window.core.stop
    spans = rough(np.array(odds), stride)
    return cuts, examined(spans, read(), stride, {cut.place: cut.log_odds for cut in cuts}) if spans else (), frames


def transition_evidence(views: Views) -> NDArray[np.float32]:
    """What speaks for a transition at each frame, of those of 30 a second."""
    return np.concatenate([gradual_evidence.evidence(views), moving_evidence.evidence(views)], axis=1)


def _cuts(views: Views, window: Window, step: float) -> list[Cut]:
    """Those in the core of a window."""
    places = cut_evidence.candidates(views)
    places = places[(places >= window.core.start) & (places < window.core.stop)]
    if not len(places):
        return []
    seen = cut_evidence.evidence(views, places, step)
    found = np.where(cut_evidence.comes_back(seen), 0, load("cuts").log_odds(seen))
    return [Cut(window.first + place, odd) for place, odd in zip(places.tolist(), found.tolist(), strict=True) if odd > 0]


def settled(frames: int, cuts: Sequence[Cut], spans: Sequence[Transition], gaps: Sequence[Gap]) -> Boundaries:
    """Boundaries without contradictions.

    A cut that lies in a transition is part of it, unless it is far more certain. A black gap is a shot of its own: it begins and ends with
    a cut, or with the fade that leads to it or from it.
    """
    kept: list[Transition] = []
    for rough_span in spans:
        span = _up_to_gaps(_up_to_cuts(rough_span, cuts), gaps)
        inside = [cut for cut in cuts if span.first < cut.place <= span.last]
        if any(cut.log_odds > span.log_odds + OVERRULES for cut in inside) or (kept and span.first <= kept[-1].last):
            continue
        if span.first <= span.last:
            kept.append(span)
    edges = {gap.first for gap in gaps if gap.begins} | {gap.last + 1 for gap in gaps if gap.ends}
    cuts = [cut for cut in cuts if cut.place not in edges and not any(gap.first < cut.place <= gap.last for gap in gaps)]
    cuts += [Cut(edge, EDGE) for edge in edges]
    cuts = [cut for cut in cuts if not any(span.first <= cut.place <= span.last + 1 for span in kept)]
    return Boundaries(frames, tuple(sorted(cuts, key=lambda cut: cut.place)), tuple(kept))


def _up_to_cuts(span: Transition, cuts: Sequence[Cut]) -> Transition:
    """A transition begins or ends with a jump that lies right before or after it: what lies between is no shot."""
    first = min((cut.place for cut in cuts if 0 < span.first - cut.place <= ADJOINS), default=span.first)
    last = max((cut.place - 1 for cut in cuts if 0 < cut.place - 1 - span.last <= ADJOINS), default=span.last)
    return replace(span, first=first, last=last)


def _up_to_gaps(span: Transition, gaps: Sequence[Gap]) -> Transition:
    """A fade begins right after a gap, or ends right before it."""
    first, last = span.first, span.last
    for gap in gaps:
        if abs(gap.first - 1 - last) <= FADE_SLACK:
            last = gap.first - 1
        elif gap.first <= first <= gap.last + 1 + FADE_SLACK:
            first = gap.last + 1
        elif first < gap.first <= last:
            last = gap.first - 1
    return replace(span, first=first, last=last)
