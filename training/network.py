"""The detector: dense 3x3 convolutions, strides 8, 16 and 32, one convolution of the head a level.

Made for 8-bit arithmetic: each convolution's input is non-negative (pixels / 64, what a ReLU lets through, a lifted SiLU), so its zero
point is 0 and every instruction set computes the same. Signed activations do not: OpenVINO 2026.4 gave other answers without AMX than
with it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.grid import STRIDES, grid

LIFT = 0.2785
"""Minus the least value of SiLU, rounded up."""


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


def _rows(x: Tensor) -> Tensor:
    """(n, channels, h, w) → (n, h * w, channels)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


class Reading(nn.Module):
    """A 1x1 convolution and SiLU, lifted by `LIFT` so that nothing is negative: what is compared with a map of the teacher."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.convolution(x)) + LIFT


class Head(nn.Module):
    """One convolution a level, from which class logits, objectness and box are read."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.mix = nn.ModuleList(Conv(inputs, width) for _ in STRIDES)
        self.classes = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in STRIDES)
        self.places = nn.ModuleList(nn.Conv2d(width, 5, 1) for _ in STRIDES)
        for kinds, places in zip(self.classes, self.places, strict=True):
            nn.init.constant_(kinds.bias, -4.6)
            nn.init.constant_(places.bias, 1.0)
            nn.init.constant_(places.bias[:1], -4.6)

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        mixed = [mix(level) for mix, level in zip(self.mix, levels, strict=True)]
        kinds = [_rows(read(level)) for read, level in zip(self.classes, mixed, strict=True)]
        return torch.cat(kinds, 1), torch.cat([_rows(read(level)) for read, level in zip(self.places, mixed, strict=True)], 1)


class Pyramid(nn.Module):
    """The trunk's maps brought together, coarse to fine and fine to coarse, and a reading of each level."""

    def __init__(self, inputs: tuple[int, int, int], width: int, outputs: int) -> None:
        super().__init__()
        self.l3, self.l4, self.l5 = (Conv(channels, width, 1) for channels in inputs)
        self.t4, self.t3 = Conv(width, width), Conv(width, width)
        self.u4, self.u5, self.v5 = Conv(width, width, 3, 2), Conv(width, width, 3, 2), Conv(width, width)
        self.readings = nn.ModuleList(Reading(width, outputs) for _ in STRIDES)

    def forward(self, m3: Tensor, m4: Tensor, m5: Tensor) -> list[Tensor]:
        p5 = self.l5(m5)
        p4 = self.t4(self.l4(m4) + F.interpolate(p5, scale_factor=2.0))
        p3 = self.t3(self.l3(m3) + F.interpolate(p4, scale_factor=2.0))
        p4 = p4 + self.u4(p3)
        p5 = self.v5(p5 + self.u5(p4))
        return [read(level) for read, level in zip(self.readings, (p3, p4, p5), strict=True)]


class Detector(nn.Module):
    """(n, 3, h, w) BGR as pixel / 64, h and w multiples of 32 → (n, cells, 80) class logits, (n, cells, 5) objectness and box logits.

    Cells come in the order of the strides 8, 16, 32, row by row. Between its parts, which are three strides, pyramid and head, stand six
    maps that mean what the teacher's maps at these places mean, channel by channel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(48, 64)
        self.part3 = nn.Sequential(Conv(64, 128, 3, 2), Residual(128), Reading(128, 64))
        self.part4 = nn.Sequential(Conv(64, 192, 3, 2), Residual(192), Residual(192), Reading(192, 128))
        self.part5 = nn.Sequential(Conv(128, 256, 3, 2), Residual(256), Context(256, 128), Residual(256), Reading(256, 128))
        self.pyramid = Pyramid((64, 128, 128), 128, 64)
        self.head = Head(64, 128, 80)
        with torch.no_grad():  # the input is not centred: begin with filters that a uniform brightness does not move
            stem = self.stem[0].weight
            stem -= stem.mean((1, 2, 3), keepdim=True)

    def first(self, x: Tensor) -> Tensor:
        return self.part3(self.stem(F.pixel_unshuffle(x, 4)))

    def maps(self, x: Tensor) -> list[Tensor]:
        """The six maps, each made of the ones before it."""
        m3 = self.first(x)
        m4 = self.part4(m3)
        m5 = self.part5(m4)
        return [m3, m4, m5, *self.pyramid(m3, m4, m5)]

    def apart(self, x: Tensor, given: list[Tensor]) -> tuple[list[Tensor], Tensor, Tensor]:
        """The six maps and the answers, each part being given the teacher's maps instead of what the part before it made."""
        m3, m4, m5, *levels = given
        made = [self.first(x), self.part4(m3), self.part5(m4), *self.pyramid(m3, m4, m5)]
        return made, *self.head(levels)

    def together(self, x: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """The six maps and the answers."""
        made = self.maps(x)
        return made, *self.head(made[3:])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.maps(x)[3:])


def cells(side: int) -> tuple[Tensor, Tensor]:
    """Centres (cells, 2) in pixels and strides (cells,) of a square input."""
    at, strides = (torch.from_numpy(a) for a in grid(side))
    return (at + 0.5) * strides[:, None], strides


def corners(logits: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Left, top, right, bottom in pixels: distances from the cell's centre are 2 strides x softplus(logit)."""
    d = F.softplus(logits.float()) * strides[..., None] * 2
    return torch.cat([points - d[..., :2], points + d[..., 2:]], -1)
