"""Accuracy and speed of every detector that is on this machine, on photographs with boxes in COCO's format.

python -m benchmarks.detectors ../shared/media/labels/instances_dev.json ../shared/media/labels/images
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.average_precision import Found, Truth, average_precision
from openrek.geometry import Letterbox
from openrek.settings import Settings
from openrek.vision.catalogue import ModelEntry
from openrek.vision.library import ModelLibrary
from openrek.vision.observers import Observer
from openrek.vision.registry import open_observer

THRESHOLDS = np.arange(0.5, 1.0, 0.05)


@dataclass(frozen=True)
class Photo:
    """A picture from a file."""

    array: NDArray[np.uint8]

    @property
    def width(self) -> int:
        return len(self.array[0])

    @property
    def height(self) -> int:
        return len(self.array)

    def bgr(self, letterbox: Letterbox) -> NDArray[np.uint8]:
        return np.asarray(cv2.resize(self.array, letterbox.scaled, interpolation=cv2.INTER_LINEAR), np.uint8)

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(cv2.resize(self.array, (width, height)), cv2.COLOR_BGR2GRAY), np.uint8)


def truths_in(data: dict[str, Any]) -> list[Truth]:
    """The boxes of every picture as ratios; classes are numbered in the order of COCO's identifiers."""
    kinds = {category["id"]: i for i, category in enumerate(sorted(data["categories"], key=lambda category: category["id"]))}
    truths = []
    for image in data["images"]:
        boxes = [annotation for annotation in data["annotations"] if annotation["image_id"] == image["id"]]
        size = np.array([image["width"], image["height"]] * 2, np.float64)
        truths.append(
            Truth(
                np.array([box["bbox"] for box in boxes], np.float64).reshape(-1, 4) / size,
                np.array([kinds[box["category_id"]] for box in boxes], np.int64),
                np.array([box["iscrowd"] for box in boxes], np.bool_),
            )
        )
    return truths


def accuracy(truths: Sequence[Truth], found: Sequence[Found]) -> tuple[float, float]:
    """AP@0.5 and AP@[.5:.95], means over the classes."""
    means = [float(np.mean(list(average_precision(truths, found, threshold).values()))) for threshold in THRESHOLDS]
    return means[0], float(np.mean(means))


def found_by(detector: Observer[Photo], photos: Sequence[Photo]) -> list[Found]:
    """What the detector finds, as the measure of accuracy wants it."""
    return [
        Found(columns["boxes"].astype(np.float64), columns["kind"].astype(np.int64), columns["confidence"].astype(np.float64))
        for columns in detector.observe(photos)
    ]


def milliseconds(detector: Observer[Photo], photos: Sequence[Photo], rounds: int = 5) -> float:
    """Wall time a picture, resizing and decoding included: median of some rounds."""
    detector.observe(photos[:4])
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        detector.observe(photos)
        times.append((time.perf_counter() - start) / len(photos) * 1000)
    return float(np.median(times))


def row(entry: ModelEntry, files: Sequence[Path], truths: Sequence[Truth], photos: Sequence[Photo], threads: int) -> list[str]:
    """One line of the table."""
    with open_observer("objects", entry.sha256, files) as detector:
        ap50, ap = accuracy(truths, found_by(detector, photos))
        single = milliseconds(detector, photos[:40])
    with open_observer("objects", entry.sha256, files, threads=threads) as detector:
        shared = milliseconds(detector, photos[:40])
    return [entry.name, str(entry.input.side), f"{ap50:.3f}", f"{ap:.3f}", f"{single:.1f}", f"{shared:.1f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    data = json.loads(options.annotations.read_text())
    photos = [Photo(np.asarray(cv2.imread(str(options.images / image["file_name"])), np.uint8)) for image in data["images"]]
    table = Table("model", "side", "AP@0.5", "AP@[.5:.95]", "ms, 1 thread", f"ms, {options.threads} threads")
    for report in ModelLibrary.of(Settings()).inventory():
        if report.entry.role == "objects" and report.state == "present":
            files = [file.path for file in report.files if file.path is not None]
            table.add_row(*row(report.entry, files, truths_in(data), photos, options.threads))
    Console().print(table)


if __name__ == "__main__":
    main()
