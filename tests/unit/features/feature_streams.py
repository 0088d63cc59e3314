"""Observations made up for tests, and reductions over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from openrek.features.base import Reduction, Row
from openrek.features.labels import LabelDetection
from openrek.features.taxonomy import taxonomy
from openrek.observations import LUMA_BINS, LUMA_GRID, Demand, ModelFacts, Observation
from openrek.video import VideoFacts

TIME_BASE = Fraction(1, 1000)
Detection = tuple[int, float, tuple[float, float, float, float]]
"""Class, confidence, box."""
BOX = (0.25, 0.25, 0.5, 0.5)

CLASSES = [label.name for label in taxonomy().vocabulary("coco-80")]
PERSON, CAR, TRUCK, CAT, DOG = (CLASSES.index(name) for name in ("Person", "Car", "Truck", "Cat", "Dog"))


def objects(pts: int, frame: int, detections: Sequence[Detection]) -> Observation:
    return Observation(
        pts,
        frame,
        {
            "boxes": np.array([box for _, _, box in detections], np.float32).reshape(-1, 4),
            "confidence": np.array([confidence for _, confidence, _ in detections], np.float32),
            "kind": np.array([kind for kind, _, _ in detections], np.int16),
        },
    )


def luma(pts: int, frame: int, shot: int) -> Observation:
    """A picture of its shot: a shot differs in every tile from the one after it, and from the one after that."""
    level = 20 + 47 * shot % 220
    histogram = np.zeros((1, LUMA_BINS), np.float32)
    histogram[0, level // 8] = 1
    return Observation(
        pts,
        frame,
        {"mean": np.array([level / 255], np.float32), "histogram": histogram, "grid": np.full((1, *LUMA_GRID), level, np.uint8)},
    )


def video(start_pts: int = 0, time_base: Fraction = TIME_BASE) -> VideoFacts:
    return VideoFacts(
        "h264", "QuickTime / MOV", 640, 360, 0, time_base, start_pts, start_pts + 10**9, Fraction(25), 10**9, 10**9, "LIMITED"
    )


def reduction(
    seen: Iterable[tuple[int, int, Sequence[Detection]]],
    request: Mapping[str, Any] | None = None,
    *,
    smoothing: bool = False,
    unreported: tuple[int, ...] = (),
    start_pts: int = 0,
    time_base: Fraction = TIME_BASE,
) -> Reduction:
    """A reduction over moments of (pts, shot, detections), which must be a list if it is reduced more than once."""
    settings = {"sampling_rate": "2", "smoothing": smoothing, "model": None}

    def observed(demand: Demand) -> Any:
        if demand.role == "objects":
            return (objects(pts, frame, detections) for frame, (pts, _, detections) in enumerate(seen))
        return (luma(pts, frame, shot) for frame, (pts, shot, _) in enumerate(seen))

    models = {"objects": ModelFacts("yolox-nano", "0" * 64, "yolox-nano-1", "coco-80", unreported)}
    return Reduction(video(start_pts, time_base), request or {}, settings, models, observed)


def rows(table: str, *args: Any, **options: Any) -> list[Row]:
    """The rows of one table, in its default order."""
    feature = LabelDetection()
    order = next(iter(feature.tables[table].orders.values()))
    return sorted((row for name, row in feature.reduce(reduction(*args, **options)) if name == table), key=order)
