"""Batches for one worker: pictures that the teacher has answered, each shown a few times."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from training.augment import Painter, colour
from training.grid import mirror
from training.losses import Target
from training.settings import Side
from training.teacher import Answer, Teacher


@dataclass(slots=True)
class Shown:
    """An answered picture at the student's side and how often it is still to be shown."""

    pixels: np.ndarray
    answer: Answer
    left: int


def mirrored(pixels: np.ndarray, answer: Answer, cells: np.ndarray) -> tuple[np.ndarray, Answer]:
    boxes = answer.boxes.copy()
    boxes[:, [0, 2]] = pixels.shape[1] - boxes[:, [2, 0]]
    return pixels[:, ::-1], Answer(answer.sure[cells], cells[answer.at].astype(np.int32), answer.kinds, boxes, answer.hints[cells])


class Feed:
    """Makes batches of one side. A third (at three uses) of each batch is new, the rest was shown before and comes mirrored or
    recoloured.
    """

    def __init__(self, painter: Painter, teacher: Path, side: Side, uses: int, batch: float, kept: int = 240) -> None:
        self.painter, self.side, self.uses, self.kept = painter, side, uses, kept
        self.batch_size = max(2, round(side.batch * batch))
        self.fresh = max(1, round(self.batch_size / uses))
        self.teacher = Teacher(teacher, side.student, side.teacher, self.fresh)
        self.pool: list[Shown] = []
        self.mirror = mirror(side.student)

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Target]:
        again = self.batch_size - self.fresh
        chosen: list[tuple[np.ndarray, Answer]] = []
        while len(chosen) < self.batch_size:
            if len(self.pool) >= self.kept and len(chosen) < again:
                chosen.append(self._again(rng))
            else:
                chosen += self._new(rng)
        return self._stack(chosen[: self.batch_size])

    def _new(self, rng: np.random.Generator) -> list[tuple[np.ndarray, Answer]]:
        pictures = [self.painter.picture(rng, self.side.teacher) for _ in range(self.fresh)]
        answers = self.teacher.answer(pictures)
        small = (self.side.student, self.side.student)
        pixels = [cv2.resize(p.pixels, small, interpolation=cv2.INTER_AREA) for p in pictures]
        if self.uses > 1:
            self.pool += [Shown(p, a, self.uses - 1) for p, a in zip(pixels, answers, strict=True)]
        return list(zip(pixels, answers, strict=True))

    def _again(self, rng: np.random.Generator) -> tuple[np.ndarray, Answer]:
        k = int(rng.integers(len(self.pool)))
        shown = self.pool[k]
        shown.left -= 1
        if not shown.left:
            self.pool[k] = self.pool[-1]
            self.pool.pop()
        pixels, answer = shown.pixels, shown.answer
        if rng.random() < 0.5:
            pixels, answer = mirrored(pixels, answer, self.mirror)
        return (colour(rng, pixels) if rng.random() < 0.5 else pixels), answer

    @staticmethod
    def _stack(chosen: list[tuple[np.ndarray, Answer]]) -> tuple[Tensor, Target]:
        pixels = torch.from_numpy(np.stack([p for p, _ in chosen])).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        answers = [a for _, a in chosen]
        target = Target(
            torch.from_numpy(np.stack([a.sure for a in answers])).float(),
            torch.from_numpy(np.repeat(np.arange(len(answers)), [len(a.at) for a in answers])),
            torch.from_numpy(np.concatenate([a.at for a in answers])).long(),
            torch.from_numpy(np.concatenate([a.kinds for a in answers])).float(),
            torch.from_numpy(np.concatenate([a.boxes for a in answers])).float(),
            torch.from_numpy(np.stack([a.hints for a in answers])).float(),
        )
        return pixels.float().div_(64), target
