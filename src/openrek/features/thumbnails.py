"""Thumbnails of every frame as a stream of overlapping windows, so that a video of any length fits into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openrek.observations import Observation

CORE = 512
"""Frames that a window is about."""


@dataclass(frozen=True, slots=True)
class Window:
    """Some frames of a video, and frames around them.

    Attributes
    ----------
    first
        Place of the first frame of the arrays among all that were seen.
    core
        Places in the arrays of the frames that the window is about; those of all windows are all frames, each once.
    luma, chroma
        Shapes (n, height, width) and (n, height, width, 2), uint8.
    """

    first: int
    core: range
    luma: NDArray[np.uint8]
    chroma: NDArray[np.uint8]


def windows(seen: Iterable[Observation], margin: int) -> Iterator[Window]:
    """Windows over what `thumbnail` saw of every frame, in order.

    Parameters
    ----------
    margin
        Frames before and after the core that are there too, as far as the video has them.
    """
    luma: list[NDArray[np.uint8]] = []
    chroma: list[NDArray[np.uint8]] = []
    first = begin = 0
    for moment in seen:
        luma.append(moment["luma"][0])
        chroma.append(moment["chroma"][0])
        if first + len(luma) == begin + CORE + margin:
            yield Window(first, range(begin - first, begin + CORE - first), np.stack(luma), np.stack(chroma))
            begin += CORE
            drop = max(0, begin - margin - first)
            del luma[:drop], chroma[:drop]
            first += drop
    if first + len(luma) > begin:
        yield Window(first, range(begin - first, len(luma)), np.stack(luma), np.stack(chroma))
