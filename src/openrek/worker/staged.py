"""Where the videos that are being analysed lie on this machine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openrek.engine.store import ObservationStore
from openrek.engine.tasks import ChunkTask, Places, Task
from openrek.errors import StagingError

FindModel = Callable[[str], tuple[Path, ...]]
"""The files of a network by its SHA-256; raises `ModelNotFoundError`."""


@dataclass
class StagedVideos:
    """Finds what tasks name: staged videos, their packet indexes, networks.

    Several passes may hold the same content: they share one file, which goes when the last of them is done.

    Attributes
    ----------
    folder
        Where the files lie, on the file system on which they are staged.
    """

    folder: Path
    observations: ObservationStore
    find_model: FindModel
    _holders: Counter[str] = field(default_factory=Counter, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @contextmanager
    def hold(self, identity: str, path: Path) -> Iterator[None]:
        """Take over a staged file, and have tasks on its content find it."""
        with self._lock:
            if not self._holders[identity]:
                path.replace(self.folder / identity)
            self._holders[identity] += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders[identity] -= 1
                if not self._holders[identity]:
                    del self._holders[identity]
                    (self.folder / identity).unlink()

    def locate(self, task: Task) -> Places:
        """Where the task's things are.

        Raises
        ------
        StagingError
            The video is not here (any more).
        ModelNotFoundError
            A network is not.
        """
        video = self.folder / task.identity
        if not video.exists():
            raise StagingError("The video is no longer staged.")
        index = self.observations.index_path(task.identity, task.limits)
        hashes = {o.model for o in task.observables if o.model is not None} if isinstance(task, ChunkTask) else set()
        return Places(video, index if index.exists() else None, {sha256: self.find_model(sha256) for sha256 in hashes})
