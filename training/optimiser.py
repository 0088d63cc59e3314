"""AdamW, its work shared out among workers that hold the same parameters."""

import torch
from torch import Tensor, nn


class Share:
    """Steps the parameters that fall to `rank`; every worker must step for all to move."""

    def __init__(self, net: nn.Module, rank: int, workers: int) -> None:
        largest_first = sorted(net.named_parameters(), key=lambda item: -item[1].numel())
        self.own = dict(largest_first[rank::workers])
        self.adam = torch.optim.AdamW(list(self.own.values()), lr=1.0, betas=(0.9, 0.98), weight_decay=1e-4)

    @torch.no_grad()
    def step(self, gradients: dict[str, Tensor], rate: float) -> None:
        for name, p in self.own.items():
            p.grad = gradients[name]
        self.adam.param_groups[0]["lr"] = rate
        self.adam.step()
        for p in self.own.values():
            p.grad = None

    def state(self) -> dict[str, dict[str, Tensor]]:
        return {n: {k: v.clone() for k, v in self.adam.state[p].items()} for n, p in self.own.items() if p in self.adam.state}

    def load(self, state: dict[str, dict[str, Tensor]]) -> None:
        """Take what belongs to this worker out of the merged state of all."""
        for name, p in self.own.items():
            if name in state:
                self.adam.state[p] = {k: v.clone() for k, v in state[name].items()}
