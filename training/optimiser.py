"""Muon for the inner convolutions, AdamW for the rest, shared out among workers that hold the same parameters."""

import torch
from torch import Tensor, nn

OUTER = ("detector.stem", "detector.head.classes", "detector.head.places")  # the first and the last layers, which Muon does not suit


def orthogonal(gradient: Tensor, steps: int = 4) -> Tensor:
    """The nearest semi-orthogonal matrix, by Newton–Schulz steps (Muon: Jordan et al., 2024)."""
    x = gradient.reshape(len(gradient), -1).bfloat16()
    turned = x.shape[0] > x.shape[1]
    x = x.T if turned else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return (x.T if turned else x).float().reshape(gradient.shape)


class Muon:
    """Steps the parameters that fall to `rank`; every worker must step for all to move.

    `rate` scales both halves: 1 is 0.02 for Muon and 2e-3 for AdamW.
    """

    def __init__(self, net: nn.Module, rank: int, workers: int) -> None:
        named = list(net.named_parameters())
        inner = [(n, p) for n, p in named if p.ndim == 4 and not n.startswith(OUTER)]
        outer = [(n, p) for n, p in named if p.ndim != 4 or n.startswith(OUTER)]
        load = [0.0] * workers
        self.inner: dict[str, Tensor] = {}
        for name, p in sorted(inner, key=lambda item: -_cost(item[1])):
            least = load.index(min(load))
            load[least] += _cost(p)
            if least == rank:
                self.inner[name] = p
        self.outer: dict[str, Tensor] = dict(outer[rank::workers])
        self.speed = {n: torch.zeros_like(p) for n, p in self.inner.items()}
        self.adam = torch.optim.AdamW(list(self.outer.values()), lr=1.0, betas=(0.9, 0.98), weight_decay=1e-4)

    @property
    def own(self) -> dict[str, Tensor]:
        return self.inner | self.outer

    @torch.no_grad()
    def step(self, gradients: dict[str, Tensor], rate: float) -> None:
        for name, p in self.outer.items():
            p.grad = gradients[name]
        torch.nn.utils.clip_grad_norm_(self.outer.values(), 10.0)
        self.adam.param_groups[0]["lr"] = 2e-3 * rate
        self.adam.step()
        for name, p in self.inner.items():
            g, v = gradients[name], self.speed[name]
            v.mul_(0.95).add_(g)
            p.mul_(1 - 0.006 * rate)
            p.add_(orthogonal(g + 0.95 * v), alpha=-0.02 * rate * max(1.0, p.shape[0] / p[0].numel()) ** 0.5)

    def state(self) -> dict[str, dict[str, Tensor]]:
        adam = {n: {k: v.clone() for k, v in self.adam.state[p].items()} for n, p in self.outer.items() if p in self.adam.state}
        return {"speed": {n: v.clone() for n, v in self.speed.items()}, **{f"adam.{n}": s for n, s in adam.items()}}

    def load(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Take what belongs to this worker out of the merged state of all."""
        for name, v in self.speed.items():
            v.copy_(state["speed"][name])
        for name, p in self.outer.items():
            if f"adam.{name}" in state:
                self.adam.state[p] = {k: v.clone() for k, v in state[f"adam.{name}"].items()}


def _cost(p: Tensor) -> float:
    small, large = sorted((p.shape[0], p[0].numel()))
    return float(small * small * (2 * large + small))
