"""Batches for one worker: pictures, and what the teacher answers."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.augment import Painter
from training.losses import Target
from training.teacher import Teacher


class Feed:
    """Makes batches of one side, every picture new."""

    def __init__(self, painter: Painter, teacher: Path, side: int, batch: int) -> None:
        self.painter, self.side, self.batch_size = painter, side, batch
        self.teacher = Teacher(teacher, side, batch)

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Target]:
        """(batch, 3, side, side) as `Detector` takes it, channels last, and what it is to answer."""
        pictures = [self.painter.picture(rng, self.side) for _ in range(self.batch_size)]
        images = np.stack([p.pixels for p in pictures]).astype(np.float32).transpose(0, 3, 1, 2)
        answers, maps = self.teacher.answer(images, [p.human for p in pictures])
        target = Target(
            torch.from_numpy(np.stack([a.sure for a in answers])),
            torch.from_numpy(np.repeat(np.arange(len(answers)), [len(a.at) for a in answers])),
            torch.from_numpy(np.concatenate([a.at for a in answers])),
            torch.from_numpy(np.concatenate([a.kinds for a in answers])),
            torch.from_numpy(np.concatenate([a.boxes for a in answers])),
            {n: torch.from_numpy(m).to(torch.bfloat16, memory_format=torch.channels_last) for n, m in maps.items()},
        )
        return torch.from_numpy(images).div(64), target
