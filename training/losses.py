"""How far the student is from the teacher's map."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

from training.network import Maps, cells, corners


@dataclass(frozen=True, slots=True)
class Target:
    """The answers to a batch.

    `sure` (n, cells); of the cells taught in full, `picture` and `cell` (k,), `kinds` (k, 80), `boxes` (k, 4); `maps`, each (n,
    channels, rows, columns), before its SiLU as the student's are.
    """

    sure: Tensor
    picture: Tensor
    cell: Tensor
    kinds: Tensor
    boxes: Tensor
    maps: Maps


class MapLoss:
    """Objectness everywhere; classes and boxes where the teacher sees something, weighted by how sure it is."""

    def __init__(self, box_weight: float = 2.5, logit_weight: float = 0.2, power: float = 0.7) -> None:
        self.box_weight, self.logit_weight, self.power = box_weight, logit_weight, power
        self._cells: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, kinds: Tensor, places: Tensor, target: Target, side: int) -> tuple[Tensor, list[float]]:
        """The loss, and its parts (objectness, classes, boxes) to show."""
        points, strides = self._cells.setdefault(side, cells(side))
        sure = places[..., 0].float()
        objectness = F.binary_cross_entropy_with_logits(sure, target.sure, reduction="sum") / target.sure.sum().clamp(1)
        objectness = objectness + 0.05 * (sure - _logit(target.sure)).square().mean()
        k = (target.picture, target.cell)
        weight, own = target.sure[k] ** self.power, kinds[k].float()
        weight = weight / weight.sum().clamp(1)
        classes = (F.binary_cross_entropy_with_logits(own, target.kinds, reduction="none").sum(-1) * weight).sum()
        classes = classes + self.logit_weight * ((own - _logit(target.kinds)).square().mean(-1) * weight).sum()
        boxes = corners(places[k][:, 1:], points[target.cell], strides[target.cell])
        placing = ((1 - diou(boxes, target.boxes)) * weight).sum()
        return objectness + classes + self.box_weight * placing, [objectness.item(), classes.item(), placing.item()]


SLOPE, FLOOR = 0.2, -4.0


def rising(x: Tensor) -> Tensor:
    """SiLU and a fifth of what it was given: a SiLU that rises from `FLOOR` on. Below, it hardly changes; its gradient there is a rise's.

    SiLU itself falls below -1.28. A channel that is mostly off could come to rest there with its sign reversed, and did.
    """
    return F.silu(x).add_(x.clamp(min=FLOOR), alpha=SLOPE)


class _Distance(torch.autograd.Function):
    """Of two maps, the squared difference, mean of the cells and sum of the channels by their weight; few passes over memory."""

    @staticmethod
    def forward(ctx: FunctionCtx, own: Tensor, told: Tensor, weight: Tensor) -> Tensor:
        difference = rising(own) - rising(told)
        count = own.numel() // own.shape[1]
        ctx.save_for_backward(own, difference, weight / count)
        of_channels = torch.linalg.vector_norm(difference, dim=(0, 2, 3), dtype=torch.float32).square()
        return of_channels @ weight / count

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None]:
        own, difference, weight = ctx.saved_tensors
        scaled = difference * (2 * gradient * weight).to(difference.dtype)[:, None, None]
        return torch.ops.aten.silu_backward(scaled, own).add_(scaled, alpha=SLOPE), None, None


def channel_weights(variance: Tensor) -> Tensor:
    """What the squared error of each channel counts: less in proportion where little varies, and one in all if nothing is explained."""
    weight = 1 / (variance + 0.3 * variance.mean())
    return weight / (weight @ variance)


def maps_loss(made: Maps, told: Maps, weights: Maps) -> list[Tensor]:
    """The part of each map that is not explained: 0 if all is, 1 if its means are told and no more."""
    return [_Distance.apply(made[name], told[name], weights[name]) for name in told]


def _logit(p: Tensor) -> Tensor:
    return torch.logit(p.clamp(1e-4, 1 - 1e-4))


def diou(a: Tensor, b: Tensor, eps: float = 1e-7) -> Tensor:
    """Distance-IoU of corner boxes, pair by pair (Zheng et al., 2020)."""
    low, high = torch.max(a[:, :2], b[:, :2]), torch.min(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(0).prod(1)
    overlap = shared / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared + eps)
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).square().sum(1) + eps
    return overlap - (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]).square().sum(1) / 4 / hull
