"""Teach the detector its teacher's map: python -m training.train RUN_FOLDER --steps N

The run folder holds the checkpoint; the same command continues a run that was stopped at any moment. Each worker is one process with one
thread: it makes its pictures, asks the teacher, computes its gradient, and steps its share of the parameters, which all workers hold in
common.
"""

import argparse
import ctypes
import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from torch import Tensor, nn

from training.augment import Painter
from training.corpus import odds, read
from training.exported import load_exported
from training.feed import Feed
from training.losses import MapLoss, Target, channel_weights, maps_loss, rising
from training.network import CHANNELS, Convolution, Detector, Maps, Reading
from training.optimiser import Share
from training.settings import SIDES, Settings, Stage, shared
from training.teacher import Teacher

SAVE_EVERY = 200  # steps, some two minutes
MEASURED = 24  # pictures on which the teacher's maps are measured, and normalisation for weights out of an exported file


@dataclasses.dataclass(slots=True)
class Common:
    """What the workers share: parameters, their running mean, a row of gradients each, where they meet, what a map's channels count."""

    net: Detector
    mean: Detector
    gradients: Tensor
    meet: Barrier
    weights: Maps


def slices(net: nn.Module) -> Iterator[tuple[str, slice, torch.Size]]:
    at = 0
    for name, p in net.named_parameters():
        yield name, slice(at, at + p.numel()), p.shape
        at += p.numel()


def load_weights(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Raises ValueError if the weights are another network's."""
    if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in net.state_dict().items()}:
        raise ValueError("the weights of another network; the commit that made them can read them")
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})


