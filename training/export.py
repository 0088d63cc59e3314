"""Write a checkpoint as ONNX in YOLOX's raw layout: python -m training.export MEAN.pt OUT.onnx [--side 416]

`images` f32 (1, 3, side, side), BGR 0–255, letterboxed to the left top on grey 114 → `output` f32 (1, cells, 85), cells by stride 8, 16,
32 and row by row. Columns are x, y, w, h, objectness and 80 class scores: centre (x + column) * stride, (y + row) * stride, size exp(w) *
stride, exp(h) * stride, score objectness * class. Scaling of the input and, where a calibration is given, of the scores is part of the
graph.
"""

import argparse
import dataclasses
import json
import warnings
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.network import Detector
from training.train import load_weights

OPSET = 17


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """Beta calibration (Kull et al., 2017): logit of the calibrated score is a log p - b log(1 - p) + c, a and b not negative, so order
    is kept.

    In the exported graph both logarithms are made of softplus, which OpenVINO 2026.4 computes many numbers at a time; its logarithm took a
    twelfth of the network's time.
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    def __call__(self, score: Tensor) -> Tensor:
        """The calibrated score of each score."""
        p = score.clamp(1e-6, 1 - 1e-6)
        return torch.sigmoid(self.a * torch.log(p) - self.b * torch.log(1 - p) + self.c)

    def sure(self, o: Tensor) -> Tensor:
        """What the call gives for sigmoid(o)."""
        return torch.sigmoid(self.b * F.softplus(o) - self.a * F.softplus(-o) + self.c)

    def product(self, o: Tensor, k: Tensor) -> Tensor:
        """What the call gives for sigmoid(o) sigmoid(k): objectness (..., 1) and classes (..., 80)."""
        log_p = -F.softplus(-o) - F.softplus(-k)
        log_rest = log_p - o + F.softplus(F.softplus(o) - k)
        return torch.sigmoid(self.a * log_p - self.b * log_rest + self.c)


class Exported(nn.Module):
    """The detector with what comes before and after it."""

    def __init__(self, net: Detector, calibration: Calibration | None) -> None:
        super().__init__()
        self.net, self.calibration = net, calibration

    def forward(self, images: Tensor) -> Tensor:
        kinds, places = self.net(images * (1 / 64))
        left, top, right, bottom = F.softplus(places[..., 1:]).unbind(-1)
        boxes = torch.stack([right - left + 0.5, bottom - top + 0.5, torch.log(2 * (left + right)), torch.log(2 * (top + bottom))], -1)
        sure = places[..., :1]
        if self.calibration:
            # The product of both columns is the calibrated score; objectness stays an upper bound of it, so readers may filter by it first.
            calibrated = self.calibration.sure(sure)
            sure, kinds = calibrated, self.calibration.product(sure, kinds) / calibrated
        else:
            sure, kinds = sure.sigmoid(), kinds.sigmoid()
        return torch.cat([boxes, sure, kinds], -1)


def export(weights: Path, out: Path, side: int, calibration: Calibration | None = None) -> None:
    net = Detector()
    load_weights(net, torch.load(weights, weights_only=True))
    wrapped = Exported(net, calibration).eval()
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
    onnx.save(model, str(out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=416)
    parser.add_argument("--calibration", type=Path, help="what training.calibrate wrote")
    args = parser.parse_args()
    calibration = Calibration(**json.loads(args.calibration.read_text())["beta"]) if args.calibration else None
    export(args.weights, args.out, args.side, calibration)


if __name__ == "__main__":
    main()
