"""Write a checkpoint as ONNX in YOLOX's raw layout: python -m training.export MEAN.pt OUT.onnx [--side 512]

`images` f32 (1, 3, side, side), BGR 0–255, letterboxed to the left top on grey 114 → `output` f32 (1, cells, 85), cells grid by grid and
row by row. Columns are x, y, w, h, objectness and 80 class scores: centre (x + column) * stride, (y + row) * stride, size exp(w) * stride,
exp(h) * stride, score objectness * class. Scaling of the input and, where a calibration is given, of the scores is part of the graph.

The detector looks twice, with the same weights: at the picture for what is not large in it, and at a smaller copy for what is not small, as
in image pyramids with scale normalisation (SNIP: Singh & Davis, 2018). The strides of the six grids, in pixels of the picture, are in the
file's metadata.
"""

import argparse
import copy
import dataclasses
import json
import math
import warnings
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.grid import STRIDES, grid
from training.network import Conv, Detector
from training.train import load_weights

OPSET = 17
SIDE, SMALLER = 512, 320
"""Of the square that the first look sees, and of the copy that the second one sees."""
LARGEST, SMALLEST = 0.4, 0.1
"""What the first look may find at the most, and the second at the least: the root of a box's area in sides of the picture."""


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """Beta calibration (Kull et al., 2017): logit of the calibrated score is a log p - b log(1 - p) + c, a and b not negative, so order
    is kept.
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    def __call__(self, score: Tensor) -> Tensor:
        p = score.clamp(1e-6, 1 - 1e-6)
        return torch.sigmoid(self.a * torch.log(p) - self.b * torch.log(1 - p) + self.c)


class Exported(nn.Module):
    """The detector's two looks, with what comes before and after them."""

    def __init__(self, net: Detector, side: int, smaller: int, calibration: Calibration | None) -> None:
        super().__init__()
        self.net, self.calibration = fused(net), calibration
        self.shrunk = Shrunk(side, smaller)
        self.strides = (*STRIDES, *(stride * side / smaller for stride in STRIDES))
        # Logarithms of the areas between which a box may lie, in squared strides of its cell.
        self.most = _area(LARGEST, side)
        self.least = _area(SMALLEST, smaller)

    def forward(self, images: Tensor) -> Tensor:
        pixels = images * (1 / 64)
        boxes, sure, kinds = self._look(pixels)
        first = torch.cat([boxes, sure * (boxes[..., 2:].sum(-1, keepdim=True) <= self.most), kinds], -1)
        boxes, sure, kinds = self._look(self.shrunk(pixels))
        second = torch.cat([boxes, sure * (boxes[..., 2:].sum(-1, keepdim=True) >= self.least), kinds], -1)
        return torch.cat([first, second], 1)

    def _look(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (1, cells, 4), objectness (1, cells, 1) and class scores (1, cells, 80), as the file has them."""
        kinds, places = self.net(pixels)
        left, top, right, bottom = F.softplus(places[..., 1:]).unbind(-1)
        boxes = torch.stack([right - left + 0.5, bottom - top + 0.5, torch.log(2 * (left + right)), torch.log(2 * (top + bottom))], -1)
        sure, kinds = places[..., :1].sigmoid(), kinds.sigmoid()
        if self.calibration:
            # The product of both columns is the calibrated score; objectness stays an upper bound of it, so readers may filter by it first.
            calibrated = self.calibration(sure)
            sure, kinds = calibrated, self.calibration(sure * kinds) / calibrated
        return boxes, sure, kinds


class Shrunk(nn.Module):
    """A square picture at a smaller side, each pixel the mean of the area that it covers."""

    def __init__(self, side: int, smaller: int) -> None:
        super().__init__()
        self.parts = math.gcd(side, smaller)  # of equal pixels before and equal pixels after
        before, after = side // self.parts, smaller // self.parts
        edges = torch.arange(after + 1) * before / after
        pixels = torch.arange(before)[:, None]
        self.shares = (torch.minimum(edges[1:], pixels + 1) - torch.maximum(edges[:-1], pixels)).clamp(0) * after / before

    def forward(self, pixels: Tensor) -> Tensor:
        for _ in range(2):  # rows, then columns
            pixels = (pixels.unflatten(-1, (self.parts, -1)) @ self.shares).flatten(-2).transpose(-1, -2)
        return pixels


def _area(share: float, side: int) -> Tensor:
    """Logarithm of the area of a box of `share` of a side, in squared strides of each cell (cells, 1)."""
    return 2 * torch.log(share * side / torch.from_numpy(grid(side)[1]))[:, None]


def fused(net: Detector) -> Detector:
    """Batch normalisation folded into the convolutions, so that both looks have their weights in common in the file too."""
    net = copy.deepcopy(net).eval()
    for module in net.modules():
        if isinstance(module, Conv):
            module[0], module[1] = fuse_conv_bn_eval(module[0], module[1]), nn.Identity()
    return net


def export(weights: Path, out: Path, side: int, smaller: int, calibration: Calibration | None = None) -> None:
    net = Detector()
    load_weights(net, weights)
    wrapped = Exported(net, side, smaller, calibration).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.zeros(1, 3, side, side)
        torch.onnx.export(
            wrapped,
            (example,),
            str(out),
            input_names=["images"],
            output_names=["output"],
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(str(out))
    onnx.checker.check_model(model)
    model.producer_name, model.doc_string = "openrek", ""
    onnx.helper.set_model_props(model, {"strides": json.dumps(wrapped.strides)})
    onnx.save(model, str(out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=SIDE)
    parser.add_argument("--smaller", type=int, default=SMALLER, help="side of the second look")
    parser.add_argument("--calibration", type=Path, help="what training.calibrate wrote")
    args = parser.parse_args()
    calibration = Calibration(**json.loads(args.calibration.read_text())["beta"]) if args.calibration else None
    export(args.weights, args.out, args.side, args.smaller, calibration)


if __name__ == "__main__":
    main()
