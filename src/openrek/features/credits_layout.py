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
from openrek.features.scenes import Scene, cards

MOST = 0.95
OPENING = Fraction(900)
"""Seconds within which opening credits, slates and logos come."""
SLATE = (1, 90)
LOGO = (1, 20)
"""Seconds that they last."""
CREDITS = Fraction(5, 2)
"""Seconds that they last at least."""
TITLED = 0.35
"""Share of a scene's moments that have titles if it is one with titles."""
USUAL = 0.5
"""Share of the pictures elsewhere from which on print is usual in a programme."""
CARDS = 2
"""Titles one after the other that are credits wherever in the picture they stand."""
EARLY, LATE = 0.45, 0.5
"""Share of the programme before which its opening lies, and after which its end."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a scene stands.

    Attributes
    ----------
    share
        Of the programme before its middle.
    start, seconds
        Seconds before it and in it.
    untold
        Whether nothing but slates and logos has been shown yet.
    opening
        Whether nothing but those and opening credits has.
    cards
        Titles in the run of scenes with titles that it belongs to.
    elsewhere
        Share of the pictures outside of that run that have print.
    """

    share: float
    start: float
    seconds: float
    untold: bool
    opening: bool
    cards: int
    elsewhere: float


def judge(parts: Sequence[Scene], frames: int, rate: Fraction) -> Iterator[tuple[str, Run, float]]:
    """The kind, span and confidence of every cue among scenes that is not content."""
    verdicts: list[tuple[str, float]] = []
    runs = _titled_runs(parts)
    for scene, (shown, elsewhere) in zip(parts, runs, strict=True):
        told = {kind for kind, _ in verdicts}
        middle = (scene.first + scene.last) / 2 / frames
        untold, opening = told <= {"Slate", "StudioLogo"}, told <= {"Slate", "StudioLogo", "OpeningCredits"}
        place = _Place(middle, float(scene.first / rate), float(scene.frames / rate), untold, opening, shown, elsewhere)
        verdicts.append(_verdict(scene, place))
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


def _titled_runs(parts: Sequence[Scene]) -> list[tuple[int, float]]:
    """Of each scene the titles in the run of scenes that it belongs to, and the share of the pictures outside of it that have print."""
    whole = sum(scene.frames for scene in parts)
    printed = sum(scene.frames for scene in parts if scene.printed > TITLED)
    found: list[tuple[int, float]] = []
    for has_titles, group in groupby(parts, key=lambda scene: scene.titled > TITLED):
        run = list(group)
        within = sum(scene.frames for scene in run if scene.printed > TITLED)
        elsewhere = (printed - within) / max(1, whole - sum(scene.frames for scene in run))
        found += [(cards(page for scene in run for page in scene.pages) if has_titles else 0, elsewhere)] * len(run)
    return found


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
    """Print that rolls, cards on black, or one title after the other over pictures, in the last part."""
    if place.share < LATE:
        return 0.0
    if scene.rolling > 0.3:
        return 0.75 + 0.1 * scene.rolling + 0.1 * scene.dark
    if scene.dark and scene.printed > 0.6 and place.share > 0.6:
        return 0.55 + 0.05 * (scene.centred > 0.3) + 0.1 * (scene.lines >= 2) + 0.1 * scene.still
    lines_in_the_middle = scene.centred > 0.5 and scene.lines >= 2 and not scene.still and place.elsewhere < USUAL
    return 0.55 if place.share > 0.7 and (lines_in_the_middle or _are_cards(scene, place)) else 0.0


def _opening_credits(scene: Scene, place: _Place) -> float:
    """Titles in the middle of the picture, on black, or one after the other wherever they stand, in the first part."""
    if place.share > EARLY or place.start > OPENING or place.seconds < 1:
        return 0.0
    if scene.rolling > 0.3:
        return 0.6
    # Print in a picture that stands still may be part of it.
    if scene.still and not scene.dark:
        return 0.0
    alone = place.untold and _is_alone(scene) and place.seconds <= LOGO[1]
    if scene.centred >= 0.35:
        return 0.5 + 0.25 * scene.centred + 0.1 * (scene.before == "black") + 0.05 * scene.dark - 0.25 * alone
    if place.opening and (_are_cards(scene, place) or (scene.dark and scene.printed > 0.5)):
        return 0.55 + 0.1 * (place.cards > CARDS) + 0.1 * scene.dark - 0.25 * alone
    return 0.0


def _are_cards(scene: Scene, place: _Place) -> bool:
    """Titles come one after the other, and print is not usual in this programme."""
    return scene.titled > TITLED and place.cards >= CARDS and place.elsewhere < USUAL and not scene.still


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
