"""Black frames: dark in nearly all pixels, and silent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from openrek.observations import Observation, Sampling

BLOCKS = Sampling("blocks", Fraction(50))
"""How sound is looked at: in pieces that are shorter than a frame."""
MAX_PIXEL_THRESHOLD = 0.2
MIN_COVERAGE_PERCENTAGE = 99.0
SHORTEST = 2
"""Frames of a run."""
SLACK = 1
"""Frames by which sound may set in before its picture, or linger after it: codecs smear it by a fortieth of a second."""
_DARK, _EVEN, _SPREAD = 32.0, 1.6, 12.0
"""Levels: mean, deviation and spread of a thumbnail that shows nothing at all."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Run:
    """Places of the first and the last of consecutive frames."""

    first: int
    last: int

    @property
    def frames(self) -> int:
        """How many."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class BlackRule:
    """What `BlackFrame` of a request means.

    Attributes
    ----------
    threshold
        Share of the range of luma up to which a pixel is black.
    coverage
        Share of the pixels that must be.
    """

    threshold: float = MAX_PIXEL_THRESHOLD
    coverage: float = MIN_COVERAGE_PERCENTAGE / 100

    def are_black(self, levels: NDArray[np.uint16]) -> Bools:
        """Whether frames with these distributions of luma are black, shape (n,); `levels` are shares of 65535, shape (n, 256)."""
        highest = int(np.floor(self.threshold * 255 + 1e-4))
        shares = levels.astype(np.int64)
        whole, lighter = shares.sum(axis=1), shares[:, highest + 1 :].sum(axis=1)
        # Both are 32-bit numbers on the wire, and shares are rounded: one that is met exactly counts as met.
        black: Bools = (whole - lighter >= (self.coverage - 1e-4) * whole) | (lighter == 0)
        return black


def are_empty(luma: NDArray[np.uint8]) -> Bools:
    """Whether thumbnails show nothing but black, be it noisy; shape (n,)."""
    pixels = luma.reshape(len(luma), -1)
    spread = pixels.max(axis=1).astype(np.int16) - pixels.min(axis=1)
    empty: Bools = (pixels.mean(axis=1) <= _DARK) & (pixels.std(axis=1) <= _EVEN) & (spread <= _SPREAD)
    return empty


def loud_frames(pts: NDArray[np.int64], heard: Iterable[Observation], silence: float, time_base: Fraction) -> Bools:
    """During which frames there is sound, shape (n,).

    Parameters
    ----------
    pts
        Of the frames, ascending.
    heard
        What `loudness` heard in `BLOCKS`.
    silence
        dBFS under which it is silence.
    """
    loud = np.zeros(len(pts), bool)
    assert BLOCKS.rate is not None
    middle = 1 / (2 * BLOCKS.rate * time_base)
    for block in heard:
        if len(block["rms"]) and block["rms"][0] >= silence and len(pts):
            loud[max(0, int(np.searchsorted(pts, float(block.pts + middle), side="right")) - 1)] = True
    return loud


def runs(flags: Bools, shortest: int = SHORTEST) -> list[Run]:
    """Spans of consecutive frames for which the flag is set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    spans = [Run(first, stop - 1) for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]
    return [span for span in spans if span.frames >= shortest]


def silent_runs(dark: Bools, loud: Bools, empty: Bools) -> list[Run]:
    """Runs of frames that are dark and silent.

    Where sound ends a run within `SLACK` of the frame with which the picture begins or ends, it is the picture that counts.

    Parameters
    ----------
    empty
        Frames that show nothing at all.
    """
    found = []
    for span in runs(dark & ~loud):
        first, last = span.first, span.last
        for _ in range(SLACK):
            if first > 0 and empty[first - 1] and loud[first - 1] and (first == 1 or not empty[first - 2]):
                first -= 1
            if last + 1 < len(dark) and empty[last + 1] and loud[last + 1] and (last + 2 == len(dark) or not empty[last + 2]):
                last += 1
        found.append(Run(first, last))
    return found
