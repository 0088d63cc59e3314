"""Boxes from an ONNX file in YOLOX's raw layout: the student's and the teacher's alike."""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import openvino as ov

from training.augment import GREY
from training.grid import grid

Raw = np.ndarray


class Session(Protocol):
    side: int

    def run(self, images: np.ndarray) -> Raw: ...


class OpenVino:
    """A network in OpenVINO; floating-point layers are computed in f32, as in the product."""

    def __init__(self, path: Path, threads: int = 2, side: int | None = None) -> None:
        core = ov.Core()
        model = core.read_model(path)
        shape = model.input(0).partial_shape
        self.side = side or shape[2].get_length()
        model.reshape([1, 3, self.side, self.side])
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        self.request = core.compile_model(model, "CPU", options).create_infer_request()

    def run(self, images: np.ndarray) -> Raw:
        return self.request.infer([images])[0].copy()


class OnnxRuntime:
    """The same in ONNX Runtime, to compare."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.side = int(self.session.get_inputs()[0].shape[2])

    def run(self, images: np.ndarray) -> Raw:
        return self.session.run(None, {self.session.get_inputs()[0].name: images})[0]


def named(paths: list[Path]) -> dict[str, Path]:
    """What each file is called in a table: its stem, or the whole path if two have the same."""
    stems = [path.stem for path in paths]
    return {stem if stems.count(stem) == 1 else str(path): path for stem, path in zip(stems, paths, strict=True)}


def letterbox(pixels: np.ndarray, side: int) -> tuple[np.ndarray, float]:
    """(1, 3, side, side) f32 with the picture at the left top, and by how much it was scaled."""
    h, w = pixels.shape[:2]
    scale = min(side / h, side / w)
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    canvas = np.full((side, side, 3), GREY[0], np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], np.float32), scale


def detect(session: Session, pixels: np.ndarray, *, least: float = 0.003, overlap: float = 0.45, most: int = 300) -> np.ndarray:
    """Rows of class index, left, top, width, height, score in the picture's pixels, best first, after suppression within each class."""
    image, scale = letterbox(pixels, session.side)
    raw = session.run(image)[0]
    at, strides = grid(session.side)
    scores = raw[:, 4:5] * raw[:, 5:]
    cell, kind = np.nonzero(scores > least)
    score = scores[cell, kind]
    order = np.argsort(-score, kind="stable")[:3000]
    cell, kind, score = cell[order], kind[order], score[order]
    size = np.exp(raw[cell, 2:4].clip(max=8)) * strides[cell, None] / scale
    corner = (raw[cell, :2] + at[cell]) * strides[cell, None] / scale - size / 2
    boxes = np.concatenate([corner, size], 1)
    kept = _suppress(boxes, kind, overlap)[:most]
    return np.concatenate([kind[kept, None], boxes[kept], score[kept, None]], 1).astype(np.float32)


def _suppress(boxes: np.ndarray, kind: np.ndarray, overlap: float) -> np.ndarray:
    kept = []
    for k in np.unique(kind):
        rest = np.flatnonzero(kind == k)
        while len(rest):
            first, rest = rest[0], rest[1:]
            kept.append(first)
            size = np.minimum(boxes[first, :2] + boxes[first, 2:], boxes[rest, :2] + boxes[rest, 2:]) - np.maximum(
                boxes[first, :2], boxes[rest, :2]
            )
            shared = size.clip(0).prod(1)
            rest = rest[shared <= overlap * (boxes[first, 2:].prod() + boxes[rest, 2:].prod(1) - shared)]
    return np.sort(np.array(kept, int))
