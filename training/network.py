"""The detector: YOLOX's trunk, pyramid and decoupled head (Ge et al., 2021) with dense 3x3 convolutions, cut at maps that the teacher has.

Made for 8-bit arithmetic: each convolution's input is non-negative (pixels / 64, what a ReLU lets through, a lifted SiLU), so its zero
point is 0. With signed activations OpenVINO 2026.4 gave other answers without AMX than with it. What weights have to be like is in
overflow.py.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.grid import STRIDES, grid

LIFT = 0.2785
"""Minus the least value of SiLU, rounded up."""

Maps = dict[str, Tensor]


def lifted(x: Tensor) -> Tensor:
    """SiLU plus `LIFT`, so that nothing is negative: what a map is when it is given to a part."""
    return F.silu(x) + LIFT


class Convolution(nn.Conv2d):
    """A convolution that, once `rounded` is set, learns with the weights that int8 leaves it: 127 steps each way a filter.

    As quantisation does, it takes back what rounding adds to the mean of what it makes: inputs are far from centred.
    """

    rounded = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.rounded:
            return super().forward(x)
        with torch.no_grad():
            step = self.weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
            lost = (self.weight / step).round_().mul_(step).sub_(self.weight)
            added = lost.sum((2, 3)) @ x[:, :, ::4, ::4].mean((0, 2, 3), dtype=lost.dtype)
        bias = -added if self.bias is None else self.bias - added
        return F.conv2d(x, self.weight + lost, bias, self.stride, self.padding)


class Conv(nn.Sequential):
    """Convolution, batch normalisation, ReLU or another activation."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1, activation: nn.Module | None = None) -> None:
        convolution = Convolution(inputs, outputs, size, stride, size // 2, bias=False)
        nn.init.normal_(convolution.weight, std=0.06)
        super().__init__(convolution, nn.BatchNorm2d(outputs, momentum=0.03, eps=1e-3), activation or nn.ReLU(inplace=True))


class Reading(Conv):
    """A 1x1 convolution at the end of a part: what it makes is compared with a map of the teacher, both before their SiLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, activation=nn.Identity())


class Bottleneck(nn.Module):
    """A 3x3 and a 1x1 convolution, beside the identity or not."""

    def __init__(self, width: int, *, shortcut: bool) -> None:
        super().__init__()
        self.a, self.b, self.shortcut = Conv(width, width), Conv(width, width, 1), shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.b(self.a(x))
        return x + y if self.shortcut else y


class CspLayer(nn.Module):
    """One half of the channels through `count` bottlenecks, the other past them (CSPNet: Wang et al., 2020)."""

    def __init__(self, inputs: int, outputs: int, width: int, count: int = 1, *, shortcut: bool = False) -> None:
        super().__init__()
        self.a, self.b = Conv(inputs, width, 1), Conv(inputs, width, 1)
        self.chain = nn.Sequential(*(Bottleneck(width, shortcut=shortcut) for _ in range(count)))
        self.join = Reading(2 * width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.chain(self.a(x)), self.b(x)], 1))


class SpatialPyramidPooling(nn.Module):
    """Windows of 5, 9 and 13 cells beside the map itself (SPPF of YOLOv5): what a wide surrounding shows."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.join = Reading(4 * inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [x]
        for _ in range(3):
            pooled.append(F.max_pool2d(pooled[-1], 5, 1, 2))
        return self.join(torch.cat(pooled, 1))


def _stem() -> nn.Sequential:
    first = Conv(12, 32)
    with torch.no_grad():  # the input is not centred: begin with filters that a uniform brightness does not move, but for a few
        filters = first[0].weight[8:]
        filters -= filters.mean((1, 2, 3), keepdim=True)
    return nn.Sequential(first, Conv(32, 64, 3, 2), Reading(64, 32))


def _beside(inputs: int, outputs: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(Conv(inputs, width, 3, stride), Reading(width, outputs))


def _parts() -> dict[str, tuple[tuple[str, ...], int, nn.Module]]:
    """Of each part, in their order: which maps it is given, the channels of the map that it makes, and its layers."""
    parts: dict[str, tuple[tuple[str, ...], int, nn.Module]] = {
        "stem": (("picture",), 32, _stem()),
        "stage4": (("stem",), 32, CspLayer(32, 32, 32, shortcut=True)),
        "down8": (("stage4",), 64, _beside(32, 64, 64, 2)),
        "stage8": (("down8",), 64, CspLayer(64, 64, 64, 3, shortcut=True)),
        "down16": (("stage8",), 128, _beside(64, 128, 128, 2)),
        "stage16": (("down16",), 128, CspLayer(128, 128, 128, 3, shortcut=True)),
        "down32": (("stage16",), 256, _beside(128, 256, 256, 2)),
        "squeezed": (("down32",), 128, Reading(256, 128)),
        "pooling": (("squeezed",), 256, SpatialPyramidPooling(128, 256)),
        "stage32": (("pooling",), 256, CspLayer(256, 256, 256)),
        "narrow32": (("stage32",), 128, Reading(256, 128)),
        "fine16": (("narrow32", "stage16"), 128, CspLayer(256, 128, 128)),
        "narrow16": (("fine16",), 64, Reading(128, 64)),
        "level8": (("narrow16", "stage8"), 64, CspLayer(128, 64, 64)),
        "coarse16": (("level8",), 64, _beside(64, 64, 128, 2)),
        "level16": (("coarse16", "narrow16"), 128, CspLayer(128, 128, 128)),
        "coarse32": (("level16",), 128, _beside(128, 128, 256, 2)),
        "level32": (("coarse32", "narrow32"), 256, CspLayer(256, 256, 256)),
    }
    for stride in STRIDES:
        parts[f"head{stride}"] = ((f"level{stride}",), 64, Reading(parts[f"level{stride}"][1], 64))
        for branch in ("kinds", "places"):
            parts[f"{branch}{stride}a"] = ((f"head{stride}",), 64, _beside(64, 64, 64))
            parts[f"{branch}{stride}"] = ((f"{branch}{stride}a",), 64, _beside(64, 64, 64))
    return parts


CHANNELS = {name: channels for name, (_, channels, _) in _parts().items()}
"""The maps in the order in which they are made, and their channels."""


class Detector(nn.Module):
    """(n, 3, h, w) BGR as pixel / 64, h and w multiples of 32 → (n, cells, 80) class logits, (n, cells, 5) objectness and box logits.

    Cells come in the order of the strides 8, 16, 32, row by row. It is made of parts that end in maps which mean what maps of the
    teacher mean, channel by channel, and that are given such maps and nothing else.
    """

    def __init__(self) -> None:
        super().__init__()
        parts = _parts()
        self.given = {name: given for name, (given, _, _) in parts.items()}
        self.parts = nn.ModuleDict({name: layers for name, (_, _, layers) in parts.items()})
        self.kinds = nn.ModuleList(Convolution(64, 80, 1) for _ in STRIDES)
        self.places = nn.ModuleList(Convolution(64, 5, 1) for _ in STRIDES)
        for kinds, places in zip(self.kinds, self.places, strict=True):
            nn.init.constant_(kinds.bias, -4.6)
            nn.init.constant_(places.bias, 1.0)
            nn.init.constant_(places.bias[:1], -4.6)

    def maps(self, x: Tensor, told: Maps | None = None) -> Maps:
        """The map of each part before its SiLU, given the ones in `told` or, without it, those that the parts before it made."""
        made: Maps = {}
        before = made if told is None else told
        known = {"picture": F.pixel_unshuffle(x, 2)}
        for name, sources in self.given.items():
            known |= {n: lifted(before[n]) for n in sources if n not in known}
            given = [known[n] for n in sources]
            if len(given) == 2 and given[0].shape[-1] < given[1].shape[-1]:
                given[0] = F.interpolate(given[0], scale_factor=2.0)
            made[name] = self.parts[name](torch.cat(given, 1) if len(given) > 1 else given[0])
        return made

    def answers(self, maps: Maps) -> tuple[Tensor, Tensor]:
        """(n, cells, 80) class logits and (n, cells, 5) objectness and box logits, read off the head's maps."""
        kinds = [_rows(read(lifted(maps[f"kinds{stride}"]))) for read, stride in zip(self.kinds, STRIDES, strict=True)]
        places = [_rows(read(lifted(maps[f"places{stride}"]))) for read, stride in zip(self.places, STRIDES, strict=True)]
        return torch.cat(kinds, 1), torch.cat(places, 1)

    def apart(self, x: Tensor, told: Maps) -> tuple[Maps, Tensor, Tensor]:
        """The maps and the answers, each part being given the teacher's maps instead of what the parts before it made."""
        return self.maps(x, told), *self.answers(told)

    def together(self, x: Tensor) -> tuple[Maps, Tensor, Tensor]:
        """The maps and the answers."""
        made = self.maps(x)
        return made, *self.answers(made)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.answers(self.maps(x))


def _rows(x: Tensor) -> Tensor:
    """(n, channels, h, w) → (n, h * w, channels)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def cells(side: int) -> tuple[Tensor, Tensor]:
    """Centres (cells, 2) in pixels and strides (cells,) of a square input."""
    at, strides = (torch.from_numpy(a) for a in grid(side))
    return (at + 0.5) * strides[:, None], strides


def corners(logits: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Left, top, right, bottom in pixels: distances from the cell's centre are 2 strides x softplus(logit)."""
    d = F.softplus(logits.float()) * strides[..., None] * 2
    return torch.cat([points - d[..., :2], points + d[..., 2:]], -1)
