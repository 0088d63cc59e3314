"""What the tests of vision share: pictures as media would hand them over, and networks made on the spot."""

from dataclasses import dataclass

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from openrek.vision.library import ModelLibrary


@dataclass
class Photo:
    """A picture from an array of blue, green, red, shape (height, width, 3)."""

    array: np.ndarray

    @property
    def width(self):
        return self.array.shape[1]

    @property
    def height(self):
        return self.array.shape[0]

    def bgr(self, letterbox):
        assert (letterbox.width, letterbox.height) == (self.width, self.height)
        return cv2.resize(self.array, letterbox.scaled, interpolation=cv2.INTER_LINEAR)

    def luma(self, width, height):
        luma = (self.array.astype(np.float64) @ [0.0722, 0.7152, 0.2126]).round().astype(np.uint8)
        return cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)


@pytest.fixture
def photo():
    return Photo


@pytest.fixture(scope="session")
def photos(shared):
    """The evaluation photographs by file name."""
    return lambda name: Photo(cv2.imread(str(shared / "media/labels/images" / name)))


@pytest.fixture(scope="session")
def nano(shared, tmp_path_factory):
    """YOLOX-Nano's files."""
    library = ModelLibrary((shared / "models",), tmp_path_factory.mktemp("cache"))
    return library.locate(library.catalogue.named("yolox-nano").sha256)


@pytest.fixture(scope="session")
def small_network(tmp_path_factory):
    """A network of one picture, float32 (1, 3, 8, 12), and two outputs: a convolution, and the mean of each colour."""
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["picture", "weights"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["picture"], ["means"], axes=[2, 3], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 8, 12])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, 4, 8, 12]),
            helper.make_tensor_value_info("means", TensorProto.FLOAT, [1, 3]),
        ],
        [helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.tobytes(), raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path_factory.mktemp("networks") / "small.onnx"
    onnx.save(model, str(path))
    return path, weights


@pytest.fixture(scope="session")
def recording_detector(tmp_path_factory):
    """A network with YOLOX's input and output for a square of 64 pixels, that answers one fixed tensor, given to it."""

    def make(answer):
        nodes = [
            # The answer must depend on the input, or it is folded away: minus the input, plus the input.
            helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Add", ["answer", "nothing"], ["output"]),
        ]
        graph = helper.make_graph(
            nodes,
            "detector",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, list(answer.shape))],
            [
                helper.make_tensor("answer", TensorProto.FLOAT, answer.shape, answer.astype(np.float32).tobytes(), raw=True),
                helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
            ],
        )
        path = tmp_path_factory.mktemp("networks") / "detector.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
        return path

    return make
