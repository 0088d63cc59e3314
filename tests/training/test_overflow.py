"""Weights of int8 networks with which CPUs without VNNI compute what the others do."""

from importlib import resources

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from training.overflow import MOST, fitted, largest_pairs, without_overflow

FILTERS, INPUTS, SIDE = 16, 8, 12


def multiplied_in_16_bits(numbers: np.ndarray, given: int) -> np.ndarray:
    """What `vpmaddubsw` makes of each pair of weights, if both inputs are the same."""
    pairs = numbers.astype(np.int64).reshape(len(numbers), -1, 2, *numbers.shape[2:])
    return (given * pairs).sum(2).clip(-(2**15), 2**15 - 1)


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    """In steps; the largest of each filter is 127, and in all but the first two some neighbours are both large."""
    weights = np.random.default_rng(0).normal(size=(FILTERS, INPUTS, 3, 3))
    weights[:2, 1::2] *= -0.1 * np.sign(weights[:2, 1::2]) * np.sign(weights[:2, ::2])
    weights[2:, 3] = weights[2:, 2]
    return weights * (127 / np.abs(weights).max((1, 2, 3)))[:, None, None, None]


def test_no_pair_overflows_and_nothing_else_changes(weights):
    numbers, longer = fitted(weights)
    for given in (1, 128, 255):
        assert (multiplied_in_16_bits(numbers, given) == given * numbers.astype(int).reshape(FILTERS, -1, 2, 3, 3).sum(2)).all()
    assert largest_pairs(numbers.astype(float)).max() == MOST
    assert (longer[:2] == 1).all()
    assert (numbers[:2] == np.rint(weights[:2])).all()
    assert (longer[2:] > 1).all()
    assert longer.max() <= 2
    assert np.abs(numbers * longer[:, None, None, None] - weights).max() <= longer.max() / 2 + 1e-6, "nothing is cut off"


def test_as_many_inputs_as_are_odd():
    numbers, longer = fitted(np.array([[[[127.0]], [[127.0]], [[127.0]]]]))
    assert numbers.ravel().tolist() == [64, 64, 64]
    assert longer == pytest.approx(127 / 64, rel=0.01)


def network(weights: np.ndarray) -> ModelProto:
    """u8 inputs of up to 1, one convolution with int8 weights, as quantisation writes them."""
    held = {
        "step": np.array(1 / 255, np.float32),
        "zero": np.array(0, np.uint8),
        "numbers": np.rint(weights).astype(np.int8),
        "scale": np.linspace(0.001, 0.002, len(weights)).astype(np.float32),
        "zeros": np.zeros(len(weights), np.int8),
        "bias": np.linspace(-1, 1, len(weights)).astype(np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["images", "step", "zero"], ["u8"]),
        helper.make_node("DequantizeLinear", ["u8", "step", "zero"], ["given"]),
        helper.make_node("DequantizeLinear", ["numbers", "scale", "zeros"], ["weights"], axis=0),
        helper.make_node("Conv", ["given", "weights", "bias"], ["made"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["made"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, INPUTS, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, len(weights), SIDE, SIDE])],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model


def exactly(model: ModelProto, image: np.ndarray) -> np.ndarray:
    """What the standard says, in floating point."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": image})[0])


def test_openvino_computes_the_same_on_this_cpu_and_means_stay(weights):
    rng = np.random.default_rng(1)
    images = [rng.uniform(0, 1, (1, INPUTS, SIDE, SIDE)).astype(np.float32) for _ in range(4)]
    before = network(weights)
    made = [exactly(before, image) for image in images]
    after = without_overflow(before, images)
    bright = np.ones((1, INPUTS, SIDE, SIDE), np.float32)
    for image in (bright, images[0]):
        (ours,) = openvino.Core().compile_model(openvino.Core().read_model(after.SerializeToString()), "CPU")([image]).values()
        np.testing.assert_allclose(ours, exactly(after, image), atol=0.02)
    inner = np.s_[:, :, 1:-1, 1:-1]  # at the border a convolution is given zeros, which no mean knows
    shift = np.mean([exactly(after, image)[inner] - old[inner] for image, old in zip(images, made, strict=True)], (0, 1, 3, 4))
    assert np.abs(shift).max() < 0.01


def test_depthwise_convolutions_stay_as_they_are(weights):
    model = network(weights[:INPUTS, :1])
    (convolution,) = (node for node in model.graph.node if node.op_type == "Conv")
    convolution.attribute.append(helper.make_attribute("group", INPUTS))
    before = model.SerializeToString()
    assert without_overflow(model, [np.ones((1, INPUTS, SIDE, SIDE), np.float32)]).SerializeToString() == before


def test_the_packaged_network_overflows_nowhere():
    model = onnx.load(str(resources.files("openrek.vision") / "weights/openrek-labels.onnx"))
    weights = [numpy_helper.to_array(i) for i in model.graph.initializer if i.data_type == TensorProto.INT8 and len(i.dims) == 4]
    assert len(weights) == sum(node.op_type == "Conv" for node in model.graph.node) > 50
    assert max(largest_pairs(numbers.astype(float)).max() for numbers in weights) <= MOST
