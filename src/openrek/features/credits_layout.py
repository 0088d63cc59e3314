"""Slates, studio logos and credits, by the layout of their print and their place in the programme.

Each rule says what is usual in the trade; none reads a word. Confidence adds up what speaks for a cue and never passes `MOST`: the same
layout may be something else. Scenes of one kind that follow each other are one cue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

import numpy as np

from openrek.features.black import Run
from openrek.features.scenes import Scene

MOST = 0.95
OPENING = Fraction(900)
"""Seconds within which opening credits, slates and logos come."""
SLATE = (1, 90)
LOGO = (1, 20)
"""Seconds that they last."""
CREDITS = Fraction(5, 2)
"""Seconds that they last at least."""
EARLY, LATE = 0.45, 0.5
"""Share of the programme before which its opening lies, and after which its end."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a scene stands: share of the programme before it, seconds before it and in it, whether anything has been shown yet."""

    share: float
    start: float
    seconds: float
    untold: bool


def judge(parts: Sequence[Scene], frames: int, rate: Fraction) -> Iterator[tuple[str, Run, float]]:
    """The kind, span and confidence of every cue among scenes that is not content."""
    verdicts: list[tuple[str, float]] = []
    for scene in parts:
        untold = all(kind in ("Slate", "StudioLogo") for kind, _ in verdicts)
        middle = (scene.first + scene.last) / 2 / frames
        verdicts.append(_verdict(scene, _Place(middle, float(scene.first / rate), float(scene.frames / rate), untold)))
    verdicts = _without_ubiquitous(parts, verdicts)
    verdicts = _ending(parts, verdicts)
    together = zip(parts, verdicts, strict=True)
    for kind, group in groupby(_joined(together), key=lambda item: item[1]):
        members = list(group)
        spans = [scene for scene, _, _ in members]
        seconds = sum(scene.frames for scene in spans) / rate
        if kind[0] and not (kind[0] in ("OpeningCredits", "EndCredits") and seconds < CREDITS):
            weights = np.array([scene.frames for scene in spans], float)
            confidence = float(np.average([odds for _, _, odds in members], weights=weights))
            yield kind[0], Run(spans[0].first, spans[-1].last), min(MOST, confidence + 0.05 * (len(members) > 1))


def _joined(judged: Iterator[tuple[Scene, tuple[str, float]]]) -> Iterator[tuple[Scene, tuple[str, int], float]]:
    """Scenes with their kind and the number of the run of scenes that adjoin each other."""
    number, last = 0, -2
    for scene, (kind, confidence) in judged:
        number += scene.first != last + 1
        last = scene.last
        yield scene, (kind, number), confidence


def _verdict(scene: Scene, place: _Place) -> tuple[str, float]:
    rules: tuple[tuple[str, Callable[[Scene, _Place], float]], ...] = (
        ("Slate", _slate),
        ("StudioLogo", _logo),
        ("EndCredits", _end_credits),
        ("OpeningCredits", _opening_credits),
    )
    best = max(((kind, rule(scene, place)) for kind, rule in rules), key=lambda verdict: verdict[1])
    return best if best[1] >= 0.5 else ("", 0.0)


def _slate(scene: Scene, place: _Place) -> float:
    """A board of facts about the tape: a plain picture that stands still, with lines that begin at one column, before anything is shown."""
    if not (scene.still and scene.plain > 0.5 and scene.printed > 0.6 and scene.lines >= 3 and not scene.rolling):
        return 0.0
    if not (place.untold and place.start < OPENING and SLATE[0] <= place.seconds <= SLATE[1]):
        return 0.0
    return (
        0.55
        + 0.2 * (scene.aligned >= 3)
        + 0.1 * (scene.before in ("bars", "edge"))
        + 0.1 * (scene.lines >= 4)
        - 0.2 * (scene.centred > 0.5) * (scene.aligned < 3)
    )


def _logo(scene: Scene, place: _Place) -> float:
    """A short picture by itself between black, plain, with a name at most, before anything is shown."""
    if not (place.untold and place.start < OPENING and LOGO[0] <= place.seconds <= LOGO[1]):
        return 0.0
    if place.share > EARLY or scene.lines > 3 or scene.rolling or not _is_alone(scene):
        return 0.0
    if scene.plain < 0.45 or (scene.plain < 0.6 and scene.centred < 0.4):
        return 0.0
    return 0.65 + 0.15 * (scene.centred > 0.4) + 0.05 * (scene.plain > 0.6) - 0.1 * (scene.before == "edge")


def _is_alone(scene: Scene) -> bool:
    return scene.before in ("black", "edge") and scene.after == "black"


def _end_credits(scene: Scene, place: _Place) -> float:
    """Print that rolls, or cards on black, in the last part."""
    if place.share < LATE:
        return 0.0
    if scene.rolling > 0.3:
        return 0.75 + 0.1 * scene.rolling + 0.1 * scene.dark
    if scene.dark and scene.printed > 0.6 and scene.centred > 0.3 and place.share > 0.6:
        return 0.6 + 0.1 * (scene.lines >= 2) + 0.1 * scene.still
    if scene.centred > 0.5 and scene.lines >= 2 and place.share > 0.7 and not scene.still:
        return 0.55
    return 0.0


def _opening_credits(scene: Scene, place: _Place) -> float:
    """Titles in the middle of the picture, or of black, in the first part."""
    if place.share > EARLY or place.start > OPENING or place.seconds < 1:
        return 0.0
    if scene.rolling > 0.3:
        return 0.6
    # Print in a picture that stands still may be part of it.
    if scene.centred < 0.35 or (scene.still and not scene.dark):
        return 0.0
    alone = place.untold and _is_alone(scene) and place.seconds <= LOGO[1]
    return 0.5 + 0.25 * scene.centred + 0.1 * (scene.before == "black") + 0.05 * scene.dark - 0.25 * alone


def _without_ubiquitous(parts: Sequence[Scene], verdicts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """No credits where print over pictures is there all the time: it is a caption then, or a counter."""
    pictures = [scene for scene in parts if not scene.dark]
    frames = sum(scene.frames for scene in pictures)
    titled = sum(scene.frames for scene in pictures if scene.centred > 0.35)
    if len(pictures) < 2 or 2 * titled > frames:
        return [
            ("", 0.0) if kind in ("OpeningCredits", "EndCredits") and not scene.dark and not scene.rolling > 0.3 else (kind, odds)
            for scene, (kind, odds) in zip(parts, verdicts, strict=True)
        ]
    return verdicts


def _ending(parts: Sequence[Scene], verdicts: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Cards at the end are credits only if nothing but credits comes after them."""
    settled = list(verdicts)
    told = False
    for number in range(len(parts) - 1, -1, -1):
        kind, _ = verdicts[number]
        if kind == "EndCredits" and told and not parts[number].rolling > 0.3:
            settled[number] = ("", 0.0)
        told = told or kind not in ("EndCredits", "StudioLogo")
    return settled
