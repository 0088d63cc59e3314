"""Detecting objects with YOLOX networks.

Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430, and the ONNX export of its authors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from openrek.errors import ModelCorruptError
from openrek.geometry import Boxes, Letterbox
from openrek.observations import SCHEMAS
from openrek.vision.catalogue import CLASSES, ModelEntry
from openrek.vision.observers import Columns, Picture
from openrek.vision.sessions import Session

STRIDES = (8, 16, 32)
"""Pixels of the square between two cells of the network's three grids."""
FLOOR = 0.01
"""Confidence under which nothing is kept: below it are three times as many detections, and all of them are worth 0.006 of AP@0.5."""
MOST = 300
"""Detections of one frame: the most confident ones."""
OVERLAP = 0.45
"""Intersection over union above which the less confident of two boxes of one class is dropped."""
CANDIDATES = 3000
"""Detections of one frame that take part in the suppression: bounds the memory of it; some 300 are usual, 1,100 in a crowd."""
_FAR, _LARGE = 10_000.0, 10.0
"""Offsets, and logarithms of sizes, that are past all frames: what a network says beyond them would only spoil the arithmetic."""


class ObjectDetector:
    """Finds the objects of a vocabulary in pictures, with any network of the YOLOX family."""

    role = "objects"
    version = 1

    def __init__(self, entry: ModelEntry, session: Session) -> None:
        self.at_once = session.threads
        self._session = session
        self._side = entry.input.side
        self._padding = entry.input.padding
        cells = sum((self._side // stride) ** 2 for stride in STRIDES)
        expected = [((1, self._side, self._side, 3),), ((1, cells, 5 + CLASSES[entry.vocabulary]),)]
        if [tuple(facts.shape for facts in ports) for ports in (session.inputs, session.outputs)] != expected:
            session.close()
            raise ModelCorruptError(
                f"The file of {entry.name} is not a YOLOX network of {self._side} pixels with the classes {entry.vocabulary}."
            )

    def observe(self, seen: Sequence[Picture]) -> list[Columns]:
        """The objects of each picture, the most confident first."""
        letterboxes = [Letterbox(picture.width, picture.height, self._side) for picture in seen]
        outputs = self._session.infer_each(
            [[self._square(picture, letterbox)] for picture, letterbox in zip(seen, letterboxes, strict=True)]
        )
        return [_columns(output[0], letterbox) for (output,), letterbox in zip(outputs, letterboxes, strict=True)]

    def close(self) -> None:
        """Give the network's memory back."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _square(self, picture: Picture, letterbox: Letterbox) -> NDArray[np.uint8]:
        square = np.full((1, self._side, self._side, 3), self._padding, np.uint8)
        width, height = letterbox.scaled
        square[0, :height, :width] = picture.bgr(letterbox)
        return square


def _columns(output: NDArray[np.float32], letterbox: Letterbox) -> Columns:
    corners, confidence, kinds = detect(output, letterbox.side)
    boxes: Boxes = letterbox.to_frame(corners)
    # A box in the padding is no part of the frame.
    inside = np.flatnonzero((boxes[:, 2:] > 0).all(axis=1))[:MOST]
    found = {"boxes": boxes[inside], "confidence": np.minimum(confidence[inside], 1.0), "kind": kinds[inside]}
    return {name: found[name].astype(column.dtype, copy=False) for name, column in SCHEMAS["objects"].items()}


def detect(output: NDArray[np.float32], side: int) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.intp]]:
    """What a network of the YOLOX family saw.

    A cell says where its box is, how sure it is of an object, and how sure of each class; every class of it that reaches `FLOOR` is
    a detection of its own.

    Parameters
    ----------
    output
        Shape (cells, 5 + classes): offset of the centre from the cell's corner in cells, logarithm of width and height in cells,
        probability of an object, and of each class given an object. The cells of stride 8 come first, row by row, then 16, then 32.
    side
        Pixels of the square that the network saw.

    Returns
    -------
    corners, confidence, kinds
        Left, top, right, bottom in pixels of the square (n, 4); confidence (n,); index of the class (n,). In the order of falling
        confidence; of equal ones the lower class, then the earlier cell comes first.
    """
    hopeful = np.flatnonzero(output[:, 4] >= FLOOR)
    hopeful = hopeful[np.isfinite(output[hopeful]).all(axis=1)]
    scores = output[hopeful, 4:5] * output[hopeful, 5:]
    rows, kinds = np.nonzero(scores >= FLOOR)
    confidence = scores[rows, kinds]
    corners = _corners(output, side, hopeful)[rows]
    # Sorts are stable and rows rise, so that of equals the earlier cell comes first.
    best = np.lexsort((kinds, -confidence))[:CANDIDATES]
    by_class = best[np.argsort(kinds[best], kind="stable")]
    stays = by_class[suppress(corners[by_class], kinds[by_class])]
    order = stays[np.lexsort((stays, kinds[stays], -confidence[stays]))]
    return corners[order], confidence[order], kinds[order]


def suppress(corners: NDArray[np.float64], kinds: NDArray[np.intp], overlap: float = OVERLAP) -> NDArray[np.intp]:
    """Greedy non-maximum suppression within each class.

    A box stays unless one that stays and comes before it in its class overlaps it by more than `overlap`. That sentence has one
    solution, and repeating it from "all stay" reaches it: after n rounds the first n boxes of every class are right, and a round that
    changes nothing is the last one.

    Parameters
    ----------
    corners
        Left, top, right, bottom, shape (n, 4), sorted by class and within a class by falling confidence.
    kinds
        Classes, ascending, shape (n,).

    Returns
    -------
    Indices of the boxes that stay, ascending.
    """
    count = len(kinds)
    stays = np.ones(count, bool)
    if count == 0:
        return np.flatnonzero(stays)
    left, top, right, bottom = corners.T
    # Only boxes that meet from left to right need a closer look: the classes are laid side by side, and swept in that direction.
    origin = kinds * (right.max() - left.min() + 1) - left.min()
    sweep = np.argsort(left + origin, kind="stable")
    met = np.searchsorted((left + origin)[sweep], (right + origin)[sweep]) - np.arange(count) - 1
    met = np.maximum(met, 0)
    nth = np.arange(1, met.sum() + 1) - np.repeat(np.cumsum(met) - met, met)
    a = np.repeat(sweep, met)
    b = sweep[np.repeat(np.arange(count), met) + nth]
    width = np.minimum(right[a], right[b]) - left[b]
    height = np.minimum(bottom[a], bottom[b]) - np.maximum(top[a], top[b])
    area = (right - left) * (bottom - top)
    shared = width * np.maximum(height, 0.0)
    clash = shared > overlap * (area[a] + area[b] - shared)
    better, worse = np.minimum(a, b)[clash], np.maximum(a, b)[clash]
    while True:
        now = np.ones(count, bool)
        now[worse[stays[better]]] = False
        if np.array_equal(now, stays):
            return np.flatnonzero(stays)
        stays = now


def _corners(output: NDArray[np.float32], side: int, cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """Left, top, right, bottom in pixels of the square, of some cells."""
    place, stride = _grid(side)
    raw = np.clip(output[cells, :4].astype(np.float64), -_FAR, (_FAR, _FAR, _LARGE, _LARGE))
    centre = (raw[:, :2] + place[cells]) * stride[cells]
    half = np.exp(raw[:, 2:]) * stride[cells] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


@cache
def _grid(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Column and row (n, 2) and stride (n, 1) of every cell, in the order of the output."""
    places, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: side // stride, : side // stride]
        places.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((rows.size, 1), stride))
    return np.concatenate(places).astype(np.float64), np.concatenate(strides).astype(np.float64)
