"""Weights of an int8 network with which every CPU computes the same.

CPUs without VNNI (before Intel's Cascade Lake and AMD's Zen 4) multiply u8 by s8 with `vpmaddubsw`, which adds two neighbouring products in
16 bits and cuts off what is beyond. OpenVINO gives it neighbouring input channels, so the weights of such a pair must not add up to more
than 128 steps of one sign: 128 * 255 is the most that fits. Seven bits for all weights (reduce_range, NNCF's overflow fix) would see to it
at a price: .02 of AP@0.5. Here each filter's step becomes as long as its largest pair asks for, a sixth longer on average, and what that
adds to the mean of what the filter makes, on pictures, is taken back by its bias.
"""

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

MOST = 128  # steps of one sign in a pair


def largest_pairs(weights: np.ndarray) -> np.ndarray:
    """(filters, inputs, h, w) → (filters,): what two neighbouring inputs' weights of one sign add up to, at most."""
    pairs = np.pad(weights, [(0, 0), (0, weights.shape[1] % 2), (0, 0), (0, 0)])
    pairs = pairs.reshape(len(weights), -1, 2, *weights.shape[2:])
    return np.maximum(pairs.clip(min=0).sum(2), -pairs.clip(max=0).sum(2)).max((1, 2, 3))


def fitted(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(filters, inputs, h, w) in steps → int8 numbers of which no pair overflows, and the factor of each filter's step."""
    longer = np.maximum(1, largest_pairs(weights) / MOST)
    while True:
        numbers = np.clip(np.rint(weights / longer[:, None, None, None]), -127, 127)
        beyond = largest_pairs(numbers) > MOST
        if not beyond.any():
            return numbers.astype(np.int8), longer
        longer[beyond] *= 1.003


def without_overflow(model: ModelProto, images: list[np.ndarray]) -> ModelProto:
    """Change the weights of an int8 network in place; what means are taken on are the images (1, 3, side, side) that it is given."""
    held = {i.name: i for i in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    means = _means(model, images)
    for node in model.graph.node:
        maker = makers.get(node.input[1]) if node.op_type == "Conv" else None
        if maker is None or maker.op_type != "DequantizeLinear":
            continue
        numbers, scale = (numpy_helper.to_array(held[name]) for name in maker.input[:2])
        if numbers.shape[1] != len(means[node.input[0]]):  # depthwise: each filter has one input, and no neighbours
            continue
        fitting, longer = fitted(numbers.astype(float))
        added = ((fitting * longer[:, None, None, None] - numbers).sum((2, 3)) @ means[node.input[0]]) * scale
        bias = numpy_helper.to_array(held[node.input[2]])
        for name, value in ((maker.input[0], fitting), (maker.input[1], scale * longer), (node.input[2], bias - added)):
            kept = numpy_helper.to_array(held[name]).dtype
            held[name].CopyFrom(numpy_helper.from_array(value.astype(kept), name))
    onnx.checker.check_model(model)
    return model


def _means(model: ModelProto, images: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The mean (inputs,) of each channel that a convolution is given, over all cells of all pictures."""
    watched = ModelProto()
    watched.CopyFrom(model)
    names = sorted({node.input[0] for node in model.graph.node if node.op_type == "Conv"})
    del watched.graph.output[:]
    for k, name in enumerate(names):
        watched.graph.node.append(helper.make_node("ReduceMean", [name], [f"mean{k}"], axes=[0, 2, 3], keepdims=0))
        watched.graph.output.append(helper.make_tensor_value_info(f"mean{k}", TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    sums = [np.zeros(())] * len(names)
    for image in images:
        sums = [a + b for a, b in zip(sums, session.run(None, {session.get_inputs()[0].name: image}), strict=True)]
    return {name: total / len(images) for name, total in zip(names, sums, strict=True)}
