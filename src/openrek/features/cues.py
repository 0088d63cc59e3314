"""Technical cues: what the frames of a programme are for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openrek.features.black import Bools, Run, runs, silent_runs
from openrek.features.color_bars import CERTAIN
from openrek.features.frame_facts import FrameFacts

SHORTEST_BARS = 5
"""Frames."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Places of a cue's first and last frame; how sure it is, from 0 to 1."""

    kind: str
    first: int
    last: int
    confidence: float


def cues(facts: FrameFacts, loud: Bools) -> list[Cue]:
    """All cues in order. Every frame belongs to one."""
    found = bars(facts) + black(facts, loud)
    return sorted([*found, *content(len(facts), found)], key=lambda cue: cue.first)


def bars(facts: FrameFacts) -> list[Cue]:
    """Colour bars."""
    spans = runs(facts.bars >= CERTAIN, SHORTEST_BARS)
    return [Cue("ColorBars", span.first, span.last, float(np.median(facts.bars[span.first : span.last + 1]))) for span in spans]


def black(facts: FrameFacts, loud: Bools) -> list[Cue]:
    """Black frames that are silent. What the request calls black is black: there is no doubt about it."""
    return [Cue("BlackFrames", span.first, span.last, 1.0) for span in silent_runs(facts.dark, loud, facts.empty)]


def content(frames: int, others: list[Cue]) -> list[Cue]:
    """What is nothing else; as sure as the less sure of its neighbours."""
    free = np.ones(frames, bool)
    for cue in others:
        free[cue.first : cue.last + 1] = False
    return [Cue("Content", span.first, span.last, _surest(span, others)) for span in runs(free, 1)]


def _surest(span: Run, others: list[Cue]) -> float:
    beside = [cue.confidence for cue in others if cue.last == span.first - 1 or cue.first == span.last + 1]
    return min(beside, default=0.99)
