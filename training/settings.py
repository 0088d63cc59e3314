"""What a run is made of; kept beside its result."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SIDES = {256: 8, 320: 6, 416: 4, 512: 2}
"""Pixels of a side, and pictures of that side that a worker takes at once."""

Phase = tuple[float, dict[int, float]]  # until this part of the run, odds of each side

PHASES: tuple[Phase, ...] = (
    (0.35, {256: 0.3, 320: 0.7}),
    (0.7, {256: 0.2, 320: 0.4, 416: 0.4}),
    (1.0, {320: 0.25, 416: 0.65, 512: 0.1}),
)


class Stage(NamedTuple):
    """A stretch of a run: `apart`, `fixed` or `whole`; the steps at which it begins and ends; the highest rate."""

    name: str
    begins: int
    ends: int
    peak: float


@dataclass(frozen=True)
class Settings:
    """A run of `steps` optimiser steps: first each part of the network by itself, then so with fixed normalisation, then the whole.

    In each of the three the rate rises to its peak over `warmup` steps and falls in a line to a hundredth of it.
    """

    steps: int
    apart: float = 0.08  # shares of the steps; what is left is for the whole
    fixed: float = 0.22
    apart_peak: float = 3e-3
    fixed_peak: float = 3e-3
    peak: float = 2e-4
    warmup: int = 100
    seed: int = 0
    workers: int = 2
    averaging: float = 0.999
    maps: float = 1.0  # weight of the maps in the loss; after the parts are taught, it falls with the rate
    leave_out: tuple[str, ...] = ()

    def stage(self, step: int) -> Stage:
        """The stage that a step belongs to."""
        first, second = round(self.apart * self.steps), round((self.apart + self.fixed) * self.steps)
        if step < first:
            return Stage("apart", 0, first, self.apart_peak)
        if step < second:
            return Stage("fixed", first, second, self.fixed_peak)
        return Stage("whole", second, self.steps, self.peak)

    def rate(self, step: int) -> float:
        stage = self.stage(step)
        at, steps = step - stage.begins, stage.ends - stage.begins
        return stage.peak * min(1.0, (at + 1) / self.warmup) * max(0.01, 1 - at / max(steps, 1))

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
