"""The loop that a user would write: OpenCV reads every frame, ONNX Runtime looks at two a second, NumPy decodes YOLOX's output.

It is the baseline of the benchmarks and, fed with the same pixels, the reference of the tests. Nothing of openrek's is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 416
PADDING = 114
FLOOR = 0.01
OVERLAP = 0.45
MOST = 300


@dataclass(frozen=True)
class Detection:
    """One object: class, confidence 0–1, left, top, width and height as ratios of the frame."""

    kind: int
    confidence: float
    box: tuple[float, float, float, float]


class PlainDetector:
    """YOLOX in ONNX Runtime."""

    def __init__(self, model: Path, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, picture: NDArray[np.uint8]) -> list[Detection]:
        """What is in a picture (height, width, 3; BGR)."""
        height, width = picture.shape[:2]
        scale = SIDE / max(height, width)
        scaled_width, scaled_height = round(width * scale), round(height * scale)
        return self.of_scaled(cv2.resize(picture, (scaled_width, scaled_height), interpolation=cv2.INTER_LINEAR))

    def of_scaled(self, scaled: NDArray[Any]) -> list[Detection]:
        """What is in a picture that has been scaled to the network's size already."""
        height, width = scaled.shape[:2]
        square = np.full((SIDE, SIDE, 3), PADDING, np.uint8)
        square[:height, :width] = scaled
        output = self._session.run(None, {self._input: square.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        return decode(output, width, height)


def decode(output: NDArray[np.float32], width: int, height: int) -> list[Detection]:
    """Detections in YOLOX's raw output, shape (cells, 85), of a picture of this size in the square; most confident first."""
    cells = []
    for stride in (8, 16, 32):
        count = SIDE // stride
        y, x = np.mgrid[:count, :count]
        cells.append(np.stack([x.ravel(), y.ravel(), np.full(count * count, stride)], axis=1))
    grid = np.concatenate(cells)
    pixels = grid[:, 2:]
    centre = (output[:, :2] + grid[:, :2]) * pixels
    size = np.exp(output[:, 2:4]) * pixels
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
    scores = output[:, 4:5] * output[:, 5:]
    found = []
    for kind in range(scores.shape[1]):
        candidates = np.flatnonzero(scores[:, kind] >= FLOOR)
        for cell in _suppress(corners[candidates], scores[candidates, kind], candidates):
            low = np.clip(corners[cell, :2] / (width, height), 0, 1)
            high = np.clip(corners[cell, 2:] / (width, height), 0, 1)
            left, top, right, bottom = map(float, (*low, *high))
            found.append(Detection(kind, float(scores[cell, kind]), (left, top, right - left, bottom - top)))
    return sorted(found, key=lambda detection: -detection.confidence)[:MOST]


def _suppress(corners: NDArray[Any], scores: NDArray[Any], cells: NDArray[np.intp]) -> Iterator[int]:
    """Non-maximum suppression: the cells that stay."""
    order = np.argsort(-scores, kind="stable")
    while len(order):
        best, order = order[0], order[1:]
        yield int(cells[best])
        low = np.maximum(corners[best, :2], corners[order, :2])
        high = np.minimum(corners[best, 2:], corners[order, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
        order = order[shared <= OVERLAP * (area[best] + area[order] - shared)]


def sampled_frames(video: Path, per_second: float = 2.0) -> Iterator[tuple[int, NDArray[Any]]]:
    """Milliseconds and pictures of the frames that are shown at `per_second` instants a second, as long as there are frames.

    Every frame is converted, as `VideoCapture.read` does.
    """
    capture = cv2.VideoCapture(str(video))
    tolerance = 0.01  # milliseconds that a float may be off
    sample, shown_at, shown = 0, 0.0, None
    try:
        while True:
            read, picture = capture.read()
            now = capture.get(cv2.CAP_PROP_POS_MSEC) if read else math.inf
            while shown is not None and sample * 1000 / per_second + tolerance < now:
                if not read and sample * 1000 / per_second > shown_at + tolerance:
                    return
                yield int(shown_at + tolerance), shown
                sample += 1
            if not read:
                return
            shown_at, shown = now, picture
    finally:
        capture.release()
