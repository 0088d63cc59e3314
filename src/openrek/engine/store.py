"""Observations and packet indexes as immutable files.

A file's name says what it holds: the video's content, what was observed, and in which chunk. So any worker can write it, the first one
wins, later jobs use it again, and a resumed job continues from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openrek.engine import indexes
from openrek.engine.chunks import Chunk
from openrek.engine.demands import MEDIA_VERSION, Observable
from openrek.engine.tasks import IndexAnswer, VideoLimits


@dataclass(frozen=True, slots=True)
class ObservationStore:
    """Files of observations under `root`, one folder a video."""

    root: Path

    def index_path(self, identity: str, limits: VideoLimits) -> Path:
        """Where the packet index of a video lies that keeps to the limits."""
        name = hashlib.sha256(f"{MEDIA_VERSION} {limits}".encode()).hexdigest()[:32]
        return self._folder(identity) / f"index-{name}"

    def read_index(self, identity: str, limits: VideoLimits) -> IndexAnswer | None:
        """The indexed video, if someone has indexed it."""
        path = self.index_path(identity, limits)
        data = _read(path)
        try:
            return indexes.unpack(data) if data is not None else None
        except ValueError:
            path.unlink(missing_ok=True)
            return None

    def write_index(self, identity: str, limits: VideoLimits, answer: IndexAnswer) -> None:
        """Keep an indexed video."""
        _write(self.index_path(identity, limits), indexes.pack(answer))

    def read(self, identity: str, observable: Observable, chunk: Chunk) -> bytes | None:
        """What was observed in a chunk, if anyone has."""
        return _read(self._path(identity, observable, chunk))

    def has(self, identity: str, observable: Observable, chunk: Chunk) -> bool:
        """Whether someone has observed the chunk."""
        return self._path(identity, observable, chunk).exists()

    def write(self, identity: str, observable: Observable, chunk: Chunk, data: bytes) -> None:
        """Keep what was observed in a chunk; whoever was first keeps the name."""
        _write(self._path(identity, observable, chunk), data)

    def forget(self, identity: str, observable: Observable, chunk: Chunk) -> None:
        """Remove a file that turned out to be unreadable."""
        self._path(identity, observable, chunk).unlink(missing_ok=True)

    def touch(self, identity: str) -> None:
        """Note that a video's observations were used now."""
        folder = self._folder(identity)
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)

    def sweep(self, most_bytes: int, in_use: Callable[[str], bool] = lambda identity: False) -> int:
        """Remove the videos that were used longest ago until `most_bytes` are left.

        Parameters
        ----------
        in_use
            Whether an identity is needed now. It is asked at the last moment: to look through a large store takes a while.

        Returns
        -------
        Bytes that were freed.
        """
        videos = []
        for folder in self.root.glob("??/*"):
            with contextlib.suppress(FileNotFoundError):
                size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
                videos.append((folder.stat().st_mtime_ns, size, folder))
        total, freed = sum(size for _, size, _ in videos), 0
        for _, size, folder in sorted(videos):
            if total - freed <= most_bytes:
                break
            if not in_use(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
                freed += size
        return freed

    def _folder(self, identity: str) -> Path:
        return self.root / identity[:2] / identity

    def _path(self, identity: str, observable: Observable, chunk: Chunk) -> Path:
        return self._folder(identity) / observable.key / f"{chunk.start}-{chunk.end}"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
