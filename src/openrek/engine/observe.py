"""How a task is answered, in whatever process it runs: decode once, show each frame to all who want it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from openrek.engine.demands import Observable
from openrek.engine.indexes import read_packets
from openrek.engine.tasks import Alive, ChunkAnswer, ChunkTask, IndexAnswer, IndexTask, Places, Task
from openrek.media.frames import Frame, VideoReader
from openrek.media.packets import PacketIndex
from openrek.media.probe import probe
from openrek.media.sound import SoundReader
from openrek.observations import Damage, Observation, Observations
from openrek.timecode import ticks
from openrek.vision.observers import Observer
from openrek.vision.registry import open_observer

MOST_OBSERVERS = 8
"""Observers that stay open: networks are large."""


class Observatory:
    """Answers tasks, and keeps what the next one may need again: the file, its packet index, the networks."""

    def __init__(self) -> None:
        self._observers: OrderedDict[tuple[str, str | None], Observer[Any]] = OrderedDict()
        self._opened: _Opened | None = None

    def __enter__(self) -> Observatory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and the networks."""
        if self._opened is not None:
            self._opened.close()
        for observer in self._observers.values():
            observer.close()
        self._opened = None
        self._observers.clear()

    def lacks(self, task: Task) -> bool:
        """Whether observers must be opened before the task can be answered."""
        return isinstance(task, ChunkTask) and any((o.demand.role, o.model) not in self._observers for o in task.observables)

    def load(self, task: Task, places: Places) -> None:
        """Open what the task lacks, without a look at its video.

        Raises
        ------
        ModelError
            A network cannot be used.
        """
        if isinstance(task, ChunkTask):
            for observable in task.observables:
                self._observer(observable, places)

    def answer(self, task: Task, places: Places, alive: Alive) -> IndexAnswer | ChunkAnswer:
        """Do what the task says.

        Raises
        ------
        VideoError
            The video cannot be read.
        ModelError
            A network cannot be used.
        """
        if isinstance(task, IndexTask):
            limits = task.limits
            probed = probe(places.video, alive, seconds=limits.seconds, frame_pixels=limits.frame_pixels, strict=limits.strict_formats)
            return IndexAnswer(probed.facts, probed.packets)
        return self._observe(task, places, alive)

    def _observe(self, task: ChunkTask, places: Places, alive: Alive) -> ChunkAnswer:
        opened = self._open(task, places)
        seen = [o for o in task.observables if o.demand.sampling.kind != "blocks"]
        watchers = [_Watcher(o, self._observer(o, places), task, opened.packets) for o in seen]
        wanted = np.unique(np.concatenate([watcher.wanted for watcher in watchers])) if watchers else np.zeros(0, np.int64)
        opened.video.damage = Damage()
        for frame in opened.video.frames(wanted, alive):
            for watcher in watchers:
                watcher.show(frame)
            alive()
        observed = {watcher.observable.key: watcher.finish() for watcher in watchers}
        for observable in set(task.observables).difference(seen):
            observed[observable.key] = self._listen(observable, task, opened, places, alive)
        return ChunkAnswer({o.key: observed[o.key] for o in task.observables}, opened.video.damage)

    def _listen(self, observable: Observable, task: ChunkTask, opened: _Opened, places: Places, alive: Alive) -> Observations:
        """Show the blocks of sound that begin in the chunk to an observer."""
        rate = observable.demand.sampling.rate
        assert rate is not None
        observer, packets = self._observer(observable, places), opened.packets
        blocks = packets.blocks_between(task.chunk.start, task.chunk.end, rate)
        heard = [
            Observation(packets.block_pts(block.number, rate), block.number, observer.observe([block.samples])[0])
            for block in opened.sound.blocks(rate, blocks, alive)
        ]
        return Observations.gather(observable.demand.role, heard)

    def _open(self, task: ChunkTask, places: Places) -> _Opened:
        assert places.index is not None
        wanted = (places.video, task.identity, task.threads)
        if self._opened is None or self._opened.names != wanted:
            if self._opened is not None:
                self._opened.close()
            self._opened = None
            packets = read_packets(places.index)
            reader = VideoReader(places.video, packets, threads=task.threads, frame_pixels=task.limits.frame_pixels)
            self._opened = _Opened(wanted, packets, reader)
        return self._opened

    def _observer(self, observable: Observable, places: Places) -> Observer[Any]:
        role, model = observable.demand.role, observable.model
        observer = self._observers.pop((role, model), None)
        if observer is None:
            observer = open_observer(role, model, places.models[model] if model else ())
        self._observers[role, model] = observer
        if len(self._observers) > MOST_OBSERVERS:
            self._observers.popitem(last=False)[1].close()
        return observer


@dataclass
class _Opened:
    """A file that is open."""

    names: tuple[Path, str, int]
    packets: PacketIndex
    video: VideoReader

    @cached_property
    def sound(self) -> SoundReader:
        """The file's sound, for those who ask."""
        return SoundReader(self.names[0], self.packets)

    def close(self) -> None:
        """Close the file."""
        self.video.close()


@dataclass
class _Watcher:
    """One observer of frames at work on one chunk."""

    observable: Observable
    observer: Observer[Any]
    task: ChunkTask
    packets: PacketIndex
    seen: list[Observation] = field(default_factory=list, init=False)
    waiting: list[Frame] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        demand, chunk = self.observable.demand, self.task.chunk
        owned = self.packets.between(chunk.start - ticks(demand.warm_up, self.packets.time_base), chunk.end)
        sampled = self.packets.sampled(demand.sampling)
        self.wanted = sampled[(sampled >= owned.start) & (sampled < owned.stop)]
        self._is_wanted = frozenset(self.wanted.tolist())

    def show(self, frame: Frame) -> None:
        """Let the observer look, if it wants to see this frame."""
        if frame.number in self._is_wanted:
            self.waiting.append(frame)
            if len(self.waiting) >= self.observer.at_once:
                self._look()

    def finish(self) -> Observations:
        """What was seen in the chunk."""
        self._look()
        return Observations.gather(self.observable.demand.role, self.seen)

    def _look(self) -> None:
        columns = self.observer.observe(self.waiting) if self.waiting else []
        for frame, seen in zip(self.waiting, columns, strict=True):
            if frame.pts >= self.task.chunk.start:
                self.seen.append(Observation(frame.pts, frame.number, seen))
        self.waiting = []
