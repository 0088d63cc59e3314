"""Black gaps between shots: frames that show nothing for a while."""

from __future__ import annotations

from dataclasses import dataclass

from openrek.features.black import Bools, Run, runs, silent_runs
from openrek.features.frame_facts import FrameFacts

SHORTEST = 6
"""Frames, of 30 a second: less is a flicker."""
ABRUPT = 0.4
"""Mean change of levels from which on a picture appears at once, and not as a title that slowly fades in."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Places of a gap's first and last frame, and whether it begins and ends at once."""

    first: int
    last: int
    begins: bool
    ends: bool


def gaps(facts: FrameFacts, loud: Bools, stride: int) -> list[Gap]:
    """Gaps in order.

    Of a gap in which sound comes or goes, the longest part that is silent counts: a programme that begins with its sound begins there.
    """
    silent = silent_runs(facts.empty, loud, facts.empty)
    found = []
    for span in runs(facts.empty, SHORTEST * stride):
        quiet = [part for part in silent if span.first <= part.first and part.last <= span.last and part.frames >= SHORTEST * stride]
        part = max(quiet, key=_frames, default=span)
        begins = part.first > span.first or (span.first > 0 and float(facts.change[span.first]) >= ABRUPT)
        ends = part.last < span.last or (span.last + 1 < len(facts) and float(facts.change[span.last + 1]) >= ABRUPT)
        found.append(Gap(part.first, part.last, begins, ends))
    return found


def _frames(run: Run) -> int:
    return run.frames
