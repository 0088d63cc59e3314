"""From a stored object to a file on this machine, without ever holding it in memory.

Nothing here opens what it stages: this module runs in the worker, outside the sandbox.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openrek.errors import ObjectTooLargeError, StagingError
from openrek.video import ObjectReference

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and all that there will be; stops the staging by raising, and then nothing is left behind."""

NOT_FOUND = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
"""AWS's words for an object that does not exist or may not be read."""
_DISK_IS_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What the store says of an object.

    Attributes
    ----------
    identity
        Names the content: 64 hexadecimal digits, of bucket, name, and version or else ETag.
    version
        None in a bucket without versions.
    """

    identity: str
    size: int
    etag: str
    version: str | None


@dataclass(frozen=True, slots=True)
class StagedObject:
    """An object as a file of this machine, which whoever had it staged removes."""

    path: Path
    identity: str
    size: int


class ObjectSource(Protocol):
    """Where objects are stored: folders of this machine, or S3."""

    def look(self, reference: ObjectReference) -> ObjectFacts:
        """What is stored there now.

        Raises
        ------
        ObjectNotFoundError
            It does not exist or may not be read.
        StagingError
            The store does not answer.
        """
        ...

    def fetch(self, reference: ObjectReference, folder: Path, room: Room, progress: Progress) -> StagedObject:
        """Put the object into a folder.

        Raises
        ------
        ObjectNotFoundError
            It does not exist or may not be read.
        ObjectTooLargeError
            It is larger than `room` allows.
        StagingError
            There is no room on the disk, or the store stopped answering.
        """
        ...


@dataclass(frozen=True, slots=True)
class Room:
    """What staging may take: bytes of one object (0 is no limit), and bytes of the disk that it must leave free."""

    most: int = 0
    reserve: int = 0

    def check(self, size: int) -> None:
        """Refuse an object that is too large.

        Raises
        ------
        ObjectTooLargeError
        """
        if self.most and size > self.most:
            raise ObjectTooLargeError(f"Video size in bytes: {size} is more than the maximum limit of: {self.most} bytes.")

    def check_disk(self, size: int, folder: Path) -> None:
        """Refuse what would fill the disk.

        Raises
        ------
        StagingError
        """
        free = shutil.disk_usage(folder).free
        if free - size < self.reserve:
            raise self.too_little(size, free)

    def too_little(self, size: int, free: int) -> StagingError:
        """The error that says how much would be needed."""
        return StagingError(
            f"The worker's disk is too full: the video takes {_human(size)}, {_human(self.reserve)} must stay free, "
            f"and only {_human(free)} are free. Make room and start again."
        )


def identity(reference: ObjectReference, version: str | None, etag: str) -> str:
    """A name for the content of an object."""
    stamp = f"version:{version}" if version and version != "null" else f"etag:{etag}"
    return hashlib.sha256("\0".join((reference.bucket, reference.name, stamp)).encode()).hexdigest()


@contextlib.contextmanager
def written(path: Path, size: int, room: Room) -> Iterator[Path]:
    """A place to write to, which becomes `path` when all went well, and vanishes when anything did not.

    Raises
    ------
    StagingError
        The disk is full after all.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        if error.errno in _DISK_IS_FULL:
            raise room.too_little(size, shutil.disk_usage(path.parent).free) from error
        raise
    finally:
        part.unlink(missing_ok=True)


def _human(size: int) -> str:
    """Bytes for people."""
    number, unit = float(max(size, 0)), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:.3g} {unit}" if unit != "bytes" else f"{int(number)} bytes"
