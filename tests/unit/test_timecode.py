"""SMPTE timecode: known examples, the guide's response, and every frame of a day."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrek.timecode import drops_frames, nominal_rate, smpte

FILM, NTSC, NTSC60 = Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)
RATES = (FILM, Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(50), NTSC60, Fraction(60), Fraction(120), Fraction(120000, 1001))


def counted(timecode: str, rate: Fraction) -> int:
    """The frame that a timecode names, counted as a person would: numbers that exist so far."""
    hours, minutes, seconds, frames = (int(part) for part in re.split("[:;]", timecode))
    nominal = nominal_rate(rate)
    total_minutes = 60 * hours + minutes
    frame = (60 * total_minutes + seconds) * nominal + frames
    if ";" in timecode:
        frame -= nominal // 15 * (total_minutes - total_minutes // 10)
    return frame


@pytest.mark.parametrize(
    ("frame", "rate", "timecode"),
    [
        (0, NTSC, "00:00:00;00"),
        (299, NTSC, "00:00:09;29"),  # the developer guide's response
        (1799, NTSC, "00:00:59;29"),
        (1800, NTSC, "00:01:00;02"),
        (17981, NTSC, "00:09:59;29"),
        (17982, NTSC, "00:10:00;00"),
        (107892, NTSC, "01:00:00;00"),
        (2589407, NTSC, "23:59:59;29"),
        (3599, NTSC60, "00:00:59;59"),
        (3600, NTSC60, "00:01:00;04"),
        (35964, NTSC60, "00:10:00;00"),
        (5178815, NTSC60, "23:59:59;59"),
        (86399, FILM, "00:59:59:23"),
        (86400, FILM, "01:00:00:00"),
        (24, Fraction(24), "00:00:01:00"),
        (89999, Fraction(25), "00:59:59:24"),
        (1800, Fraction(30), "00:01:00:00"),
        (49, Fraction(50), "00:00:00:49"),
        (3600, Fraction(60), "00:01:00:00"),
        (119, Fraction(120), "00:00:00:119"),
        (127, Fraction(120), "00:00:01:007"),
        (2, Fraction(1), "00:00:02:00"),
        (3, Fraction(1, 10), "00:00:03:00"),
    ],
)
def test_known_examples(frame: int, rate: Fraction, timecode: str) -> None:
    assert smpte(frame, rate) == timecode


@pytest.mark.parametrize("rate", RATES)
@given(data=st.data())
def test_there_and_back_through_a_day(rate: Fraction, data: st.DataObject) -> None:
    day = 86400 * nominal_rate(rate) - (nominal_rate(rate) // 15 * (1440 - 144) if drops_frames(rate) else 0)
    frame = data.draw(st.integers(0, day - 1))
    timecode = smpte(frame, rate)
    assert re.fullmatch(r"[012]\d:[0-5]\d:[0-5]\d[:;]\d\d\d?", timecode)
    assert counted(timecode, rate) == frame
    assert smpte(frame + day, rate) == timecode


@pytest.mark.parametrize("rate", [NTSC, NTSC60])
def test_every_frame_of_an_hour_has_a_number_of_its_own_and_none_is_a_dropped_one(rate: Fraction) -> None:
    frames = nominal_rate(rate) * 3600 - nominal_rate(rate) // 15 * 54
    codes = [smpte(frame, rate) for frame in range(frames)]
    assert codes == sorted(set(codes))
    dropped = [code for code in codes if code[6:8] == "00" and code[4] != "0" and int(code[9:]) < nominal_rate(rate) // 15]
    assert not dropped
    assert smpte(frames, rate) == "01:00:00;00"


@given(st.integers(0, 10**6), st.sampled_from([NTSC, NTSC60]))
def test_drop_frame_keeps_up_with_the_clock(frame: int, rate: Fraction) -> None:
    timecode = smpte(frame, rate)
    hours, minutes, seconds, number = (int(part) for part in timecode.replace(";", ":").split(":"))
    shown = 3600 * hours + 60 * minutes + seconds + Fraction(number, nominal_rate(rate))
    assert abs(shown - frame / rate) < Fraction(4, nominal_rate(rate)) + Fraction(1, 10)


@pytest.mark.parametrize(
    ("rate", "drops"),
    [
        (NTSC, True),
        (Fraction(2997, 100), True),
        (Fraction(29969, 1000), True),
        (Fraction(30), False),
        (Fraction(29999, 1000), False),
        (FILM, False),
        (Fraction(120000, 1001), False),
        (Fraction(5994, 100), True),
    ],
)
def test_which_rates_drop_frames(rate: Fraction, drops: bool) -> None:
    assert drops_frames(rate) is drops
