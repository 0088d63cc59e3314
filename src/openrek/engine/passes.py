"""One pass over a video: everything that several jobs want observed, decoded once, chunk by chunk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import cast

from openrek.engine.chunks import Chunk, plan
from openrek.engine.demands import Observable
from openrek.engine.runners import Runner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import Alive, ChunkAnswer, ChunkTask, IndexAnswer, IndexTask, VideoLimits
from openrek.errors import ObservationError
from openrek.observations import Damage, Demand, Observation, Observations
from openrek.video import ObjectReference, VideoFacts

Progress = Callable[[int, int], None]
"""Called with the chunks that are done and the chunks of the video."""


@dataclass(frozen=True, slots=True)
class Video:
    """A video whose packets have been indexed, and how it is cut for work."""

    object: ObjectReference
    identity: str
    limits: VideoLimits
    facts: VideoFacts
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class ObservedVideo:
    """All that was observed of a video, read from the store as streams: one chunk of one demand in memory at a time."""

    video: Video
    store: ObservationStore
    observables: Mapping[Demand, Observable]

    def __call__(self, demand: Demand) -> Iterator[Observation]:
        """Everything that a demand saw, in time order.

        Raises
        ------
        ObservationError
            A file has gone or is damaged; the next pass makes it again.
        """
        observable = self.observables[demand]
        for chunk in self.video.chunks:
            data = self.store.read(self.video.identity, observable, chunk)
            if data is None:
                raise ObservationError(f"the observations of {demand.role} at pts {chunk.start} have gone")
            try:
                batch = Observations.from_bytes(demand.role, data)
            except ObservationError:
                self.store.forget(self.video.identity, observable, chunk)
                raise
            yield from batch


def index(reference: ObjectReference, identity: str, limits: VideoLimits, runner: Runner, store: ObservationStore, alive: Alive) -> Video:
    """The video's facts and chunk plan, from the store or by demuxing it once.

    Raises
    ------
    VideoError
        The file is no video that can be analysed, or it exceeds a limit.
    """
    known = store.read_index(identity, limits)
    if known is None:
        known = cast("IndexAnswer", runner.submit(IndexTask(reference, identity, limits), alive).result())
        store.write_index(identity, limits, known)
    facts, packets = known.facts, known.packets
    return Video(reference, identity, limits, facts, plan(packets.keyframe_pts(), facts.start_pts, packets.end_pts, facts.time_base))


def observe(
    video: Video, observables: Iterable[Observable], runner: Runner, store: ObservationStore, progress: Progress, alive: Alive
) -> tuple[ObservedVideo, Damage]:
    """Have everything observed that the store does not hold yet.

    Parameters
    ----------
    alive
        Called some times a second while chunks are worked on; stops the pass by raising.

    Raises
    ------
    VideoError, ModelError, ChildError
        Of the first chunk that failed; what was observed before stays in the store.
    """
    wanted = tuple(observables)
    store.touch(video.identity)
    todo = [(chunk, tuple(o for o in wanted if not store.has(video.identity, o, chunk))) for chunk in video.chunks]
    todo = [(chunk, missing) for chunk, missing in todo if missing]
    done, total = len(video.chunks) - len(todo), len(video.chunks)
    progress(done, total)
    threads = runner.width if len(todo) == 1 else 1
    waiting = iter([ChunkTask(video.object, video.identity, video.limits, chunk, missing, threads) for chunk, missing in todo])
    stopped = threading.Event()

    def still_wanted() -> None:
        if stopped.is_set():
            raise _StoppedError
        alive()

    running: dict[Future[IndexAnswer | ChunkAnswer], ChunkTask] = {}
    damage = Damage()
    try:
        while True:
            while len(running) < runner.width and (task := next(waiting, None)) is not None:
                running[runner.submit(task, still_wanted)] = task
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                answer = cast("ChunkAnswer", future.result())
                for observable in task.observables:
                    store.write(video.identity, observable, task.chunk, answer.observed[observable.key].to_bytes())
                damage += answer.damage
                done += 1
                progress(done, total)
    finally:
        stopped.set()
        for future in running:
            future.cancel()
        wait(running)
    return ObservedVideo(video, store, {o.demand: o for o in wanted}), damage


class _StoppedError(Exception):
    """Another chunk of the pass has failed."""
