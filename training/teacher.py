"""YOLOX-Nano's answers to a picture, kept for the student's cells, with people's boxes laid over them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
from onnx import numpy_helper

from training.augment import Picture
from training.grid import candidates, grid

KEPT = 0.02  # objectness from which a cell's classes and box are taught
# The maps of 64 channels, one a stride, that the class branch and the box branch of the published file both start from.
HINTS = ("1028", "1070", "1112")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the student is to say about one picture.

    `sure` (cells,) objectness; `at` (k,) the cells above `KEPT`; `kinds` (k, 80) class probabilities; `boxes` (k, 4) corners in the
    student's pixels; `hints` (cells, 64) what the teacher sees there before it decides.
    """

    sure: np.ndarray
    at: np.ndarray
    kinds: np.ndarray
    boxes: np.ndarray
    hints: np.ndarray


def with_free_batch(path: Path) -> bytes:
    """The teacher's ONNX file with its batch size made free and `HINTS` as further outputs."""
    model = onnx.load(str(path))
    shapes = {i.name: i for i in model.graph.initializer}
    constants = {n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant"}
    for node in model.graph.node:
        if node.op_type == "Reshape":
            held = shapes.get(node.input[1]) or constants[node.input[1]]
            value = numpy_helper.to_array(held).copy()
            value[0] = 0
            held.CopyFrom(numpy_helper.from_array(value, held.name))
    for v in (*model.graph.input, *model.graph.output):
        v.type.tensor_type.shape.dim[0].dim_param = "n"
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 64, "h", "w"]) for name in HINTS)
    return model.SerializeToString()


class Teacher:
    """Answers pictures of one side; `pixels` for the student are smaller than what the teacher sees, at most twofold."""

    def __init__(self, path: Path, small: int, large: int, batch: int) -> None:
        core = ov.Core()
        model = core.read_model(with_free_batch(path), b"")
        model.reshape([batch, 3, large, large])
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        self.request = core.compile_model(model, "CPU", options).create_infer_request()
        self.small, self.large, self.batch = small, large, batch
        self.at, self.strides = grid(large)
        self.candidates = candidates(small, large)

    def answer(self, pictures: list[Picture]) -> list[Answer]:
        """Exactly `batch` pictures of side `large`."""
        found = self.request.infer([np.stack([p.pixels for p in pictures]).transpose(0, 3, 1, 2).astype(np.float32)])
        hints = np.concatenate([found[name].reshape(len(pictures), 64, -1) for name in HINTS], 2).transpose(0, 2, 1)
        return [self._answer(found[0][i], hints[i], picture.human) for i, picture in enumerate(pictures)]

    def _answer(self, told: np.ndarray, hints: np.ndarray, human: np.ndarray) -> Answer:
        sure, kinds = told[:, 4].copy(), told[:, 5:]
        near = np.flatnonzero(sure > KEPT / 20) if len(human) else np.flatnonzero(sure > KEPT)
        middle = (told[near, :2] + self.at[near]) * self.strides[near, None]
        half = np.exp(told[near, 2:4].clip(max=6)) * self.strides[near, None] / 2
        boxes, kinds = np.concatenate([middle - half, middle + half], 1), kinds[near].copy()
        lay_over(sure, near, kinds, boxes, human)
        row = np.full(len(sure), -1)
        row[near] = np.arange(len(near))
        best = np.take_along_axis(self.candidates, sure[self.candidates].argmax(1)[:, None], 1)[:, 0]
        own = sure[best]
        at = np.flatnonzero(own > KEPT)
        rows = row[best[at]]
        seen = (hints if self.small == self.large else hints[self.candidates].mean(1)).astype(np.float16)
        boxes = boxes[rows] * (self.small / self.large)
        return Answer(own.astype(np.float16), at.astype(np.int32), kinds[rows].astype(np.float16), boxes, seen)


def lay_over(sure: np.ndarray, near: np.ndarray, kinds: np.ndarray, boxes: np.ndarray, human: np.ndarray, cells: int = 3) -> None:
    """Raise, in place, the few answers that fit a person's box best: the teacher says where a cell looks, people say what is there.

    An object for which the teacher has no cell with an overlap of a half is left to the teacher.
    """
    for kind, *corner in human:
        overlap = iou(boxes, np.array(corner, np.float32))
        fit = overlap * (0.05 + np.sqrt(sure[near] * kinds[:, int(kind)]))
        for k in np.argsort(-fit)[:cells]:
            if overlap[k] >= 0.5:
                sure[near[k]] = max(sure[near[k]], 0.9 * overlap[k])
                kinds[k, int(kind)] = max(kinds[k, int(kind)], overlap[k])
                boxes[k] = corner


def iou(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union of each of `boxes` (k, 4) with `box` (4,)."""
    size = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = size.clip(0).prod(1)
    return shared / ((boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - shared + 1e-6)
