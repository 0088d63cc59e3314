"""Work as picklable values: what is to be looked at, and the answer. No paths, no sessions, no globals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openrek.engine.chunks import Chunk
from openrek.engine.demands import Observable
from openrek.media.packets import PacketIndex
from openrek.observations import Damage, Observations
from openrek.video import ObjectReference, VideoFacts


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What a video may be: seconds, pixels of a frame (0 is no limit), and whether it must be what AWS accepts."""

    seconds: int = 0
    frame_pixels: int = 0
    strict_formats: bool = False


@dataclass(frozen=True, slots=True)
class IndexTask:
    """Demux a video once."""

    object: ObjectReference
    identity: str
    limits: VideoLimits


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """Decode one chunk once and observe all that is asked of it.

    Attributes
    ----------
    identity
        Names the content of the object.
    threads
        Cores that decoding may use; no answer depends on them.
    """

    object: ObjectReference
    identity: str
    limits: VideoLimits
    chunk: Chunk
    observables: tuple[Observable, ...]
    threads: int = 1


Task = IndexTask | ChunkTask


@dataclass(frozen=True, slots=True)
class IndexAnswer:
    """The packets of a video and what is known of it."""

    facts: VideoFacts
    packets: PacketIndex


@dataclass(frozen=True, slots=True)
class ChunkAnswer:
    """What every observable saw in the chunk, by its key, and what of the chunk was damaged."""

    observed: Mapping[str, Observations]
    damage: Damage


@dataclass(frozen=True, slots=True)
class Places:
    """Where the things that a task names lie on this machine.

    Attributes
    ----------
    video
        The staged file.
    index
        The packet index that an `IndexTask` on the same content gave; None if it has not been made.
    models
        The files of every network, by SHA-256.
    """

    video: Path
    index: Path | None
    models: Mapping[str, tuple[Path, ...]]

    def absolute(self) -> Places:
        """The same places for a process that works in another folder."""
        models = {sha256: tuple(path.absolute() for path in paths) for sha256, paths in self.models.items()}
        return Places(self.video.absolute(), self.index.absolute() if self.index else None, models)


Alive = Callable[[], None]
"""Called whenever work goes on; may raise to stop it."""


class Locate(Protocol):
    """Finds on this machine what a task names."""

    def __call__(self, task: Task) -> Places:
        """Where the task's video, packet index and networks lie."""
        ...
