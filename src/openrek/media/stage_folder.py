"""Staging from the embedded storage: the object is a file of this machine already."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openrek.errors import StagingError
from openrek.media.stage import ObjectFacts, Progress, Room, StagedObject, identity, written
from openrek.video import ObjectReference

PIECE = 4 * 1024**2
"""Bytes that are copied at a time."""
ATTEMPTS = 5
"""How often an object may change while it is being staged."""
_FICLONE = 0x40049409
_CANNOT_LINK = frozenset((errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS))


@dataclass(frozen=True, slots=True)
class LocatedFile:
    """The file that holds an object's content, and what the store says of it."""

    path: Path
    etag: str
    size: int
    version: str | None = None


class Locator(Protocol):
    """The embedded storage, as far as staging needs it."""

    def locate(self, reference: ObjectReference) -> LocatedFile:
        """Where an object's content lies; raises `ObjectNotFoundError`."""
        ...


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Stages by sharing the file: as a copy-on-write clone where the file system has them, else as a hard link, else as a copy.

    A clone stays what it was even if someone writes into the object's file. A hard link relies on uploads being renamed into place.
    """

    locator: Locator

    def look(self, reference: ObjectReference) -> ObjectFacts:
        """What is stored there now."""
        located = self.locator.locate(reference)
        return ObjectFacts(identity(reference, located.version, located.etag), located.size, located.etag, located.version)

    def fetch(self, reference: ObjectReference, folder: Path, room: Room, progress: Progress) -> StagedObject:
        """Put the object into a folder; see `ObjectSource`."""
        for _ in range(ATTEMPTS):
            located = self.locator.locate(reference)
            room.check(located.size)
            name = identity(reference, located.version, located.etag)
            path = folder / name
            progress(0, located.size)
            try:
                with written(path, located.size, room) as part:
                    if not _shared(located.path, part):
                        room.check_disk(located.size, folder)
                        _copy(located, part, progress)
                    # It may have been replaced meanwhile, by a rename; what was shared or copied is then another object, or a mixture.
                    if self.locator.locate(reference) != located or part.stat().st_size != located.size:
                        raise FileNotFoundError(errno.ENOENT, "the object has changed")
            except FileNotFoundError:
                continue
            except StagingError:
                raise
            except OSError as error:
                raise StagingError(f"The object could not be read: {error.strerror or error}.") from error
            progress(located.size, located.size)
            return StagedObject(path, name, located.size)
        raise StagingError("The object was replaced again and again while it was read. Start again when it stays the same.")


def _shared(source: Path, part: Path) -> bool:
    """Make `part` the same file as `source`, or a clone of it, if the file system can."""
    if sys.platform == "linux":
        with source.open("rb") as original, part.open("wb") as clone:
            try:
                fcntl.ioctl(clone.fileno(), _FICLONE, original.fileno())
            except OSError:
                cloned = False
            else:
                cloned = True
        if cloned:
            return True
        part.unlink()
    try:
        os.link(source, part)
    except OSError as error:
        if error.errno in _CANNOT_LINK:
            return False
        raise
    return True


def _copy(located: LocatedFile, part: Path, progress: Progress) -> None:
    done = 0
    with located.path.open("rb") as source, part.open("wb") as target:
        while piece := source.read(PIECE):
            target.write(piece)
            done += len(piece)
            progress(min(done, located.size), located.size)
