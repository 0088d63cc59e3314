"""Rational media time."""

from __future__ import annotations

from fractions import Fraction


def milliseconds(pts: int, start_pts: int, time_base: Fraction) -> int:
    """Floor of the milliseconds from `start_pts` to `pts`, both in units of `time_base` seconds."""
    return (pts - start_pts) * time_base.numerator * 1000 // time_base.denominator


def ticks(seconds: Fraction, time_base: Fraction) -> int:
    """Floor of `seconds` in units of `time_base` seconds."""
    return seconds.numerator * time_base.denominator // (seconds.denominator * time_base.numerator)
