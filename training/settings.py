"""What a run is made of; kept beside its result."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Side:
    """Pixels that the student and the teacher see of one picture, and pictures a worker takes at once."""

    student: int
    teacher: int
    batch: int


SIDES: dict[int, Side] = {
    s.student: s for s in (Side(192, 256, 48), Side(256, 352, 28), Side(320, 416, 18), Side(416, 416, 10), Side(512, 512, 7))
}

Phase = tuple[float, dict[int, float]]  # until this part of the run, odds of each side

PHASES: tuple[Phase, ...] = (
    (0.5, {192: 0.35, 256: 0.40, 320: 0.25}),
    (0.8, {256: 0.25, 320: 0.40, 416: 0.35}),
    (1.0, {320: 0.20, 416: 0.40, 512: 0.40}),
)

FINE: tuple[Phase, ...] = (
    (0.7, {256: 0.30, 320: 0.35, 416: 0.35}),
    (1.0, {320: 0.30, 416: 0.70}),
)

FURTHER: tuple[Phase, ...] = (
    (0.5, {256: 0.35, 320: 0.30, 416: 0.15, 512: 0.20}),
    (1.0, {256: 0.15, 320: 0.35, 416: 0.10, 512: 0.40}),
)

SCHEDULES: dict[str, tuple[Phase, ...]] = {"whole": PHASES, "fine": FINE, "further": FURTHER}


@dataclass(frozen=True)
class Settings:
    """A run of `steps` optimiser steps; the rate rises to `peak` over `warmup` steps and falls in a line to a hundredth of it."""

    steps: int
    peak: float = 0.7
    warmup: int = 150
    schedule: str = "whole"
    seed: int = 0
    workers: int = 2
    uses: int = 3  # how often an answered picture is shown
    batch: float = 0.5  # share of each side's `batch`
    averaging: float = 0.999
    hint: float = 1.0  # weight of the hints in the loss at the beginning; it falls with the rate
    leave_out: tuple[str, ...] = ()

    def rate(self, step: int) -> float:
        return self.peak * min(1.0, (step + 1) / self.warmup) * max(0.01, 1 - step / self.steps)

    def odds(self, step: int) -> dict[int, float]:
        progress = step / self.steps
        return next(odds for until, odds in SCHEDULES[self.schedule] if progress < until or until == 1.0)


def shared(*parts: str) -> Path:
    """A path below the folder that `OPENREK_SHARED` names: corpus, teacher, evaluation photographs."""
    try:
        return Path(os.environ["OPENREK_SHARED"], *parts)
    except KeyError:
        raise SystemExit(
            "set OPENREK_SHARED to the folder that holds corpus/, models/yolox-nano/ and media/labels/, or pass the paths"
        ) from None
