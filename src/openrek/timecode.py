"""Rational media time, and SMPTE timecode."""

from __future__ import annotations

from fractions import Fraction


def milliseconds(pts: int, start_pts: int, time_base: Fraction) -> int:
    """Floor of the milliseconds from `start_pts` to `pts`, both in units of `time_base` seconds."""
    return (pts - start_pts) * time_base.numerator * 1000 // time_base.denominator


def ticks(seconds: Fraction, time_base: Fraction) -> int:
    """Floor of `seconds` in units of `time_base` seconds."""
    return seconds.numerator * time_base.denominator // (seconds.denominator * time_base.numerator)


def nominal_rate(rate: Fraction) -> int:
    """Frames that a second of timecode counts: 30 at 29.97 frames a second, 24 at 23.976; at least one."""
    return max(1, round(rate))


def drops_frames(rate: Fraction) -> bool:
    """Whether timecode at this rate leaves numbers out to keep up with the clock, as SMPTE ST 12-1 has it for 29.97 and 59.94.

    A rate that was counted from a file's pts is taken as the nearer one of n and n / 1.001.
    """
    nominal = nominal_rate(rate)
    return nominal in (30, 60) and abs(rate - nominal * Fraction(1000, 1001)) < abs(rate - nominal) / 2


def smpte(frame: int, rate: Fraction) -> str:
    """The timecode of a frame that is counted from 0: `hh:mm:ss:ff`, or `hh:mm:ss;ff` in drop-frame notation.

    Drop frame leaves out the first two numbers (four at 59.94) of every minute but each tenth. Frame numbers have three digits where
    a second has more than a hundred frames. After a day the clock begins again.

    Parameters
    ----------
    rate
        Average frames per second; those of a variable rate count as if they were shown at the nearest whole rate.
    """
    nominal = nominal_rate(rate)
    separator = ":"
    if drops_frames(rate):
        separator = ";"
        dropped = nominal // 15
        minute = 60 * nominal - dropped
        tens, rest = divmod(frame, 10 * minute + dropped)
        frame += 9 * dropped * tens + dropped * max(0, (rest - dropped) // minute)
    seconds, number = divmod(frame, nominal)
    minutes, second = divmod(seconds, 60)
    hours, minute_ = divmod(minutes, 60)
    digits = max(2, len(str(nominal - 1)))
    return f"{hours % 24:02d}:{minute_:02d}:{second:02d}{separator}{number:0{digits}d}"
