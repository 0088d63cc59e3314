"""Colour bars: SMPTE (EG 1, seven bars), HD (RP 219, seven bars between grey ones) and EBU (eight bars), at any saturation.

The upper part of the picture is compared with what each of them must look like, by correlation of luma and of colour along the width. The
parts below differ from one generator to the next and are left out.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from openrek.observations import THUMBNAIL, THUMBNAIL_COLOUR

CERTAIN = 0.93
"""Correlation from which on a picture shows bars."""
_COLOURS = {
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
_SEVEN = ("white", "yellow", "cyan", "green", "magenta", "red", "blue")
_LAYOUTS = (
    tuple((name, 1 / 7) for name in _SEVEN),
    (("grey", 1 / 8), *((name, 3 / 28) for name in _SEVEN), ("grey", 1 / 8)),
    tuple((name, 1 / 8) for name in (*_SEVEN, "black")),
)
_WEIGHTS = ((0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722))
"""Shares of red, green and blue in luma: of BT.601 and of BT.709."""
_FINE = 32
"""Places within a column at which an ideal picture is looked up."""
_ROWS, _COLOUR_ROWS = slice(1, 13), slice(1, 4)
_UNEVEN = 6.0
"""Mean deviation of levels within a column above which it is no bar."""
_COLOURED = 12.0
"""Deviation of colours along the width under which there are no bars."""

Floats = NDArray[np.float64]


def likeness(luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> Floats:
    """How much thumbnails look like bars: the lesser of the correlations of luma and of colour with the best layout; at most 1.

    Parameters
    ----------
    luma, chroma
        Shapes (n, height, width) and (n, height, width, 2).

    Returns
    -------
    Shape (n,).
    """
    found = np.zeros(len(luma))
    coloured = chroma[:, _COLOUR_ROWS].std(axis=2).mean(axis=(1, 2)) >= _COLOURED
    even = luma[:, _ROWS].std(axis=1).mean(axis=1) <= _UNEVEN
    for place in np.flatnonzero(coloured & even):
        found[place] = _likeness(luma[place, _ROWS].mean(axis=0), chroma[place, _COLOUR_ROWS].mean(axis=0) - 128.0)
    return found


def _likeness(along: Floats, colour: Floats) -> float:
    dark = along < 16
    edge = 0 if dark.all() else min(int(np.argmin(dark)), int(np.argmin(dark[::-1])))
    return max(min(_correlation(along, ideal), _alignment(colour, tint)) for ideal, tint in _ideals(edge))


@cache
def _ideals(edge: int) -> tuple[tuple[Floats, Floats], ...]:
    """Luma, shape (columns,), and colour, shape (columns, 2), of every layout between `edge` black columns on either side."""
    return tuple(
        (_averaged(layout, weights, THUMBNAIL[1], edge)[:, 0], _averaged(layout, weights, THUMBNAIL_COLOUR[1], edge)[:, 1:])
        for layout in _LAYOUTS
        for weights in _WEIGHTS
    )


def _averaged(layout: tuple[tuple[str, float], ...], weights: tuple[float, float, float], columns: int, edge: int) -> Floats:
    margin = edge / THUMBNAIL[1]
    place = ((np.arange(columns * _FINE) + 0.5) / (columns * _FINE) - margin) / (1 - 2 * margin)
    ends = np.cumsum([width for _, width in layout])
    bars = np.array([*(_COLOURS[name] for name, _ in layout), (0, 0, 0)], float)
    number = np.where((place < 0) | (place >= 1), len(layout), np.searchsorted(ends[:-1], place, side="right"))
    shares = np.array(weights)
    luma = bars @ shares
    blue, red = (bars[:, 2] - luma) / (2 - 2 * shares[2]), (bars[:, 0] - luma) / (2 - 2 * shares[0])
    fine = np.stack([luma, blue, red], axis=1)[number]
    averaged: Floats = fine.reshape(columns, _FINE, 3).mean(axis=1)
    return averaged


def _correlation(one: Floats, other: Floats) -> float:
    return _alignment(one - one.mean(), other - other.mean())


def _alignment(one: Floats, other: Floats) -> float:
    """Cosine of the angle between two."""
    length = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / length if length else 0.0
