"""Technical cues: what the frames of a programme are for.

Bars and black frames are measured. What slates, logos and credits are is judged by how print is laid out and where in the programme it
stands, without reading it: so these are never as sure. The rest is content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from openrek.features.black import Bools, Run, runs, silent_runs
from openrek.features.color_bars import CERTAIN
from openrek.features.credits_layout import judge
from openrek.features.frame_facts import FrameFacts
from openrek.features.scenes import scenes
from openrek.features.shots import Boundaries
from openrek.features.text_lines import Page

SHORTEST_BARS = 5
"""Frames."""
MOST_CERTAIN = 0.99
"""Of content that nothing adjoins."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Places of a cue's first and last frame; how sure it is, from 0 to 1."""

    kind: str
    first: int
    last: int
    confidence: float


def cues(facts: FrameFacts, loud: Bools, found: Boundaries, pages: Sequence[Page], rate: Fraction) -> list[Cue]:
    """All cues in order. Every frame belongs to one.

    Parameters
    ----------
    rate
        Frames a second.
    """
    bars = runs(facts.bars >= CERTAIN, SHORTEST_BARS)
    black = silent_runs(facts.dark, loud, facts.empty)
    made = [Cue("ColorBars", span.first, span.last, float(np.median(facts.bars[span.first : span.last + 1]))) for span in bars]
    # What the request calls black is black: there is no doubt about it.
    made += [Cue("BlackFrames", span.first, span.last, 1.0) for span in black]
    parts = scenes(facts, found, pages, bars, black)
    for kind, span, confidence in judge(parts, len(facts), rate):
        made.append(Cue(kind, span.first, span.last, confidence))
    return sorted([*made, *_content(len(facts), made)], key=lambda cue: cue.first)


def _content(frames: int, others: list[Cue]) -> list[Cue]:
    """What is nothing else; as sure as the less sure of its neighbours."""
    free = np.ones(frames, bool)
    for cue in others:
        free[cue.first : cue.last + 1] = False
    return [Cue("Content", span.first, span.last, _certainty(span, others)) for span in runs(free, 1)]


def _certainty(span: Run, others: list[Cue]) -> float:
    beside = [cue.confidence for cue in others if cue.last == span.first - 1 or cue.first == span.last + 1]
    return min(*beside, MOST_CERTAIN) if beside else MOST_CERTAIN
