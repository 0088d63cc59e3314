"""Technical cues of programmes in other styles than the usual one: white slates, logos on gradients, titles at the left, letterboxed pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from segment_clips import SOUND_RATE, Picture, film, pan, segments, take, tone

Part = tuple[str, list[Picture]]
SERIF, SANS = cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_DUPLEX
CREW = (
    "DIRECTED BY NORA LIND",
    "WRITTEN BY PAUL STONE",
    "MUSIC BY IDA FINN",
    "CAMERA BY LUC BERG",
    "EDITED BY UNA WEST",
    "SOUND BY BEN HOLM",
)
CAST = ("ADA BROOK", "BEN COLE", "DI EAST", "ED FORD", "FLO GRAY", "GUS HILL", "HAL IVES", "MIA OAKES")


def lettered(picture: Picture, lines: Sequence[tuple[str, int, int]], level: int = 240, size: float = 0.8, font: int = SANS) -> Picture:
    """Lines at (left, baseline)."""
    made = picture.copy()
    for text, left, base in lines:
        cv2.putText(made, text, (left, base), font, size, (level,) * 3, 1 if size < 0.7 else 2, cv2.LINE_AA)
    return made


def shot(name: str, frames: int, width: int, height: int, bar: int = 0) -> list[Picture]:
    """A slow pan, letterboxed by so many lines."""
    return [
        cv2.copyMakeBorder(cv2.resize(picture, (width, height - 2 * bar)), bar, bar, 0, 0, cv2.BORDER_CONSTANT)
        for picture in take(pan(name, 1.5), frames)
    ]


def titled(pictures: Sequence[Picture], lines: Sequence[tuple[str, int, int]], **how: Any) -> list[Picture]:
    """All but the first and the last few with a title."""
    return [lettered(p, lines, **how) if 6 <= n < len(pictures) - 8 else p for n, p in enumerate(pictures)]


def faded(pictures: Sequence[Picture], frames: int = 10) -> list[Picture]:
    """From black and to black."""
    count = len(pictures)
    return [(p * min(1.0, (n + 1) / frames, (count - n) / frames)).astype(np.uint8) for n, p in enumerate(pictures)]


def rolled(lines: Sequence[tuple[str, int]], frames: int, ground: Picture, level: int, gap: int, step: int) -> Iterator[Picture]:
    """Lines at their lefts that come up from below."""
    height, width = ground.shape[:2]
    tall = np.full((2 * height + gap * len(lines) + step * frames, width, 3), ground[0, 0], np.uint8)
    tall = lettered(tall, [(text, left, height + gap * n) for n, (text, left) in enumerate(lines)], level, 0.5)
    for n in range(frames):
        yield tall[step * n + height // 4 : step * n + height // 4 + height]


def found(folder: Path, parts: Sequence[Part], rate: Fraction) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """What is true of a programme, and what is found; only black is silent."""
    ends = np.cumsum([len(pictures) for _, pictures in parts])
    truth = [(kind, int(end) - len(pictures), int(end) - 1) for (kind, pictures), end in zip(parts, ends, strict=True)]
    sound = tone(float(ends[-1] / rate))
    for kind, first, last in truth:
        if kind == "BlackFrames":
            sound[round(first * SOUND_RATE / rate) : round((last + 1) * SOUND_RATE / rate)] = 0
    clip = film(folder / "clip.mkv", (p for _, pictures in parts for p in pictures), rate, sound=[sound])
    rows = segments(clip, ["TECHNICAL_CUE"])
    return truth, [(row["TechnicalCueSegment"]["Type"], row["StartFrameNumber"], row["EndFrameNumber"]) for row in rows]


def broadcast() -> tuple[list[Part], Fraction]:
    """640 x 360 at 25: black on white, a logo on a gradient, titles at the lower left, a roll of two columns in small print."""
    width, height = 640, 360
    black = [np.zeros((height, width, 3), np.uint8)]
    facts = ("HARBOUR NIGHTS", "EP. 7  REEL 1", "DIR. A. MOSS", "12 MAY 2023", "16:9  25P")
    slate = lettered(np.full_like(black[0], 235), [(text, 60, 60 + 60 * n) for n, text in enumerate(facts)], 10)
    gradient = (np.linspace(0.2, 1, height)[:, None, None] * (90, 130, 200) + np.zeros((height, width, 1))).astype(np.uint8)
    logo = lettered(gradient, [("BLUE HERON", 170, 200)], size=1.6, font=SERIF)
    titles = [
        picture
        for photo, lines in (
            ("coffee", ["ADA BROOK"]),
            ("chelsea", ["WITH", "BEN COLE"]),
            ("rocket", ["DIRECTED BY", "NORA LIND"]),
        )
        for picture in titled(shot(photo, 70, width, height), [(text, 50, 250 + 36 * n) for n, text in enumerate(lines)], size=1.0)
    ]
    story = [p for name in ("astronaut", "camera", "retina", "coffee", "rocket") for p in shot(name, 110, width, height)]
    columns = [(text, left) for pair in zip(CAST, CAST[::-1], strict=True) for text, left in zip(pair, (150, 150), strict=True)]
    roll = list(rolled([*columns, *((text, 150) for text in CREW)], 200, black[0], 220, 26, 2))
    return [
        ("Slate", [slate] * 100),
        ("BlackFrames", black * 40),
        ("StudioLogo", faded([logo] * 90)),
        ("BlackFrames", black * 25),
        ("OpeningCredits", titles),
        ("Content", story),
        ("BlackFrames", black * 25),
        ("EndCredits", roll),
        ("BlackFrames", black * 40),
    ], Fraction(25)


def cinema() -> tuple[list[Part], Fraction]:
    """640 x 480 at 24, letterboxed: titles at the left of black, and cards over the last picture."""
    width, height, bar = 640, 480, 60
    black = [np.zeros((height, width, 3), np.uint8)]
    logo = np.full_like(black[0], 235)
    cv2.circle(logo, (width // 2, height // 2), 110, (200, 40, 40), -1, cv2.LINE_AA)
    titles = [
        picture
        for text in ("NORA LIND PRESENTS", "A HERON PRODUCTION", "THE LONG RIVER")
        for picture in faded([lettered(black[0], [(text, 70, 230)], size=1.1)] * 60, 6)
    ]
    story = [p for name in ("chelsea", "camera", "retina", "coffee", "rocket") for p in shot(name, 110, width, height, bar)]
    last = shot("astronaut", 240, width, height, bar)
    ground = [(p * 0.4).astype(np.uint8) for p in last]
    cards = [
        picture
        for n in range(3)
        for picture in titled(ground[80 * n : 80 * n + 80], [(text, 90, 230 + 40 * k) for k, text in enumerate(CREW[2 * n : 2 * n + 2])])
    ]
    return [
        ("BlackFrames", black * 24),
        ("StudioLogo", [logo] * 72),
        ("BlackFrames", black * 24),
        ("OpeningCredits", titles),
        ("Content", story),
        ("EndCredits", cards),
        ("BlackFrames", black * 48),
    ], Fraction(24)


@pytest.mark.parametrize("style", [broadcast, cinema], ids=lambda style: style.__name__)
def test_programmes_in_other_styles(tmp_path: Path, style) -> None:
    truth, cues = found(tmp_path, *style())
    assert [kind for kind, _, _ in cues] == [kind for kind, _, _ in truth]
    for (kind, first, last), (_, true_first, true_last) in zip(cues, truth, strict=True):
        slack = 1 if kind == "BlackFrames" else 12
        assert abs(first - true_first) <= slack, kind
        assert abs(last - true_last) <= slack, kind


def test_the_name_of_somebody_in_the_first_picture_is_no_credit(tmp_path: Path) -> None:
    parts = [
        ("Content", titled(shot("astronaut", 120, 640, 360), [("NORA LIND", 60, 270), ("PILOT", 60, 300)])),
        ("Content", [p for name in ("coffee", "chelsea", "rocket") for p in shot(name, 90, 640, 360)]),
    ]
    _, cues = found(tmp_path, parts, Fraction(25))
    assert [kind for kind, _, _ in cues] == ["Content"]


def test_a_mark_that_is_always_there_is_no_credit(tmp_path: Path) -> None:
    """Neither at the end, nor where a texture beside it looks like print now and then."""
    pictures = [p for name in ("coffee", "chelsea", "astronaut", "brick") for p in shot(name, 90, 640, 360)]
    marked = [lettered(p, [("COPYRIGHT 2013", 40, 300), ("WWW.EXAMPLE.COM", 380, 300)], size=0.6) for p in pictures]
    _, cues = found(tmp_path, [("Content", marked)], Fraction(30))
    assert [kind for kind, _, _ in cues] == ["Content"]
