"""YOLOX-Nano's answers to a picture and the maps on the way to them, with people's boxes laid over the answers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
from onnx import numpy_helper
from openvino.utils.data_helpers import OVDict

from training.grid import grid
from training.network import CHANNELS

KEPT = 0.02  # objectness from which a cell's classes and box are taught
TENSORS = {
    "stem": "695", "stage4": "721", "down8": "729", "stage8": "781", "down16": "789", "stage16": "841", "down32": "849",
    "squeezed": "853", "pooling": "861", "stage32": "886", "narrow32": "890", "fine16": "921", "narrow16": "925", "level8": "956",
    "coarse16": "964", "level16": "990", "coarse32": "998", "level32": "1024", "head8": "1028", "head16": "1070", "head32": "1112",
    "kinds8a": "1036", "kinds16a": "1078", "kinds32a": "1120", "places8a": "1053", "places16a": "1095", "places32a": "1137",
    "kinds8": "1044", "kinds16": "1086", "kinds32": "1128", "places8": "1061", "places16": "1103", "places32": "1145",
}  # fmt: skip
"""Where the published file holds what the student's parts are to make. All end in SiLU: the product of a convolution's outcome and its
sigmoid."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the student is to say about one picture.

    `sure` (cells,) objectness; `at` (k,) the cells above `KEPT`; `kinds` (k, 80) class probabilities; `boxes` (k, 4) corners in pixels.
    """

    sure: np.ndarray
    at: np.ndarray
    kinds: np.ndarray
    boxes: np.ndarray


def with_maps(path: Path) -> bytes:
    """The teacher's ONNX file with its batch size made free and the maps of `TENSORS`, before their SiLU, as further outputs."""
    model = onnx.load(str(path))
    shapes = {i.name: i for i in model.graph.initializer}
    constants = {n.output[0]: n.attribute[0].t for n in model.graph.node if n.op_type == "Constant"}
    makers = {n.output[0]: n for n in model.graph.node}
    for node in model.graph.node:
        if node.op_type == "Reshape":
            held = shapes.get(node.input[1]) or constants[node.input[1]]
            value = numpy_helper.to_array(held).copy()
            value[0] = 0
            held.CopyFrom(numpy_helper.from_array(value, held.name))
    for v in (*model.graph.input, *model.graph.output):
        v.type.tensor_type.shape.dim[0].dim_param = "n"
    for name, channels in CHANNELS.items():
        before = makers[TENSORS[name]].input[0]
        model.graph.output.append(onnx.helper.make_tensor_value_info(before, onnx.TensorProto.FLOAT, ["n", channels, "h", "w"]))
    return model.SerializeToString()


class Teacher:
    """Answers square pictures of one side."""

    def __init__(self, path: Path, side: int, batch: int) -> None:
        core = ov.Core()
        model = core.read_model(with_maps(path), b"")
        model.reshape([batch, 3, side, side])
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        self.request = core.compile_model(model, "CPU", options).create_infer_request()
        self.at, self.strides = grid(side)

    def answer(self, images: np.ndarray, human: list[np.ndarray]) -> tuple[list[Answer], dict[str, np.ndarray]]:
        """To `images` (batch, 3, side, side) f32, BGR 0–255, and people's boxes of each: an answer each, and the maps."""
        found = self.request.infer([images], share_outputs=True)
        return [self._answer(*one) for one in zip(found[0], human, strict=True)], _named(found)

    def maps(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """By the names of the student's parts, each (batch, channels, rows, columns); the next call overwrites them."""
        return _named(self.request.infer([images], share_outputs=True))

    def _answer(self, told: np.ndarray, human: np.ndarray) -> Answer:
        sure, kinds = told[:, 4].copy(), told[:, 5:]
        near = np.flatnonzero(sure > KEPT / 20) if len(human) else np.flatnonzero(sure > KEPT)
        middle = (told[near, :2] + self.at[near]) * self.strides[near, None]
        half = np.exp(told[near, 2:4].clip(max=6)) * self.strides[near, None] / 2
        boxes, kinds = np.concatenate([middle - half, middle + half], 1), kinds[near]
        lay_over(sure, near, kinds, boxes, human)
        taught = sure[near] > KEPT
        return Answer(sure, near[taught], kinds[taught], boxes[taught])


def _named(found: OVDict) -> dict[str, np.ndarray]:
    return {name: found[k] for k, name in enumerate(CHANNELS, 1)}


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
