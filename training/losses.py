"""How far the student is from the teacher's map."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.network import cells, corners


@dataclass(frozen=True, slots=True)
class Target:
    """The answers to a batch.

    `sure` (n, cells); of the cells taught in full, `picture` and `cell` (k,), `kinds` (k, 80), `boxes` (k, 4); `maps`, six of (n,
    channels, rows, columns), lifted as the student's are.
    """

    sure: Tensor
    picture: Tensor
    cell: Tensor
    kinds: Tensor
    boxes: Tensor
    maps: list[Tensor]


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


def maps_loss(made: list[Tensor], told: list[Tensor]) -> list[Tensor]:
    """Of each map, the squared difference over the variance of the teacher's channel, mean of the channels: one minus R2."""
    return [
        ((own.float() - other).square().mean((0, 2, 3)) / (other.var((0, 2, 3)) + 1e-3)).mean()
        for own, other in zip(made, told, strict=True)
    ]


def _logit(p: Tensor) -> Tensor:
    return torch.logit(p.clamp(1e-4, 1 - 1e-4))


def diou(a: Tensor, b: Tensor, eps: float = 1e-7) -> Tensor:
    """Distance-IoU of corner boxes, pair by pair (Zheng et al., 2020)."""
    low, high = torch.max(a[:, :2], b[:, :2]), torch.min(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(0).prod(1)
    overlap = shared / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared + eps)
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).square().sum(1) + eps
    return overlap - (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]).square().sum(1) / 4 / hull
