"""SOAP, its work shared out among workers that hold the same parameters."""

from typing import Any

import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn


class Share:
    """Steps the parameters that fall to `rank`; every worker must step for all to move.

    Adam in the eigenbasis of the gradients' covariance (Vyas et al., 2024).
    """

    def __init__(self, net: nn.Module, rank: int, workers: int) -> None:
        largest_first = sorted(net.named_parameters(), key=lambda item: -item[1].numel())
        self.own = dict(largest_first[rank::workers])
        self.soap = SOAP(self.own.values(), betas=(0.9, 0.98), shampoo_beta=0.95, weight_decay=1e-4)

    @torch.no_grad()
    def step(self, gradients: dict[str, Tensor], rate: float) -> None:
        for name, p in self.own.items():
            p.grad = gradients[name]
        self.soap.param_groups[0]["lr"] = rate
        self.soap.step()
        for p in self.own.values():
            p.grad = None

    def state(self) -> dict[str, Any]:
        """The steps taken, and of each parameter what belongs to it."""
        group = self.soap.param_groups[0]
        return {"step": group.get("step", 0)} | {name: self.soap.state[p] for name, p in self.own.items() if p in self.soap.state}

    def load(self, state: dict[str, Any]) -> None:
        """Take what belongs to this worker out of the merged state of all."""
        self.soap.param_groups[0]["step"] = state["step"]
        for name, p in self.own.items():
            if name in state:
                self.soap.state[p] = state[name]
