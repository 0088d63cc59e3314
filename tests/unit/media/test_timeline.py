"""Which times of a container are believed."""

from __future__ import annotations

from array import array
from fractions import Fraction

import pytest

from openrek.media import timeline
from openrek.media.packets import CONTINUES, DISCARD, HIDDEN, KEY, NO_TIME
from openrek.media.timeline import PacketColumns, StreamFacts

PAL = (Fraction(25),)


def columns(pts: list[int], *, duration: int = 40, flags: dict[int, int] | None = None) -> PacketColumns:
    count = len(pts)
    marks = [(flags or {}).get(place, KEY if place == 0 else 0) for place in range(count)]
    return PacketColumns(
        array("q", pts), array("q", [NO_TIME] * count), array("q", [duration] * count), array("q", [9] * count), array("B", marks)
    )


def stream(*, rates: tuple[Fraction, ...] = PAL, reorders: bool = True, time_base: Fraction = Fraction(1, 1000)) -> StreamFacts:
    return StreamFacts(0, time_base, rates, independent=False, reorders=reorders)


def test_times_of_the_container() -> None:
    index = timeline.index(columns([80, 200, 120, 160]), stream())
    assert (index.usable, index.frame_pts().tolist(), index.end_pts, index.frame_rate) == (True, [80, 120, 160, 200], 240, 25)


def test_some_frames_without_time_are_not_shown_but_many_make_all_times_useless() -> None:
    times = [place * 40 for place in range(100)]
    times[7] = times[50] = NO_TIME
    index = timeline.index(columns(times), stream())
    assert (index.usable, index.frames, int(index.flags[7]), int(index.flags[50])) == (True, 98, HIDDEN, HIDDEN)
    times[8] = NO_TIME
    index = timeline.index(columns(times), stream())
    assert (index.usable, index.frames, index.time_base, index.end_pts) == (False, 100, Fraction(1, 25), 100)


def test_a_codec_that_never_reorders_tells_its_frames_apart_without_times() -> None:
    index = timeline.index(columns([NO_TIME] * 6, flags={0: KEY, 3: KEY, 4: DISCARD}), stream(reorders=False, rates=()))
    assert (index.usable, index.frame_rate, index.frame_pts().tolist()) == (True, 25, [0, 1, 2, 3, 4])
    assert index.starts.tolist() == [0, 3]


def test_a_jump_of_the_clock_makes_times_useless() -> None:
    times = [*range(100_000, 104_000, 40), *range(0, 4_000, 40)]
    assert not timeline.index(columns(times), stream()).usable
    # A gap is none.
    assert timeline.index(columns([*range(0, 4_000, 40), *range(100_000, 104_000, 40)]), stream()).usable


@pytest.mark.parametrize(
    ("pts", "duration", "rates", "end", "rate"),
    [
        # Rounded to milliseconds, 30000/1001 is still that.
        ([0, 33, 67, 100, 133], 33, (Fraction(30000, 1001),), 166, Fraction(30000, 1001)),
        # A nominal rate that does not explain the length is not the average.
        ([0, 33, 67, 100, 633], 33, (Fraction(30000, 1001),), 666, Fraction(5000, 666)),
        # Without durations the last frame is shown as long as the others are.
        ([0, 40, 80, 120], 0, PAL, 160, Fraction(25)),
        ([0, 50, 100, 150], 0, (), 200, Fraction(20)),
        ([7], 0, PAL, 47, Fraction(25)),
        # Of two nominal rates the better one.
        ([0, 40, 80, 120], 40, (Fraction(24), Fraction(25)), 160, Fraction(25)),
    ],
)
def test_average_rate_and_end(pts: list[int], duration: int, rates: tuple[Fraction, ...], end: int, rate: Fraction) -> None:
    index = timeline.index(columns(pts, duration=duration), stream(rates=rates))
    assert (index.end_pts, index.frame_rate) == (end, rate)


def test_a_frame_of_two_fields_lasts_as_long_as_both() -> None:
    index = timeline.index(columns([0, 20, 40, 60], duration=20, flags={0: KEY, 1: HIDDEN | CONTINUES, 3: HIDDEN | CONTINUES}), stream())
    assert (index.frames, index.end_pts) == (2, 80)


def test_frames_that_lack_their_keyframe_are_no_frames_but_lost_ones_are() -> None:
    # Two that come before the keyframe, which two more lead over to; then three that follow it.
    draft = timeline.index(columns([0, 40, 160, 80, 120, 200, 240, 280], flags={0: 0, 2: KEY}), stream())
    assert timeline.opened_at(draft, 4).frame_pts().tolist() == [160, 200, 240, 280]
    assert timeline.opened_at(draft, 6).frame_pts().tolist() == [160, 200, 240, 280]
    assert timeline.opened_at(draft, 3).frame_pts().tolist() == [120, 160, 200, 240, 280]
    assert timeline.opened_at(draft, 0) is draft


def test_a_stream_without_frames() -> None:
    assert timeline.index(columns([]), stream()).frames == 0
    assert timeline.index(columns([0], flags={0: DISCARD | KEY}), stream()).frames == 0
