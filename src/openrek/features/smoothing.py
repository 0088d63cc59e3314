"""Temporal smoothing: labels that do not flicker, from the evidence of each instant and that of its neighbours in the shot.

A label's confidence over time is a signal that is closed and then opened (grey-scale morphology: Serra, "Image Analysis and Mathematical
Morphology", 1982), each within narrow bounds:

- A dip between two better moments that lie at most `GAP` apart is lifted to the lesser of them, but to no more than `LIFT` times what was
  seen in the dip itself. Without any evidence there is nothing to lift.
- A peak is lowered to `PEAK` times what lasts for at least `LASTING` around it, unless it is strong: see `_alone`.

No threshold takes part, so a request with a higher MinConfidence gets a part of the rows of one with a lower one. Neither step moves the
beginning or the end of what lasts, and what lasts is left as it is. Boxes are those that were seen: none is made, moved or removed. The
confidences of a lowered label's instances are lowered with it, those of a lifted one stay.

The spans are of time, not of samples: sampled less than 1.6 times a second there are no neighbours, and everything stays as it was seen.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from openrek.features.sightings import Sample, Sighting
from openrek.timecode import ticks

GAP = Fraction(5, 4)
"""Seconds between the two moments that a dip may lie between: at 2 samples a second one may fail, with a margin for uneven frames."""
LIFT = 3.0
"""Times its own evidence that a dip may be lifted to."""
LASTING = Fraction(3, 10)
"""Seconds that a label must last to be believed."""
PEAK = 1.5
"""Times what lasts that a moment may stand out above it."""
NEAR = GAP / 2
"""Seconds within which there must be other moments to tell whether a label lasts."""
STRONG = 0.8
"""Confidence that is believed even for a single moment."""

_BLOCK = 8
"""How much of a long shot is smoothed at once, in multiples of what it must know of what lies before and after."""

Signal = NDArray[np.float64]


def smooth(samples: Iterable[Sample], time_base: Fraction) -> Iterator[Sample]:
    """The same samples with smoothed confidences.

    Holds some 20 seconds of samples, whatever the length of the video.

    Parameters
    ----------
    samples
        In time order.
    time_base
        Seconds of one unit of `pts`.
    """
    reach = ticks(GAP + NEAR, time_base)
    held: list[Sample] = []
    done = 0
    for sample in samples:
        if sample.cut:
            yield from _smoothed(held, done, len(held), time_base)
            held, done = [], 0
        held.append(sample)
        if sample.pts - held[done].pts > _BLOCK * reach:
            ready = bisect_left(held, sample.pts - reach, key=_pts)
            yield from _smoothed(held, done, ready, time_base)
            known = bisect_left(held, held[ready].pts - reach, key=_pts)
            held, done = held[known:], ready - known
    yield from _smoothed(held, done, len(held), time_base)


def _smoothed(shot: Sequence[Sample], start: int, stop: int, time_base: Fraction) -> Iterator[Sample]:
    """Samples `start` to `stop` of what is known of a shot."""
    names = {name: column for column, name in enumerate(dict.fromkeys(name for sample in shot for name in sample.labels))}
    seen = np.zeros((len(shot), len(names)))
    for row, sample in enumerate(shot):
        for name, sighting in sample.labels.items():
            seen[row, names[name]] = sighting.confidence
    smoothed = smooth_signals([sample.pts for sample in shot], seen, time_base)
    for sample, confidences in zip(shot[start:stop], smoothed[start:stop], strict=True):
        labels = {name: _with_confidence(sighting, float(confidences[names[name]])) for name, sighting in sample.labels.items()}
        yield Sample(sample.pts, sample.cut, labels)


def smooth_signals(pts: Sequence[int], seen: Signal, time_base: Fraction) -> Signal:
    """Smooth confidences 0 to 1 over one shot.

    Parameters
    ----------
    pts
        When they were seen, n of them, in time order.
    seen
        A column a label, shape (n, m), 0 where nothing was seen.

    Returns
    -------
    Shape (n, m); 0 where nothing was seen.
    """
    closed = _close(pts, seen, ticks(GAP, time_base))
    lifted = np.minimum(closed, LIFT * seen)
    lasting = _open(pts, closed, -ticks(-LASTING, time_base), ticks(NEAR, time_base))
    return np.maximum(np.minimum(lifted, PEAK * lasting), _alone(lifted))


def _close(pts: Sequence[int], signal: Signal, span: int) -> Signal:
    """At each moment the highest level that is reached both at or before it and at or after it, at two moments at most `span` apart."""
    closed = signal.copy()
    for first, moment in enumerate(pts):
        stop = bisect_right(pts, moment + span)
        to_come = np.maximum.accumulate(signal[first:stop][::-1])[::-1]
        np.maximum(closed[first:stop], np.minimum(signal[first], to_come), out=closed[first:stop])
    return closed


def _open(pts: Sequence[int], signal: Signal, lasting: int, near: int) -> Signal:
    """At each moment the highest level that holds around it for `lasting`; infinite where no moments lie near enough to tell."""
    # The shortest windows that last: from each moment on, and up to each.
    windows = {(first, bisect_left(pts, moment + lasting)) for first, moment in enumerate(pts)}
    windows |= {(bisect_right(pts, moment - lasting) - 1, last) for last, moment in enumerate(pts)}
    opened = np.full_like(signal, -np.inf)
    for first, last in windows:
        if first >= 0 and last < len(pts) and pts[last] - pts[first] <= near:
            stop = last + 1
            np.maximum(opened[first:stop], signal[first:stop].min(axis=0), out=opened[first:stop])
    return np.where(opened == -np.inf, np.inf, opened)


def _alone(confidence: Signal) -> Signal:
    """What a moment is worth without its neighbours: all if it is strong, less the weaker it is."""
    return confidence * np.minimum(confidence / STRONG, 1.0)


def _with_confidence(sighting: Sighting, confidence: float) -> Sighting:
    if confidence == sighting.confidence:
        return sighting
    if confidence > sighting.confidence:
        return Sighting(confidence, sighting.boxes, sighting.confidences)
    confidences = (sighting.confidences * (confidence / sighting.confidence)).astype(np.float32)
    return Sighting(float(confidences[0]), sighting.boxes, confidences)


def _pts(sample: Sample) -> int:
    return sample.pts
