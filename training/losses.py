"""How far the student is from the teacher's map."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.grid import STRIDES
from training.network import cells, corners


@dataclass(frozen=True, slots=True)
class Target:
    """The answers to a batch.

    `sure` (n, cells); of the cells taught in full, `picture` and `cell` (k,), `kinds` (k, 80), `boxes` (k, 4); `hints` (n, cells, 64).
    """

    sure: Tensor
    picture: Tensor
    cell: Tensor
    kinds: Tensor
    boxes: Tensor
    hints: Tensor


class MapLoss:
    """Objectness everywhere; classes and boxes where the teacher sees something, weighted by how sure it is; hints everywhere."""

    def __init__(self, box_weight: float = 2.5, logit_weight: float = 0.2, power: float = 0.7) -> None:
        self.box_weight, self.logit_weight, self.power = box_weight, logit_weight, power
        self._cells: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(
        self, kinds: Tensor, places: Tensor, hints: list[Tensor], target: Target, side: int, hint_weight: float
    ) -> tuple[Tensor, list[float]]:
        """The loss, and its parts (objectness, classes, boxes, hints) to show."""
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
        total = objectness + classes + self.box_weight * placing
        hinting = torch.zeros(())
        if hint_weight:
            hinting = hint_loss(hints, target.hints, side)
            total = total + hint_weight * hinting
        return total, [objectness.item(), classes.item(), placing.item(), hinting.item()]


def hint_loss(maps: list[Tensor], hints: Tensor, side: int) -> Tensor:
    """One minus the correlation of each channel with the teacher's, over all cells of a level (PKD: Cao et al., 2022); the mean of the
    levels.
    """
    losses, at = [], 0
    for own, stride in zip(maps, STRIDES, strict=True):
        count = (side // stride) ** 2
        told = hints[:, at : at + count].reshape(-1, hints.shape[2])
        at += count
        losses.append((_standard(own.float().flatten(2).transpose(1, 2).reshape(-1, own.shape[1])) - _standard(told)).square().mean() / 2)
    return torch.stack(losses).mean()


def _standard(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / (x.std(0) + 1e-4)


def _logit(p: Tensor) -> Tensor:
    return torch.logit(p.clamp(1e-4, 1 - 1e-4))


def diou(a: Tensor, b: Tensor, eps: float = 1e-7) -> Tensor:
    """Distance-IoU of corner boxes, pair by pair (Zheng et al., 2020)."""
    low, high = torch.max(a[:, :2], b[:, :2]), torch.min(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(0).prod(1)
    overlap = shared / ((a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared + eps)
    hull = (torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])).square().sum(1) + eps
    return overlap - (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]).square().sum(1) / 4 / hull
