"""Technical cues of small programmes made by code: to the frame where they are measured, near it where they are judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from openrek.features.base import Row
from segment_clips import HEIGHT, RATE, SOUND_RATE, WIDTH, Picture, film, pan, plain, segments, spans, take, tone, written

COLOURS = {
    "white": (1, 1, 1),
    "yellow": (1, 1, 0),
    "cyan": (0, 1, 1),
    "green": (0, 1, 0),
    "magenta": (1, 0, 1),
    "red": (1, 0, 0),
    "blue": (0, 0, 1),
    "black": (0, 0, 0),
    "grey": (0.53, 0.53, 0.53),
}
SEVEN = ["white", "yellow", "cyan", "green", "magenta", "red", "blue"]


def bars(kind: str) -> Picture:
    """SMPTE EG 1, ITU-R BT.801 (EBU) or SMPTE RP 219, in pixels."""
    layouts = {
        "smpte": [(name, 1 / 7) for name in SEVEN],
        "ebu": [(name, 1 / 8) for name in [*SEVEN, "black"]],
        "ebu-100": [(name, 1 / 8) for name in [*SEVEN, "black"]],
        "hd": [("grey", 1 / 8), *[(name, 3 / 28) for name in SEVEN], ("grey", 1 / 8)],
    }
    level = 255 if kind == "ebu-100" else 191
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    left = 0.0
    for name, width in layouts[kind]:
        picture[:, round(left * WIDTH) : round((left + width) * WIDTH)] = [round(level * part) for part in COLOURS[name]]
        left += width
    if kind == "smpte":
        picture[120:135] = picture[119, ::-1]
        picture[135:] = 20
        picture[135:, 60:120] = 255
    if kind == "hd":
        picture[105:] = 40
    return picture


def cues(path: Path, pictures: Sequence[Picture], silent: Sequence[tuple[int, int]] | None = None, **options: object) -> list[Row]:
    """Cues of a clip whose sound is silent in these frames only."""
    sound = tone(len(pictures) / float(RATE))
    for first, last in silent or ():
        sound[round(first * SOUND_RATE / RATE) : round((last + 1) * SOUND_RATE / RATE)] = 0
    return segments(film(path / "clip.mkv", pictures, sound=[sound]), ["TECHNICAL_CUE"], **options)  # type: ignore[arg-type]


def kinds(rows: Sequence[Row]) -> list[tuple[str, int, int]]:
    return [(row["TechnicalCueSegment"]["Type"], row["StartFrameNumber"], row["EndFrameNumber"]) for row in rows]


@pytest.mark.parametrize("kind", ["smpte", "ebu", "ebu-100", "hd"])
def test_colour_bars(tmp_path: Path, kind: str) -> None:
    rows = cues(tmp_path, [*take(pan("coffee"), 30), *[bars(kind)] * 40, *take(pan("astronaut"), 30)])
    assert kinds(rows) == [("Content", 0, 29), ("ColorBars", 30, 69), ("Content", 70, 99)]
    assert rows[1]["TechnicalCueSegment"]["Confidence"] > 93


@pytest.mark.parametrize("order", [["red", "white", "blue", "yellow", "black", "green", "cyan"], ["white", "grey", "black"] * 2])
def test_stripes_are_no_colour_bars(tmp_path: Path, order: list[str]) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, name in enumerate(order):
        picture[:, number * WIDTH // len(order) : (number + 1) * WIDTH // len(order)] = [round(191 * part) for part in COLOURS[name]]
    assert kinds(cues(tmp_path, [picture] * 40)) == [("Content", 0, 39)]


def test_black_and_silent(tmp_path: Path) -> None:
    pictures = [*take(pan("coffee"), 30), *plain(0, 25), *take(pan("astronaut"), 30)]
    assert kinds(cues(tmp_path, pictures, [(30, 54)])) == [("Content", 0, 29), ("BlackFrames", 30, 54), ("Content", 55, 84)]


def test_black_with_sound_is_content(tmp_path: Path) -> None:
    pictures = [*take(pan("coffee"), 30), *plain(0, 25), *take(pan("astronaut"), 30)]
    assert kinds(cues(tmp_path, pictures)) == [("Content", 0, 84)]


def test_sound_in_the_midst_of_black_parts_it(tmp_path: Path) -> None:
    rows = cues(tmp_path, [*plain(0, 75), *take(pan("coffee"), 25)], [(0, 29), (45, 74)])
    found = spans(rows, "BlackFrames")
    assert np.abs(np.array(found) - [(0, 29), (45, 74)]).max() <= 1


def test_one_black_frame_is_none(tmp_path: Path) -> None:
    pictures = [*take(pan("coffee"), 30), *plain(0, 1), *take(pan("coffee"), 30)]
    assert kinds(cues(tmp_path, pictures, [(30, 30)])) == [("Content", 0, 60)]


def noisy(level: int, frames: int) -> list[Picture]:
    rng = np.random.default_rng(0)
    return [np.clip(rng.normal(level, 6, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8).repeat(3, 2) for _ in range(frames)]


def test_noisy_black(tmp_path: Path) -> None:
    pictures = [*take(pan("coffee"), 30), *noisy(15, 25), *take(pan("astronaut"), 30)]
    assert spans(cues(tmp_path, pictures, [(30, 54)]), "BlackFrames") == [(30, 54)]


@pytest.mark.parametrize(
    ("level", "share", "asked", "black"),
    [
        (45, 1.0, {}, True),
        (60, 1.0, {}, False),
        (60, 1.0, {"MaxPixelThreshold": 0.3}, True),
        (20, 1.0, {"MaxPixelThreshold": 0.05}, False),
        (0, 0.97, {}, False),
        (0, 0.97, {"MinCoveragePercentage": 96}, True),
        (0, 1.0, {"MaxPixelThreshold": 0, "MinCoveragePercentage": 100}, True),
        (200, 1.0, {"MinCoveragePercentage": 0}, True),
    ],
)
def test_what_the_request_calls_black(tmp_path: Path, level: int, share: float, asked: dict[str, float], black: bool) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
    picture[: round((1 - share) * HEIGHT)] = 220
    rows = cues(tmp_path, [picture] * 30, [(0, 29)], filters={"TechnicalCueFilter": {"BlackFrame": asked}})
    assert kinds(rows) == [("BlackFrames" if black else "Content", 0, 29)]


def test_without_a_sound_track_black_is_silent(tmp_path: Path) -> None:
    clip = film(tmp_path / "mute.mp4", [*take(pan("coffee"), 30), *plain(0, 25)])
    assert kinds(segments(clip, ["TECHNICAL_CUE"])) == [("Content", 0, 29), ("BlackFrames", 30, 54)]


BLUE = np.full((HEIGHT, WIDTH, 3), (20, 30, 60), np.uint8)
BLACK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def test_a_whole_programme(tmp_path: Path) -> None:
    slate = written(
        [("TITLE: THE SHORE", 30, 50), ("EPISODE: 12", 30, 80), ("DATE: 2024-05-06", 30, 110), ("LENGTH: 00:20", 30, 140)], BLUE
    )
    logo = written([("SUNRISE FILMS", -1, 95)], np.full_like(BLUE, 12), 0.9)
    titles = [
        written([("STARRING", -1, 70), (name, -1, 105)], (p * 0.5).astype(np.uint8), 0.8)
        for name, photo in (("ANN LEE", "coffee"), ("BOB RAY", "astronaut"))
        for p in take(pan(photo, 2), 50)
    ]
    shots = [p for name in ("chelsea", "rocket", "camera", "coffee", "astronaut") for p in take(pan(name, 2), 60)]
    tall = written(
        [
            (text, -1, 30 + 28 * n)
            for n, text in enumerate(
                (
                    "CAST",
                    "ANN LEE AS MARY",
                    "BOB RAY AS JOHN",
                    "CAMERA BY LUC BERG",
                    "MUSIC BY IDA FINN",
                    "SOUND BY BEN HOLM",
                    "EDITED BY UNA WEST",
                    "FILMED ON LOCATION",
                )
            )
        ],
        np.zeros((300, WIDTH, 3), np.uint8),
        0.6,
    )
    tall = np.vstack([BLACK, tall, BLACK])
    roll = [tall[2 * n : 2 * n + HEIGHT] for n in range(20, 220)]
    parts = [[bars("smpte")] * 50, [slate] * 75, plain(0, 25), [logo] * 75, plain(0, 25), titles, shots, plain(0, 25), roll, plain(0, 25)]
    names = [
        "ColorBars",
        "Slate",
        "BlackFrames",
        "StudioLogo",
        "BlackFrames",
        "OpeningCredits",
        "Content",
        "BlackFrames",
        "EndCredits",
        "BlackFrames",
    ]
    ends = np.cumsum([len(part) for part in parts])
    truth = [(name, int(end) - len(part), int(end) - 1) for name, part, end in zip(names, parts, ends, strict=True)]
    rows = cues(tmp_path, [p for part in parts for p in part], [(first, last) for name, first, last in truth if name == "BlackFrames"])
    found = kinds(rows)
    assert [kind for kind, _, _ in found] == names
    for (kind, first, last), (_, true_first, true_last) in zip(found, truth, strict=True):
        slack = 1 if kind in ("ColorBars", "BlackFrames") else 12
        assert abs(first - true_first) <= slack, kind
        assert abs(last - true_last) <= slack, kind
    judged = [
        row["TechnicalCueSegment"]
        for row in rows
        if row["TechnicalCueSegment"]["Type"] in ("Slate", "StudioLogo", "OpeningCredits", "EndCredits")
    ]
    assert all(50 <= cue["Confidence"] <= 95 for cue in judged)
    wanted = {"TechnicalCueFilter": {"MinSegmentConfidence": 96}}
    assert not {"Slate", "OpeningCredits"} & {
        row["TechnicalCueSegment"]["Type"] for row in cues(tmp_path, parts[0] + parts[1], filters=wanted)
    }


def test_titles_all_along_are_no_credits(tmp_path: Path) -> None:
    pictures = [
        written([("CAMERA FOUR LIVE", -1, 95)], p, 0.8)
        for name in ("coffee", "astronaut", "chelsea", "rocket")
        for p in take(pan(name, 2), 60)
    ]
    assert {kind for kind, _, _ in kinds(cues(tmp_path, pictures))} == {"Content"}


def test_subtitles_are_no_credits(tmp_path: Path) -> None:
    pictures = [p for name in ("coffee", "astronaut", "chelsea", "rocket") for p in take(pan(name, 2), 60)]
    pictures = [written([("where are you going", 20, 165)], p) if n % 100 < 60 else p for n, p in enumerate(pictures)]
    assert {kind for kind, _, _ in kinds(cues(tmp_path, pictures))} == {"Content"}


def test_a_filter_of_everything(tmp_path: Path) -> None:
    small = [cv2.resize(p, (WIDTH, HEIGHT)) for p in take(pan("coffee"), 30)]
    rows = cues(tmp_path, small, filters={"TechnicalCueFilter": {"MinSegmentConfidence": 99.5}})
    assert rows == []
