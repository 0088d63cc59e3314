"""The detector: dense 3x3 convolutions, strides 8, 16 and 32, one convolution of the head a level.

Made for 8-bit arithmetic: each convolution's input is non-negative (pixels / 64, or what a ReLU lets through), so its zero point is 0 and
every instruction set computes the same. Signed activations do not: OpenVINO 2026.4 gave other answers without AMX than with it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.grid import STRIDES, grid


class Conv(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs, momentum=0.03, eps=1e-3), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b = Conv(width, width), Conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.b(self.a(x))


class Context(nn.Module):
    """Pooling at three growing windows (YOLOv5's SPPF) beside the identity: what a wide surrounding shows."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.a, self.b = Conv(width, inner, 1), Conv(inner * 4, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [self.a(x)]
        for _ in range(3):
            pooled.append(F.max_pool2d(pooled[-1], 5, 1, 2))
        return x + self.b(torch.cat(pooled, 1))


class Head(nn.Module):
    """One convolution a level, from which class logits, objectness and box are read."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.mix = nn.ModuleList(Conv(width, width) for _ in STRIDES)
        self.classes = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in STRIDES)
        self.places = nn.ModuleList(nn.Conv2d(width, 5, 1) for _ in STRIDES)
        for kinds, places in zip(self.classes, self.places, strict=True):
            nn.init.constant_(kinds.bias, -4.6)
            nn.init.constant_(places.bias, 1.0)
            nn.init.constant_(places.bias[:1], -4.6)

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[list[Tensor], list[Tensor]]:
        mixed = [mix(level) for mix, level in zip(self.mix, levels, strict=True)]
        kinds = [read(level) for read, level in zip(self.classes, mixed, strict=True)]
        return kinds, [read(level) for read, level in zip(self.places, mixed, strict=True)]


class Detector(nn.Module):
    """(n, 3, h, w) BGR as pixel / 64, h and w multiples of 32 → (n, cells, 80) class logits, (n, cells, 5) objectness and box logits.

    Cells come in the order of the strides 8, 16, 32, row by row.
    """

    def __init__(self, c3: int = 128, c4: int = 192, c5: int = 256, n: int = 128) -> None:
        super().__init__()
        self.stem, self.d3, self.s3 = Conv(48, 64), Conv(64, c3, 3, 2), Residual(c3)
        self.d4, self.s4 = Conv(c3, c4, 3, 2), nn.Sequential(Residual(c4), Residual(c4))
        self.d5, self.s5 = Conv(c4, c5, 3, 2), nn.Sequential(Residual(c5), Context(c5, 64), Residual(c5))
        self.l5, self.l4, self.l3 = Conv(c5, n, 1), Conv(c4, n, 1), Conv(c3, n, 1)
        self.t4, self.t3, self.u4, self.u5 = Conv(n, n), Conv(n, n), Conv(n, n, 3, 2), Conv(n, n, 3, 2)
        self.head = Head(n, 80)
        with torch.no_grad():  # the input is not centred: begin with filters that a uniform brightness does not move
            stem = self.stem[0].weight
            stem -= stem.mean((1, 2, 3), keepdim=True)

    def pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps that the head reads, one a stride."""
        c3 = self.s3(self.d3(self.stem(F.pixel_unshuffle(x, 4))))
        c4 = self.s4(self.d4(c3))
        p5 = self.l5(self.s5(self.d5(c4)))
        p4 = self.t4(self.l4(c4) + F.interpolate(p5, scale_factor=2.0))
        p3 = self.t3(self.l3(c3) + F.interpolate(p4, scale_factor=2.0))
        p4 = p4 + self.u4(p3)
        p5 = p5 + self.u5(p4)
        return p3, p4, p5

    def read(self, levels: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        kinds, places = self.head(levels)
        return torch.cat([k.flatten(2) for k in kinds], 2).transpose(1, 2), torch.cat([p.flatten(2) for p in places], 2).transpose(1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.read(self.pyramid(x))


class Pupil(nn.Module):
    """The detector in training: beside its answers, linear readings of its maps that are compared with the teacher's maps."""

    def __init__(self, width: int = 128, hints: int = 64) -> None:
        super().__init__()
        self.detector = Detector(n=width)
        self.hints = nn.ModuleList(nn.Conv2d(width, hints, 1, bias=False) for _ in STRIDES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        levels = self.detector.pyramid(x)
        return *self.detector.read(levels), [hint(level) for hint, level in zip(self.hints, levels, strict=True)]


def cells(side: int) -> tuple[Tensor, Tensor]:
    """Centres (cells, 2) in pixels and strides (cells,) of a square input."""
    at, strides = (torch.from_numpy(a) for a in grid(side))
    return (at + 0.5) * strides[:, None], strides


def corners(logits: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Left, top, right, bottom in pixels: distances from the cell's centre are 2 strides x softplus(logit)."""
    d = F.softplus(logits.float()) * strides[..., None] * 2
    return torch.cat([points - d[..., :2], points + d[..., 2:]], -1)
