"""Turn an exported network into int8: python -m training.quantise MODEL.onnx OUT.onnx

Post-training quantisation by NNCF: weights int8 per channel, activations u8 a tensor with zero point 0 (see network.py), ranges from
pictures of the corpus's training part. Before it the channels of each activation are brought nearer to one range, each filter taking back
what its inputs were multiplied by (SmoothQuant: Xiao et al., 2022). What follows the last convolutions, where boxes and scores are made,
stays in floating point. In the end weights are made such that every CPU computes the same (overflow.py): alone that is done to a file which
is int8 already. The file holds QuantizeLinear and DequantizeLinear nodes of the ONNX standard with weights as int8 numbers, so OpenVINO and
ONNX Runtime both read it.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import nncf
import numpy as np
import onnx
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, AdvancedSmoothQuantParameters, OverflowFix
from onnx import ModelProto

from training.augment import Painter
from training.corpus import odds, read
from training.overflow import without_overflow
from training.predict import letterbox
from training.settings import shared

PICTURES = 300
SMOOTHING = 0.7  # of 0.5, 0.7, 0.85 and 0.95 what kept logits nearest to f32: .02 of their variance is lost, without it .10


def pictures(corpus: Path, side: int, count: int) -> Iterator[np.ndarray]:
    """Half whole photographs, letterboxed, half what the training shows."""
    photographs = read(corpus, held_out=False)
    rng = np.random.default_rng(1)
    painter = Painter(photographs, odds(photographs))
    for k in rng.choice(len(photographs), count // 2, replace=False):
        yield letterbox(photographs[k].pixels, side)[0]
        yield painter.picture(rng, side).pixels.transpose(2, 0, 1)[None].astype(np.float32)


def after_convolutions(model: ModelProto) -> list[str]:
    """Names of the nodes that no convolution follows, the last convolutions themselves left out."""
    feeds: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            feeds.setdefault(name, []).append(node)
    leads: dict[str, bool] = {}

    def leads_to_convolution(node: onnx.NodeProto) -> bool:
        if node.name not in leads:
            leads[node.name] = False
            leads[node.name] = any(n.op_type == "Conv" or leads_to_convolution(n) for o in node.output for n in feeds.get(o, []))
        return leads[node.name]

    return [n.name for n in model.graph.node if n.op_type not in ("Conv", "Constant") and not leads_to_convolution(n)]


def last_convolutions(model: ModelProto) -> list[str]:
    rest = set(after_convolutions(model))
    inputs = {name for n in model.graph.node if n.name in rest for name in n.input}
    return [n.name for n in model.graph.node if n.op_type == "Conv" and set(n.output) & inputs]


def quantise(model: ModelProto, images: list[np.ndarray], *, float_outputs: bool = False) -> ModelProto:
    """`float_outputs` leaves the last convolutions in floating point too."""
    kept = after_convolutions(model) + (last_convolutions(model) if float_outputs else [])
    data = nncf.Dataset(images, lambda image: {"images": image})
    quantised = nncf.quantize(
        model,
        data,
        subset_size=len(images),
        model_type=nncf.ModelType.TRANSFORMER,  # NNCF smooths for no other
        preset=nncf.QuantizationPreset.PERFORMANCE,
        ignored_scope=nncf.IgnoredScope(names=kept, validate=False),
        advanced_parameters=AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.DISABLE, smooth_quant_alphas=AdvancedSmoothQuantParameters(convolution=SMOOTHING, matmul=-1)
        ),
    )
    return without_overflow(quantised, images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--float-outputs", action="store_true")
    parser.add_argument("--corpus", type=Path)
    args = parser.parse_args()
    model = onnx.load(str(args.model))
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    images = list(pictures(args.corpus or shared("corpus"), side, args.pictures))
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        onnx.save(without_overflow(model, images), str(args.out))
    else:
        onnx.save(quantise(model, images, float_outputs=args.float_outputs), str(args.out))
    print(f"{args.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
