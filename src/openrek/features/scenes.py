"""Scenes: what lies between bars and black, shot by shot, with what print there is in each. Cues are told by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from openrek.features.black import Run
from openrek.features.frame_facts import FrameFacts
from openrek.features.shots import Boundaries
from openrek.features.text_lines import Page

CENTRED = 0.03
"""Share of the width by which the middle of a centred line may miss the picture's."""
WIDE = 0.1
"""Share of the width that a title has at least."""
ALIGNED = 0.02
"""Share of the width by which the left edges of lines of one block differ."""
LOWEST = 0.88
"""Share of the height under which subtitles and captions end."""
SAME = 0.03
"""Share of the picture by which a title that stands may seem to move or to grow."""
STILL = 0.05
"""Mean change of levels from frame to frame that coding alone may make."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One shot, or a part of it.

    Attributes
    ----------
    first, last
        Places of its frames.
    before, after
        What it adjoins: "black", "bars", "edge" (of the video) or "" (another scene).
    printed, centred, titled, rolling
        Share of the moments looked at that have print at all, a centred line of some width, a line of some width that is no subtitle, print
        that rolls.
    lines, aligned
        Usual number of lines where there are any; and of those that begin at the same column.
    plain
        Usual share of the picture that is evenly lit, or a gradient.
    dark
        Whether it is evenly lit and nearly black.
    still
        Whether nothing moves.
    pages
        The print, moment by moment.
    """

    first: int
    last: int
    before: str
    after: str
    printed: float
    centred: float
    titled: float
    rolling: float
    lines: float
    aligned: float
    plain: float
    dark: bool
    still: bool
    pages: tuple[Page, ...]

    @property
    def frames(self) -> int:
        """How many."""
        return self.last - self.first + 1


def scenes(facts: FrameFacts, found: Boundaries, pages: Sequence[Page], bars: Sequence[Run], black: Sequence[Run]) -> list[Scene]:
    """The scenes of a video, in order."""
    kind = np.zeros(len(facts), np.int8)
    for number, spans in enumerate((bars, black), 1):
        for span in spans:
            kind[span.first : span.last + 1] = number
    starts = {0, len(facts)} | set((np.flatnonzero(np.diff(kind)) + 1).tolist()) | {cut.place for cut in found.cuts}
    dissolves = [s for s in found.transitions if not _side(kind, s.first - 1) and not _side(kind, s.last + 1)]
    starts |= {(span.first + span.last + 1) // 2 for span in dissolves}
    places = np.array([page.place for page in pages], np.int64)
    made = []
    edges = sorted(starts)
    for first, stop in pairwise(edges):
        if kind[first] == 0:
            sides = (_side(kind, first - 1), _side(kind, stop))
            inside = pages[int(np.searchsorted(places, first)) : int(np.searchsorted(places, stop))]
            made.append(_scene(facts, first, stop - 1, sides, tuple(inside)))
    return made


def _side(kind: NDArray[np.int8], place: int) -> str:
    return "edge" if not 0 <= place < len(kind) else ("", "bars", "black")[kind[place]]


def _scene(facts: FrameFacts, first: int, last: int, sides: tuple[str, str], pages: tuple[Page, ...]) -> Scene:
    frames = slice(first, last + 1)
    written = [page for page in pages if len(page.lines)]
    count = max(len(pages), 1)
    return Scene(
        first,
        last,
        *sides,
        len(written) / count,
        sum(any(_is_centred(line) for line in page.lines) for page in pages) / count,
        sum(len(_titles(page)) > 0 for page in pages) / count,
        sum(page.rolls for page in pages) / count,
        float(np.median([len(page.lines) for page in written])) if written else 0.0,
        float(np.median([_aligned(page) for page in written])) if written else 0.0,
        float(max(np.median(facts.plain[frames]), np.median(facts.smooth[frames]))),
        bool(np.median(facts.level[frames]) < 48 and np.median(facts.plain[frames]) > 0.5),
        bool(facts.change[first + 1 : last + 1].mean() < STILL) if last > first else True,
        pages,
    )


def cards(shown: Iterable[Page]) -> int:
    """How many titles take each other's place; the name of somebody in the picture is but one, and print that comes back is none."""
    count, known, before = 0, np.zeros((0, 4), np.float32), None
    for page in shown:
        titles = _titles(page)
        if not len(titles):
            continue
        apart = np.abs(titles[:, None, :3] - known[None, :, :3]).max(axis=2)
        block = np.concatenate([titles[:, :2].min(axis=0), (titles[:, :2] + titles[:, 2:]).max(axis=0)])
        if not (apart <= SAME).any():
            count += before is None or bool((np.maximum(block[:2], before[:2]) < np.minimum(block[2:], before[2:])).all())
        known, before = np.concatenate([known, titles]), block
    return count


def _is_centred(line: NDArray[np.float32]) -> bool:
    return bool(abs(line[0] + line[2] / 2 - 0.5) <= CENTRED and line[2] >= WIDE)


def _titles(page: Page) -> NDArray[np.float32]:
    """Lines of some width above where subtitles stand."""
    lines = page.lines
    titles: NDArray[np.float32] = lines[(lines[:, 2] >= WIDE) & (lines[:, 1] + lines[:, 3] <= LOWEST)]
    return titles


def _aligned(page: Page) -> int:
    """The most lines, one below the other, that begin at one column."""
    lefts = page.lines[:, 0]
    return int((np.abs(lefts[:, None] - lefts[None]) <= ALIGNED).sum(axis=1).max())
