"""What a run is made of; kept beside its result."""

import os
from dataclasses import dataclass
from pathlib import Path

SIDES = {256: 10, 320: 6, 416: 4, 512: 2}
"""Pixels of a side, and pictures of that side that a worker takes at once."""

Phase = tuple[float, dict[int, float]]  # until this part of the run, odds of each side

PHASES: tuple[Phase, ...] = (
    (0.35, {256: 0.3, 320: 0.7}),
    (0.7, {256: 0.2, 320: 0.4, 416: 0.4}),
    (1.0, {320: 0.25, 416: 0.65, 512: 0.1}),
)


@dataclass(frozen=True)
class Settings:
    """A run of `steps` optimiser steps; the rate rises to `peak` over `warmup` steps and falls in a line to a hundredth of it."""

    steps: int
    peak: float = 4e-3
    warmup: int = 100
    apart: float = 0.2  # share of the run in which each part of the network is taught by itself
    seed: int = 0
    workers: int = 2
    averaging: float = 0.999
    maps: float = 1.0  # weight of the six maps in the loss; after the parts are taught, it falls with the rate
    leave_out: tuple[str, ...] = ()

    def rate(self, step: int) -> float:
        return self.peak * min(1.0, (step + 1) / self.warmup) * max(0.01, 1 - step / self.steps)

    def taught_apart(self, step: int) -> bool:
        return step < self.apart * self.steps

    def odds(self, step: int) -> dict[int, float]:
        progress = step / self.steps
        return next(odds for until, odds in PHASES if progress < until or until == 1.0)


def shared(*parts: str) -> Path:
    """A path below the folder that `OPENREK_SHARED` names: corpus, teacher, evaluation photographs."""
    try:
        return Path(os.environ["OPENREK_SHARED"], *parts)
    except KeyError:
        raise SystemExit(
            "set OPENREK_SHARED to the folder that holds corpus/, models/yolox-nano/ and media/labels/, or pass the paths"
        ) from None
