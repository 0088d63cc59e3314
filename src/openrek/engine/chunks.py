"""The chunk plan: how a video is cut for work, as a function of the file alone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

SHORTEST = Fraction(8)
LONGEST = Fraction(60)
CHUNKS_WANTED = 64


@dataclass(frozen=True, slots=True)
class Chunk:
    """The frames with `start` <= pts < `end`, and the sound of that time."""

    start: int
    end: int


def plan(keyframes: NDArray[np.int64], start: int, end: int, time_base: Fraction) -> tuple[Chunk, ...]:
    """Cut [start, end) at keyframes into chunks of 8 to 60 seconds, some 64 of them in a long video.

    Short chunks keep all cores busy and lose little when a process is killed; every cut costs a seek and some frames of look-ahead.
    Where keyframes are rarer than that, a chunk is as long as their distance.

    Parameters
    ----------
    keyframes
        pts at which decoding can start, ascending; without any the video is one chunk.
    start, end
        First pts, and the first pts after the last frame, in units of `time_base` seconds.
    """
    least = min(max((end - start) * time_base / CHUNKS_WANTED, SHORTEST), LONGEST) / time_base
    cuts = [start]
    for keyframe in keyframes.tolist():
        if keyframe - cuts[-1] >= least and end - keyframe >= least / 2:
            cuts.append(keyframe)
    return tuple(Chunk(a, b) for a, b in zip(cuts, [*cuts[1:], end], strict=True))
