"""Shots: cuts to the frame, transitions that belong to no shot, and what looks like a cut and is none."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np
import pytest

from segment_clips import HEIGHT, PHOTOGRAPHS, WIDTH, Picture, dissolve, faded, film, pan, plain, segments, spans, take, wipe


def shots(tmp_path: Path, pictures: list[Picture], rate: Fraction = Fraction(25)) -> list[tuple[int, int]]:
    return spans(segments(film(tmp_path / "clip.mp4", pictures, rate), ["SHOT"]))


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(60), Fraction(120)], ids=str)
def test_cuts_are_found_to_the_frame(tmp_path: Path, rate: Fraction) -> None:
    lengths = [round(frames * max(1, rate / 30)) for frames in (31, 18, 44, 9, 27, 12, 30)]
    pictures = [p for name, frames in zip(PHOTOGRAPHS, lengths, strict=True) for p in take(pan(name), frames)]
    ends = list(accumulate(lengths))
    assert shots(tmp_path, pictures, rate) == [(end - length, end - 1) for end, length in zip(ends, lengths, strict=True)]


def test_cuts_at_the_first_and_the_last_frame(tmp_path: Path) -> None:
    pictures = [*take(pan("coffee"), 1), *take(pan("astronaut"), 40), *take(pan("rocket"), 1)]
    assert shots(tmp_path, pictures) == [(0, 0), (1, 40), (41, 41)]


def test_an_uncut_clip_is_one_shot(tmp_path: Path) -> None:
    assert shots(tmp_path, take(pan("astronaut", 2), 120)) == [(0, 119)]


@pytest.mark.parametrize("kind", ["dissolve", "wipe"])
def test_gradual_transitions_belong_to_no_shot(tmp_path: Path, kind: str) -> None:
    old, new = pan("astronaut", 0.5), pan("coffee", 0.5)
    between = {"dissolve": dissolve, "wipe": wipe}[kind]
    pictures = [*take(old, 50), *between(old, new, 20), *take(new, 50)]
    first, second = shots(tmp_path, pictures)
    assert first[0] == 0
    assert first[1] == pytest.approx(49, abs=2)
    assert second[0] == pytest.approx(70, abs=2)
    assert second[1] == 119


@pytest.mark.parametrize("frames", [16, 40])
@pytest.mark.parametrize("kind", ["dissolve", "wipe"])
@pytest.mark.parametrize("names", [("astronaut", "chelsea"), ("camera", "coffee")], ids="-".join)
def test_transitions_between_moving_pictures(tmp_path: Path, names: tuple[str, str], kind: str, frames: int) -> None:
    """Both pan by a fifteenth of the picture and more during the transition."""
    old, new = pan(names[0], 2.5), pan(names[1], 1.5)
    between = {"dissolve": dissolve, "wipe": wipe}[kind]
    pictures = [*take(old, 50), *between(old, new, frames), *take(new, 60)]
    first, second = shots(tmp_path, pictures)
    assert (first[0], second[1]) == (0, len(pictures) - 1)
    assert first[1] == pytest.approx(49, abs=4 + frames / 4)
    assert second[0] == pytest.approx(50 + frames, abs=4 + frames / 4)


def test_a_matte_that_opens_in_streaks_is_a_transition(tmp_path: Path) -> None:
    old, new = pan("astronaut", 0.5), pan("coffee", 1)
    rng = np.random.default_rng(1)
    streaks = cv2.GaussianBlur(rng.normal(size=(HEIGHT, WIDTH)), (0, 0), 40, sigmaY=4)
    rank = streaks.ravel().argsort().argsort().reshape(HEIGHT, WIDTH, 1) / streaks.size
    opening = [np.where(rank < (n + 1) / 21, b, a) for n, (a, b) in enumerate(zip(take(old, 20), take(new, 20), strict=True))]
    first, second = shots(tmp_path, [*take(old, 50), *opening, *take(new, 50)])
    assert first[1] == pytest.approx(49, abs=4)
    assert second[0] == pytest.approx(70, abs=4)


def test_somebody_who_comes_and_goes_is_no_transition(tmp_path: Path) -> None:
    pictures = [picture.copy() for picture in take(pan("chelsea", 0.3), 150)]
    visitor = cv2.resize(next(pan("coffee")), (150, 170))
    for n in range(40, 110):
        left = WIDTH - int(220 * min(1, (n - 39) / 18, (110 - n) / 18))
        seen = min(150, WIDTH - left)
        pictures[n][5:175, left : left + seen] = visitor[:, :seen]
    assert shots(tmp_path, pictures) == [(0, 149)]


def test_fades_to_black_and_from_it(tmp_path: Path) -> None:
    old, new = pan("astronaut", 0.5), pan("coffee", 0.5)
    pictures = [*take(old, 50), *faded(take(old, 15), True), *plain(0, 20), *faded(take(new, 15), False), *take(new, 50)]
    found = shots(tmp_path, pictures)
    assert len(found) == 3
    assert np.abs(np.array(found) - [(0, 49), (65, 84), (100, 149)]).max() <= 2


def test_a_cut_to_black_and_back(tmp_path: Path) -> None:
    pictures = [*take(pan("astronaut"), 40), *plain(0, 20), *take(pan("coffee"), 40)]
    assert shots(tmp_path, pictures) == [(0, 39), (40, 59), (60, 99)]


def flash(pictures: list[Picture]) -> None:
    for at, frames in ((30, 1), (60, 2), (90, 3)):
        for n in range(at, at + frames):
            pictures[n] = cv2.addWeighted(pictures[n], 0.2, np.full_like(pictures[n], 255), 0.8, 0)


def flicker(pictures: list[Picture]) -> None:
    light = 1 + 0.25 * np.sin(np.arange(len(pictures)) * 2.1)
    pictures[:] = [np.clip(p * g, 0, 255).astype(np.uint8) for p, g in zip(pictures, light, strict=True)]


def lights_out(pictures: list[Picture]) -> None:
    pictures[50:] = [(p * 0.45).astype(np.uint8) for p in pictures[50:]]


def zoom(pictures: list[Picture]) -> None:
    for n in range(40, len(pictures)):
        scale = min(2.5, 1 + (n - 40) * 0.15)
        width, height = int(WIDTH / scale), int(HEIGHT / scale)
        left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
        pictures[n] = cv2.resize(pictures[n][top : top + height, left : left + width], (WIDTH, HEIGHT))


def billboard(pictures: list[Picture]) -> None:
    for n, picture in enumerate(pictures):
        other = next(pan(PHOTOGRAPHS[n // 30 % 4]))
        pictures[n] = picture.copy()
        pictures[n][20:100, 30:170] = cv2.resize(other, (140, 80))


@pytest.mark.parametrize("trick", [flash, flicker, lights_out, zoom, billboard], ids=lambda trick: trick.__name__)
def test_what_is_no_cut(tmp_path: Path, trick) -> None:
    pictures = [picture.copy() for picture in take(pan("chelsea", 0.7), 120)]
    trick(pictures)
    assert shots(tmp_path, pictures) == [(0, 119)]


@pytest.mark.parametrize("name", ["rocket", "astronaut", "coffee"])
def test_a_fast_pan_is_no_cut(tmp_path: Path, name: str) -> None:
    """A tenth of the picture's width a frame, blurred."""
    slow, fast = take(pan(name, 1), 40), take(pan(name, 32), 12)
    assert shots(tmp_path, [*slow, *[cv2.blur(p, (25, 1)) for p in fast], *fast[-1:] * 40]) == [(0, 91)]


def test_confidence_is_that_of_the_less_certain_end(tmp_path: Path) -> None:
    rows = segments(film(tmp_path / "clip.mp4", [*take(pan("astronaut"), 40), *take(pan("coffee"), 40)]), ["SHOT"])
    one, other = (row["ShotSegment"] for row in rows)
    assert (one["Index"], other["Index"]) == (0, 1)
    assert 90 < one["Confidence"] == other["Confidence"] <= 100


def test_the_filter_leaves_out_what_is_less_certain(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", [*take(pan("astronaut"), 40), *take(pan("coffee"), 40)])
    [row, _] = segments(clip, ["SHOT"])
    threshold = float(np.float32(row["ShotSegment"]["Confidence"]))
    assert len(segments(clip, ["SHOT"], {"ShotFilter": {"MinSegmentConfidence": threshold}})) == 2
    assert not segments(clip, ["SHOT"], {"ShotFilter": {"MinSegmentConfidence": 100}})
