"""Files that are whole or not there: written aside, flushed, renamed into place."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openrek.clock import Clock

READ_BYTES = 1 << 20
_COPY_BYTES = 1 << 30
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_KERNEL_COPY = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}


class Draft:
    """A file that is being written and that nobody sees until it is renamed.

    A write may still run in a thread when its request is cancelled: `close` waits for it, so that the descriptor, which the
    system may give to another file at once, is not written to any more.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def write(self, block: bytes | bytearray) -> None:
        """Append."""
        with self._lock:
            view = memoryview(block)
            while view:
                written = os.pwrite(self._open(), view, self.size)
                self.size += written
                view = view[written:]

    def append(self, source: int, offset: int, length: int) -> None:
        """Append a range of another open file: in the kernel if it can, without copying on file systems that share blocks.

        Raises
        ------
        EOFError
            The source is shorter than that.
        """
        with self._lock:
            while length:
                copied = _copy(source, self._open(), offset, self.size, length)
                if not copied:
                    raise EOFError(f"{length} bytes are missing")
                self.size += copied
                offset += copied
                length -= copied

    def blocks(self) -> Iterator[bytes]:
        """What has been written so far."""
        return read_blocks(self._open())

    def finish(self, modified_ns: int | None = None, *, flush: bool = True) -> int:
        """Date the file, flush it to the disk and close it; the date as the file system keeps it, in nanoseconds."""
        with self._lock:
            if modified_ns is not None:
                os.utime(self._open(), ns=(modified_ns, modified_ns))
            if flush:
                os.fsync(self._open())
            kept = os.fstat(self._open()).st_mtime_ns
            os.close(self._descriptor)
            self._descriptor = -1
        return kept

    def close(self) -> None:
        """Close the file if it is open, and remove it if it still lies where it was written."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> int:
        if self._descriptor < 0:
            raise ValueError("the file is closed")
        return self._descriptor


class Stamps:
    """Dates for files: now, and never the same twice, so that size and date tell any two contents of a key apart."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """Nanoseconds since 1970."""
        with self._lock:
            self._last = max(self._last + 1, self.clock.now() * 1_000_000 + secrets.randbelow(1_000_000))
            return self._last


class Scratch:
    """The folder of what is not finished yet, on the file system of what it becomes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def draft(self) -> Draft:
        """Begin a file."""
        try:
            return Draft(self.path())
        except FileNotFoundError:
            make_folder(self.folder)
            return Draft(self.path())

    def path(self) -> Path:
        """A name that nothing has yet."""
        return self.folder / secrets.token_hex(16)

    def write_json(self, path: Path, value: Any) -> None:
        """Write or replace a file: whatever happens, it has the old content or the new one."""
        with self.draft() as draft:
            draft.write(json.dumps(value, separators=(",", ":")).encode())
            draft.finish()
            try:
                os.replace(draft.path, path)
            except FileNotFoundError:
                make_folder(path.parent)
                os.replace(draft.path, path)
        flush_folder(path.parent)

    def discard(self, folder: Path) -> None:
        """Remove a folder with all that is in it: at once, as far as anybody else can see."""
        hidden = self.path()
        try:
            os.rename(folder, hidden)
        except FileNotFoundError:
            return
        flush_folder(folder.parent)
        shutil.rmtree(hidden, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what an earlier process left unfinished. Only the one process that writes may do so, before it begins."""
        make_folder(self.folder)
        for entry in os.scandir(self.folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)


def read_blocks(descriptor: int) -> Iterator[bytes]:
    """The bytes of an open file, from its beginning, a block at a time."""
    offset = 0
    while block := os.pread(descriptor, READ_BYTES, offset):
        offset += len(block)
        yield block


def read_json(path: Path) -> Any:
    """The value in a file; None if there is no such file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each of them on disk before this returns."""
    try:
        os.mkdir(folder)
    except FileExistsError:
        return
    except FileNotFoundError:
        make_folder(folder.parent)
        make_folder(folder)
        return
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on disk; nothing to do where the folder is gone."""
    try:
        descriptor = open_folder(folder)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_folder(name: Path | str, *, at: int | None = None) -> int:
    """Open a folder, relative to an open one; a symbolic link is none."""
    return os.open(name, _FOLDER, dir_fd=at)


def _copy(source: int, destination: int, offset: int, position: int, length: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, destination, min(length, _COPY_BYTES), offset, position)
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
    return os.pwrite(destination, os.pread(source, min(length, READ_BYTES), offset), position)
