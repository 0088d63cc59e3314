"""What a detector saw at one instant, label by label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openrek.errors import ObservationError
from openrek.features.taxonomy import Label
from openrek.geometry import Boxes
from openrek.observations import Observation


@dataclass(frozen=True, slots=True)
class Sighting:
    """One label at one instant.

    Attributes
    ----------
    confidence
        Of the label, 0 to 1; that of its most confident instance, unless smoothing says otherwise.
    boxes, confidences
        Of its instances, shapes (n, 4) and (n,), the most confident first.
    """

    confidence: float
    boxes: Boxes
    confidences: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sample:
    """All that was seen at one instant.

    Attributes
    ----------
    pts
        Of the frame that was looked at.
    cut
        Whether a shot begins between the sample before and this one.
    labels
        What was seen of each label, by its name, in no particular order.
    """

    pts: int
    cut: bool
    labels: Mapping[str, Sighting]


def sightings(moments: Iterable[tuple[Observation, bool]], classes: Sequence[Label], unreported: Iterable[int] = ()) -> Iterator[Sample]:
    """Label by label what a demand for `objects` saw.

    Parameters
    ----------
    moments
        Observations in time order, each with whether it begins a shot.
    classes
        The labels of the network's classes. Classes of the same label become one.
    unreported
        Classes that are passed over.

    Raises
    ------
    ObservationError
        The network has fewer classes than an observation says.
    """
    names = sorted({label.name for label in classes})
    index = {name: number for number, name in enumerate(names)}
    label_of_class = np.array([index[label.name] for label in classes], np.int64)
    label_of_class[list(unreported)] = -1
    for moment, cut in moments:
        yield Sample(moment.pts, cut, _by_label(moment, names, label_of_class))


def _by_label(moment: Observation, names: Sequence[str], label_of_class: NDArray[np.int64]) -> dict[str, Sighting]:
    kinds: NDArray[Any] = moment["kind"]
    if kinds.size and int(kinds.max()) >= len(label_of_class):
        raise ObservationError(f"class {kinds.max()} was seen by a network of {len(label_of_class)} classes")
    boxes, confidences = moment["boxes"], moment["confidence"]
    # The boxes decide between equal confidences, so that the order in which they were found does not show.
    order = np.lexsort((*boxes.T[::-1], -confidences))
    labels = label_of_class[kinds[order]]
    seen = {}
    for label in np.unique(labels[labels >= 0]):
        mine = order[labels == label]
        seen[names[label]] = Sighting(float(confidences[mine[0]]), boxes[mine], confidences[mine])
    return seen