def checkpoint(folder: Path) -> Path | None:
    """What a run has saved last."""
    return next((path for path in (folder / "checkpoint", folder / "checkpoint.old") if path.exists()), None)


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Keep what a run is made of, and tell what of it was otherwise when the run was last continued."""
    text = json.dumps(settings, indent=1)
    now, before = json.loads(text), json.loads(path.read_text()) if path.exists() else {}
    for name in before:
        if before[name] != now.get(name):
            print(f"from here on {name} is {now.get(name)}, no longer {before[name]}", flush=True)
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


class Worker:
    """One of the processes that train together."""

    def __init__(self, rank: int, settings: Settings, folder: Path, teacher: Path, painter: Painter, common: Common) -> None:
        self.rank, self.settings, self.folder, self.teacher, self.painter, self.common = rank, settings, folder, teacher, painter, common
        self.feeds: dict[int, Feed] = {}
        self.loss = MapLoss()
        self.optimiser = Share(common.net, rank, settings.workers)
        self.where = {name: (where, shape) for name, where, shape in slices(common.net)}
        self.step = 0
        self._resume()

    def run(self) -> None:
        shown, began, parts = np.zeros(3 + len(CHANNELS)), time.monotonic(), np.zeros(3)
        common, settings = self.common, self.settings
        pixels_seen, start = 0, self.step
        while self.step < settings.steps:
            self._enter(settings.stage(self.step))
            t0 = time.monotonic()
            side, batch, target = self._batch()
            t1 = time.monotonic()
            value, told = self._loss(side, batch, target)
            common.net.zero_grad()
            value.backward()
            t2 = time.monotonic()
            for name, p in common.net.named_parameters():
                common.gradients[self.rank, self.where[name][0]] = p.grad.flatten() if p.grad is not None else 0
            common.meet.wait()
            self._update()
            common.meet.wait()
            self.step += 1
            parts += np.array([t1 - t0, t2 - t1, time.monotonic() - t2])
            shown += max(0.02, 1 / (self.step - start)) * (np.array(told) - shown)
            pixels_seen += batch.shape[0] * side * side * settings.workers
            if self.rank == 0 and self.step % 50 == 0:
                taken = time.monotonic() - began
                shares = " ".join(f"{name} {part / taken:.2f}" for name, part in zip(("feed", "net", "meet"), parts, strict=True))
                rates = f"{pixels_seen / 1e6 / taken:.2f} Mpixel/s {shares}"
                losses = " ".join(f"{v:.3f}" for v in shown[:3]) + " maps " + " ".join(f"{v:.2f}" for v in shown[3:])
                where = f"{self.step}/{settings.steps} {settings.stage(self.step - 1).name}"
                print(f"{where} rate {settings.rate(self.step):.5f} losses {losses} {rates}", flush=True)
                began, parts, pixels_seen = time.monotonic(), np.zeros(3), 0
            if self.step % SAVE_EVERY == 0 or self.step == settings.steps:
                self._save()

    def _enter(self, stage: Stage) -> None:
        """Begin or go on with a stage. The second and the third begin with the mean of the weights, statistics of normalisation and all."""
        net, mean = self.common.net, self.common.mean
        net.train(stage.name == "apart")
        for module in net.modules():
            if isinstance(module, Convolution):
                module.rounded = stage.name == "whole"
        if self.step != stage.begins:
            return
        self.optimiser = Share(net, self.rank, self.settings.workers)
        self.common.meet.wait()
        if stage.name != "apart":
            net.load_state_dict(mean.state_dict())
        self.common.meet.wait()

    def _loss(self, side: int, batch: Tensor, target: Target) -> tuple[Tensor, list[float]]:
        """The loss, and its parts to show."""
        common, net, settings = self.common, self.common.net, self.settings
        stage = settings.stage(self.step)
        apart = stage.name != "whole"
        with torch.autocast("cpu", torch.bfloat16):
            made, kinds, places = net.apart(batch, target.maps) if apart else net.together(batch)
        value, told = self.loss(kinds, places, target, side)
        maps = maps_loss(made, target.maps, common.weights)
        weight = settings.maps * (1.0 if apart else settings.rate(self.step) / stage.peak)
        return value + weight * torch.stack(maps).sum(), [*told, *(m.item() for m in maps)]

    def _batch(self) -> tuple[int, Tensor, Target]:
        settings = self.settings
        odds = settings.odds(self.step)
        side = int(np.random.default_rng([settings.seed, self.step]).choice(list(odds), p=list(odds.values())))
        if side not in self.feeds:
            self.feeds[side] = Feed(self.painter, self.teacher, side, SIDES[side])
        batch, target = self.feeds[side].batch(np.random.default_rng([settings.seed, self.step, self.rank]))
        return side, batch, target

    @torch.no_grad()
    def _update(self) -> None:
        common = self.common
        gradients = {}
        for name in self.optimiser.own:
            where, shape = self.where[name]
            gradients[name] = common.gradients[:, where].mean(0).view(shape)
        self.optimiser.step(gradients, self.settings.rate(self.step))
        at = self.step - self.settings.stage(self.step).begins
        weight = 1 - min(self.settings.averaging, (1 + at) / (20 + at))
        means = dict(common.mean.named_parameters())
        for name, p in self.optimiser.own.items():
            means[name].lerp_(p, weight)
        if self.rank == 0:
            for a, b in zip(common.mean.buffers(), common.net.buffers(), strict=True):
                a.lerp_(b, weight) if a.is_floating_point() else a.copy_(b)

    def _save(self) -> None:
        new, old, current = (self.folder / name for name in ("checkpoint.new", "checkpoint.old", "checkpoint"))
        if self.rank == 0:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
        self.common.meet.wait()
        torch.save(self.optimiser.state(), new / f"optimiser.{self.rank}.pt")
        if self.rank == 0:
            torch.save({"step": self.step, "net": self.common.net.state_dict(), "mean": self.common.mean.state_dict()}, new / "state.pt")
            half = {k: v.half() if v.is_floating_point() else v for k, v in self.common.mean.state_dict().items()}
            torch.save(half, new / "mean.pt")
        self.common.meet.wait()
        if self.rank == 0:
            shutil.rmtree(old, ignore_errors=True)
            if current.exists():
                current.rename(old)
            new.rename(current)

    def _resume(self) -> None:
        found = checkpoint(self.folder)
        if found is None:
            return
        state = torch.load(found / "state.pt", weights_only=True)
        self.step = state["step"]
        load_weights(self.common.net, state["net"])
        load_weights(self.common.mean, state["mean"])
        merged: dict[str, Any] = {}
        for shard in sorted(found.glob("optimiser.*.pt")):
            merged |= torch.load(shard, weights_only=True)
        self.optimiser.load(merged)
        if self.rank == 0:
            print(f"continuing at step {self.step}", flush=True)


@torch.no_grad()
def begin(net: Detector, teacher: Path, pictures: list[np.ndarray]) -> Maps:
    """Let what each part makes begin with the mean and the deviation of the teacher's map before its SiLU; what a map's channels count.

    From 0 and 1 it is a long way to a channel that is nearly always off.
    """
    images = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
    weights = {}
    for name, told in Teacher(teacher, images.shape[-1], len(images)).maps(images).items():
        before = torch.from_numpy(told)
        ((_, normalisation, _),) = (module for module in net.parts[name].modules() if isinstance(module, Reading))
        normalisation.weight.copy_(before.std((0, 2, 3)))
        normalisation.bias.copy_(before.mean((0, 2, 3)))
        weights[name] = channel_weights(rising(before).var((0, 2, 3)))
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--apart", type=float, default=Settings.apart, help="share of the steps in which each part is taught by itself")
    parser.add_argument("--fixed", type=float, default=Settings.fixed, help="share of the steps thereafter with fixed normalisation")
    parser.add_argument("--peak", type=float, default=Settings.peak, help="highest rate of the whole")
    parser.add_argument("--maps", type=float, default=Settings.maps)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--workers", type=int, default=Settings.workers)
    parser.add_argument("--leave-out", nargs="*", default=[], help="sources of the corpus")
    parser.add_argument("--start", type=Path, help="weights to begin from: mean.pt of another run, or an exported file")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="further folders in the corpus's form: training.gather makes them")
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--pid-file", type=Path)
    args = parser.parse_args()
    if min(args.apart, args.fixed) < 0 or args.apart + args.fixed > 1:
        parser.error("--apart and --fixed are shares of the steps: from 0 up, and together at most 1")
    settings = Settings(
        args.steps,
        apart=args.apart,
        fixed=args.fixed,
        peak=args.peak,
        maps=args.maps,
        seed=args.seed,
        workers=args.workers,
        leave_out=tuple(args.leave_out),
    )
    teacher = args.teacher or shared("models", "yolox-nano", "yolox_nano.onnx")
    torch.manual_seed(settings.seed)
    net = Detector()
    saved = checkpoint(args.folder)
    if saved:
        try:
            load_weights(net, torch.load(saved / "state.pt", weights_only=True)["net"])
        except ValueError as error:
            parser.error(f"{args.folder} holds {error}; name another folder")
    args.folder.mkdir(parents=True, exist_ok=True)
    sources = {"start": args.start and str(args.start), "more": [str(folder) for folder in args.more]}
    write_settings(args.folder / "settings.json", dataclasses.asdict(settings) | sources)
    if args.pid_file:
        args.pid_file.write_text(str(os.getpid()))

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    photographs = read(args.corpus or shared("corpus"), leave_out=frozenset(settings.leave_out), held_out=False)
    photographs += [p for folder in args.more for p in read(folder, leave_out=frozenset(settings.leave_out))]
    print(f"{len(photographs)} photographs", flush=True)
    painter = Painter(photographs, odds(photographs))
    weights = begin(net, teacher, [painter.picture(np.random.default_rng([settings.seed, k]), 320).pixels for k in range(MEASURED)])
    try:
        if args.start and args.start.suffix == ".onnx":
            pictures = [painter.picture(np.random.default_rng([settings.seed, k]), 416).pixels for k in range(MEASURED)]
            shown = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 64
            load_exported(net, onnx.load(str(args.start)), shown)
        elif args.start:
            load_weights(net, torch.load(args.start, weights_only=True))
    except (OSError, ValueError) as error:
        parser.error(f"--start {args.start}: {error}")
    mean = Detector()
    mean.load_state_dict(net.state_dict())
    for p in net.parameters():  # not its buffers: each worker normalises by its own pictures
        p.data = p.data.contiguous().share_memory_()
    mean.share_memory()
    size = sum(p.numel() for p in net.parameters())
    print(f"{size:,} parameters", flush=True)
    context = multiprocessing.get_context("fork")
    common = Common(net, mean, torch.zeros(settings.workers, size).share_memory_(), context.Barrier(settings.workers), weights)

    def work(rank: int) -> None:
        if rank:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no worker outlives the first
        Worker(rank, settings, args.folder, teacher, painter, common).run()

    others = [context.Process(target=work, args=(rank,), daemon=True) for rank in range(1, settings.workers)]
    for other in others:
        other.start()
    work(0)
    for other in others:
        other.join()


if __name__ == "__main__":
    main()
