"""Where workers stage and sort: each has a folder while it lives, and those of workers that have gone are removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LOCK = "lock"
"""The file that a worker keeps locked in its folder, and whoever adds or removes folders beside them.

The kernel unlocks it when a process ends, however that happens. A process id would not tell: another process may have it by now, and
a process that was killed keeps its own until somebody takes note.
"""


@dataclass(frozen=True, slots=True)
class Scratch:
    """The folder of one worker.

    Attributes
    ----------
    path
        A folder whose name begins with the worker's process id, in the one that all workers share.
    """

    path: Path

    @classmethod
    @contextmanager
    def below(cls, root: Path) -> Iterator[Scratch]:
        """A new folder, removed in the end; before that, what workers that have gone have left."""
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root):
            scratch = cls(Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root)))
            alive = (scratch.path / _LOCK).open("wb")
            fcntl.flock(alive, fcntl.LOCK_EX)
        with alive:
            try:
                scratch.remove_abandoned()
                yield scratch
            finally:
                shutil.rmtree(scratch.path, ignore_errors=True)

    def remove_abandoned(self) -> None:
        """Remove the folders of workers that have gone."""
        root = self.path.parent
        with _locked(root):
            for folder in root.iterdir():
                if folder.is_dir() and folder != self.path and not _is_held(folder):
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    with (root / _LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_held(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False  # whoever made it ended before it had locked anything
    except OSError:
        return True  # or it is not ours, and nobody would be helped by a worker that does not start
    return False
