"""The detector out of an exported file, f32 or int8, so that a training can go on from it.

Export folds batch normalisation into the convolutions before it. Here it is measured anew: on pictures, layer by layer, so that the
network answers as the file does and learns as it did before. Only the size that a filter's weights had is lost, to which normalisation is
blind. It decides how far a step of the optimiser turns the filter, so it becomes what training leaves.
"""

from itertools import pairwise

import numpy as np
import torch
from onnx import ModelProto, NodeProto, numpy_helper
from torch import Tensor, nn

from training.network import CHANNELS, Conv, Detector

SIZE = 0.08  # root mean square of a filter's weights at the end of a training


def convolutions(model: ModelProto) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of each convolution, by the name of its module in `Detector`."""
    held = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in held:
            held[node.output[0]] = held[node.input[0]]
        elif node.op_type == "DequantizeLinear" and node.input[0] in held:
            weight, scale = held[node.input[0]], held[node.input[1]]
            zero = held[node.input[2]].astype(np.float32)
            shape = [-1] + [1] * (weight.ndim - 1) if scale.ndim else []
            held[node.output[0]] = ((weight - zero.reshape(shape)) * scale.reshape(shape)).astype(np.float32)
    return {
        _module(n.name): (held[n.input[1]] * _smoothing(n.input[0], makers, held), held[n.input[2]].copy())
        for n in model.graph.node
        if n.op_type == "Conv"
    }


def _smoothing(name: str, makers: dict[str, NodeProto], held: dict[str, np.ndarray]) -> np.ndarray:
    """(1, inputs, 1, 1): what quantisation multiplies each channel by on the way to a convolution."""
    maker = makers.get(name)
    while maker is not None and maker.op_type in ("DequantizeLinear", "QuantizeLinear"):
        maker = makers.get(maker.input[0])
    if maker is not None and maker.op_type == "Mul" and maker.input[1] in held and held[maker.input[1]].ndim == 4:
        return held[maker.input[1]]
    return np.ones((1, 1, 1, 1), np.float32)


def _module(node: str) -> str:
    """`/net/stem/stem.1/stem.1.0/Conv` → `parts.stem.1.0`: a part that begins with the one before it stands for both."""
    parts = [*node.strip("/").split("/")[1:-1], ""]
    name = ".".join(part for part, following in pairwise(parts) if not following.startswith(f"{part}."))
    return f"parts.{name}" if name.split(".")[0] in CHANNELS else name


@torch.no_grad()
def load_exported(net: Detector, model: ModelProto, pictures: Tensor) -> None:
    """Fill `net` in place. `pictures` (n, 3, h, w) as `Detector` takes them: what normalisation is measured on.

    Raises ValueError if the file holds another network.
    """
    named = dict(net.named_modules())
    found = convolutions(model)
    own = {name: module.weight.shape for name, module in named.items() if isinstance(module, nn.Conv2d)}
    if {name: weight.shape for name, (weight, _) in found.items()} != own:
        raise ValueError("the file of another network; the commit that made it can read it")
    for name, (weight, bias) in found.items():
        convolution = named[name]
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight.copy_(torch.from_numpy(weight))
        if convolution.bias is not None:
            convolution.bias.copy_(torch.from_numpy(bias))
        else:
            normalisation = named[f"{name.removesuffix('.0')}.1"]
            normalisation.bias.copy_(torch.from_numpy(bias))
    hooks = [module.register_forward_hook(_normalise) for module in net.modules() if isinstance(module, Conv)]
    net(pictures)
    for hook in hooks:
        hook.remove()


def _normalise(module: Conv, inputs: tuple[Tensor], _: Tensor) -> Tensor:
    """Let the normalisation measure what its convolution gives, undo what it does to it, and answer with the folded bias added."""
    convolution, normalisation, activation = module
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(normalisation, nn.BatchNorm2d)
    given, folded = convolution(inputs[0]), normalisation.bias.clone()
    variance, mean = torch.var_mean(given, (0, 2, 3), correction=0)
    shrunk = convolution.weight.square().mean((1, 2, 3)).sqrt().clamp(min=1e-8) / SIZE
    convolution.weight.div_(shrunk[:, None, None, None])
    normalisation.running_mean.copy_(mean / shrunk)
    normalisation.running_var.copy_(variance / shrunk**2)
    normalisation.weight.copy_(shrunk * (normalisation.running_var + normalisation.eps).sqrt())
    normalisation.bias.copy_(folded + mean)
    return activation(given + folded[:, None, None])
