"""Average precision as the COCO challenge measures it (pycocotools' `COCOeval`, all areas, 100 detections a picture)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RECALLS = np.linspace(0.0, 1.0, 101)
DETECTIONS = 100


@dataclass(frozen=True)
class Truth:
    """The objects of one picture: boxes (left, top, width, height), class, and whether a box is a crowd that costs and earns nothing."""

    boxes: NDArray[np.float64]
    kinds: NDArray[np.int64]
    crowd: NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """The detections of one picture, in the same units."""

    boxes: NDArray[np.float64]
    kinds: NDArray[np.int64]
    confidence: NDArray[np.float64]


def average_precision(truths: Sequence[Truth], found: Sequence[Found], threshold: float = 0.5) -> Mapping[int, float]:
    """Average precision of every class that occurs, at one threshold of intersection over union."""
    present = sorted({int(kind) for truth in truths for kind in truth.kinds[~truth.crowd]})
    return {kind: _of_class(kind, truths, found, threshold) for kind in present}


def _of_class(kind: int, truths: Sequence[Truth], found: Sequence[Found], threshold: float) -> float:
    scores, hits, total = [], [], 0
    for truth, detections in zip(truths, found, strict=True):
        of_truth, of_found = truth.kinds == kind, np.flatnonzero(detections.kinds == kind)
        total += int((of_truth & ~truth.crowd).sum())
        order = of_found[np.argsort(-detections.confidence[of_found], kind="stable")][:DETECTIONS]
        verdicts = _match(detections.boxes[order], truth.boxes[of_truth], truth.crowd[of_truth], threshold)
        counted = verdicts >= 0
        scores.append(detections.confidence[order][counted])
        hits.append(verdicts[counted] == 1)
    ranked = np.argsort(-np.concatenate(scores), kind="stable")
    hit = np.concatenate(hits)[ranked]
    recall = np.cumsum(hit) / total
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(recall, RECALLS, side="left")].mean())


def _match(boxes: NDArray[np.float64], truth: NDArray[np.float64], crowd: NDArray[np.bool_], threshold: float) -> NDArray[np.int8]:
    """1 for a detection that finds an object, 0 for one that does not, -1 for one that lies in a crowd; best detections first."""
    overlaps = _overlaps(boxes, truth, crowd)
    free = np.ones(len(truth), bool)
    verdicts = np.zeros(len(boxes), np.int8)
    for i, row in enumerate(overlaps):
        objects = np.where(free & ~crowd & (row >= threshold), row, -1.0)
        if len(objects) and objects.max() >= 0:
            # Of equal overlaps pycocotools takes the last.
            free[len(objects) - 1 - int(np.argmax(objects[::-1]))] = False
            verdicts[i] = 1
        elif (crowd & (row >= threshold)).any():
            verdicts[i] = -1
    return verdicts


def _overlaps(boxes: NDArray[np.float64], truth: NDArray[np.float64], crowd: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Intersection over union; over the detection's own area where the object is a crowd."""
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, :2] + boxes[:, None, 2:], truth[None, :, :2] + truth[None, :, 2:])
    shared = np.clip(high - low, 0.0, None).prod(axis=2)
    area, area_truth = boxes[:, 2:].prod(axis=1)[:, None], truth[:, 2:].prod(axis=1)[None]
    union = np.where(crowd[None], area, area + area_truth - shared)
    ratio: NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio
