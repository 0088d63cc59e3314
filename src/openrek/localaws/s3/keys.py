"""The keys of a bucket in the order of their UTF-8 bytes: those of its folder, those that the folder does not show, and both together.

Each of them answers one question, `ceiling`: which is the first key that is not below a bound? So a listing can leap over all keys
that share a prefix, and reads no more of a large folder than it needs.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openrek.localaws.s3.files import Scratch, flush_folder, read_json
from openrek.localaws.s3.folder import BucketFolder
from openrek.localaws.s3.names import digest, plain_parts


class Keys(Protocol):
    """Keys in order."""

    def ceiling(self, bound: bytes) -> bytes | None:
        """The first key that is not below `bound`; None if there is none. Bounds must not fall from one call to the next."""
        ...


class KeyList:
    """Keys that are all known."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._keys = sorted(keys)

    def ceiling(self, bound: bytes) -> bytes | None:
        """The first key that is not below `bound`."""
        place = bisect_left(self._keys, bound)
        return self._keys[place] if place < len(self._keys) else None


@dataclass(slots=True)
class _Level:
    prefix: bytes
    names: list[bytes]
    next: int = 0


class PlainKeys:
    """The keys of the files in a bucket's folder that begin with a prefix. Folders are read when the walk gets there."""

    def __init__(self, folder: BucketFolder, prefix: bytes) -> None:
        self._folder = folder
        self._levels: list[_Level] = []
        start = prefix[: prefix.rfind(b"/") + 1]
        if not start or plain_parts(start[:-1].decode()) is not None:
            self._enter(start)

    def ceiling(self, bound: bytes) -> bytes | None:
        """The first key that is not below `bound`."""
        while self._levels:
            level = self._levels[-1]
            place = _place(level, bound)
            if place == len(level.names):
                self._levels.pop()
                continue
            name = level.names[place]
            if not name.endswith(b"/"):
                level.next = place
                return level.prefix + name
            level.next = place + 1
            self._enter(level.prefix + name)
        return None

    def _enter(self, prefix: bytes) -> None:
        parts = tuple(prefix.decode().split("/")[:-1])
        self._levels.append(_Level(prefix, self._folder.names(parts)))


def _place(level: _Level, bound: bytes) -> int:
    """Index of the first name of the level under which there may be a key that is not below the bound."""
    if bound <= level.prefix:
        return level.next
    if not bound.startswith(level.prefix):
        return len(level.names)
    rest = bound[len(level.prefix) :]
    place = bisect_left(level.names, rest)
    if place and level.names[place - 1].endswith(b"/") and rest.startswith(level.names[place - 1]):
        place -= 1
    return max(place, level.next)


class HiddenKeys:
    """The keys of which there is more than a plain file: older versions, delete markers, bytes that have no plain path.

    Kept as one small file each, written before there is something to hide and removed after; so it may name a key in vain, but never
    misses one. All are in memory from the first question on.
    """

    def __init__(self, folder: Path, scratch: Scratch) -> None:
        self._folder = folder
        self._scratch = scratch
        self._lock = threading.Lock()
        self._loaded: list[bytes] | None = None

    def ceiling(self, bound: bytes) -> bytes | None:
        """The first key that is not below `bound`."""
        with self._lock:
            keys = self._keys()
            place = bisect_left(keys, bound)
            return keys[place] if place < len(keys) else None

    def add(self, key: str) -> None:
        """Name a key."""
        name = key.encode()
        with self._lock:
            keys = self._keys()
            place = bisect_left(keys, name)
            if place == len(keys) or keys[place] != name:
                self._scratch.write_json(self._folder / digest(key), key)
                insort(keys, name)

    def discard(self, key: str) -> None:
        """Name a key no longer."""
        name = key.encode()
        with self._lock:
            keys = self._keys()
            place = bisect_left(keys, name)
            if place < len(keys) and keys[place] == name:
                (self._folder / digest(key)).unlink(missing_ok=True)
                flush_folder(self._folder)
                del keys[place]

    def forget(self) -> None:
        """Read the files again at the next question."""
        with self._lock:
            self._loaded = None

    def _keys(self) -> list[bytes]:
        if self._loaded is None:
            files = self._folder.iterdir() if self._folder.is_dir() else ()
            self._loaded = sorted(read_json(file).encode() for file in files)
        return self._loaded


class BucketKeys:
    """Every key of a bucket that begins with a prefix and that exists.

    Parameters
    ----------
    folder, hidden
        Where keys come from.
    prefix
        No bound may be below it.
    exists
        Asked of keys that have no plain file.
    """

    def __init__(self, folder: BucketFolder, hidden: HiddenKeys, prefix: bytes, exists: Callable[[str], bool]) -> None:
        self._plain = PlainKeys(folder, prefix)
        self._hidden = hidden
        self._prefix = prefix
        self._exists = exists

    def ceiling(self, bound: bytes) -> bytes | None:
        """The first key that is not below `bound`."""
        plain = self._plain.ceiling(bound)
        while True:
            hidden = self._hidden.ceiling(bound)
            if hidden is None or not hidden.startswith(self._prefix) or (plain is not None and plain <= hidden):
                return plain
            if self._exists(hidden.decode()):
                return hidden
            bound = hidden + b"\0"
