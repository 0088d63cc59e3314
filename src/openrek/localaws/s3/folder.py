"""The folder of a bucket: each regular file in it is an object, whoever put it there.

Symbolic links, to files or to folders, are not followed and are no objects, so no key reaches a file outside. Folders are opened one
inside the other, by descriptor, so that a link that is put there meanwhile changes nothing.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from openrek.localaws.s3.errors import no_such_bucket
from openrek.localaws.s3.files import flush_folder, open_folder
from openrek.localaws.s3.names import plain_parts

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_PROBE = "Probe-\u00e9"
# A file or a link stands where a folder would; or the file system has shorter names, or other ones, than most.
_IN_THE_WAY = {errno.ENOTDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.EILSEQ}
_ABSENT = {errno.ENOENT, errno.ENXIO, *_IN_THE_WAY}


class BucketFolder:
    """Objects at their plain paths.

    Parameters
    ----------
    root
        The folder; it may come and go.
    exact
        Whether the file system keeps every name as it is written: neither case nor Unicode form are folded.
    """

    def __init__(self, root: Path, *, exact: bool = True) -> None:
        self.root = root
        self._exact = exact
        self.changing = threading.RLock()
        """Held while folders are made or removed, and while the bucket itself is removed."""

    def exists(self) -> bool:
        """Whether there is such a bucket."""
        try:
            return stat.S_ISDIR(os.lstat(self.root).st_mode)
        except FileNotFoundError:
            return False

    def path(self, key: str) -> Path:
        """Where the file of a key with a plain path would lie."""
        return self.root / key

    def look(self, key: str) -> os.stat_result | None:
        """Facts of the key's plain file; None if there is none."""
        with self._parent(key) as found:
            if found is None:
                return None
            parent, name = found
            try:
                facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise
            return facts if stat.S_ISREG(facts.st_mode) and self._is_spelled(parent, name) else None

    def open(self, key: str) -> int | None:
        """A descriptor for reading the key's plain file; None if there is none."""
        with self._parent(key) as found:
            if found is None:
                return None
            parent, name = found
            try:
                descriptor = os.open(name, _READ, dir_fd=parent)
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise
            if stat.S_ISREG(os.fstat(descriptor).st_mode) and self._is_spelled(parent, name):
                return descriptor
            os.close(descriptor)
            return None

    def place(self, source: Path, key: str) -> bool:
        """Rename a file to the key's plain path, in place of the file that is there; False if no file can be there.

        None can be there if the key has no plain path, if a folder with something in it has that name, if one of the folders on the
        way is a file or a link, or if the file system takes no such names.

        Raises
        ------
        ServiceError
            The bucket is gone.
        """
        parts = plain_parts(key)
        if parts is None:
            return False
        with self.changing:
            parent = self._make_parents(parts[:-1])
            if parent is None:
                return False
            try:
                return self._replace(source, parts[-1], parent)
            finally:
                os.close(parent)

    def take(self, key: str, destination: Path) -> None:
        """Move the key's plain file away. The folders stay: `prune` is for those that are empty then."""
        with self._parent(key) as found:
            if found is not None:
                parent, name = found
                with suppress(FileNotFoundError):
                    os.rename(name, destination, src_dir_fd=parent)
                os.fsync(parent)

    def remove(self, key: str) -> None:
        """Remove the key's plain file, and with it the folders that this leaves empty."""
        with self.changing:
            with self._parent(key) as found:
                if found is not None:
                    parent, name = found
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=parent)
            self.prune(key)

    def prune(self, key: str) -> None:
        """Remove the folders of a plain path that have nothing in them."""
        if plain_parts(key) is None:
            return
        with self.changing:
            folder = self.path(key).parent
            while folder != self.root:
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    pass
                except OSError:
                    break
                folder = folder.parent
            flush_folder(folder)

    def names(self, folders: tuple[str, ...]) -> list[bytes]:
        """What lies in one folder, in the order of their keys: names of files, and names of folders with a slash behind them.

        Names that are not UTF-8 are left out: no key can say them.
        """
        descriptor = self._descend(folders)
        if descriptor is None:
            return []
        try:
            with os.scandir(descriptor) as entries:
                return sorted(_names(entries))
        finally:
            os.close(descriptor)

    @contextmanager
    def _parent(self, key: str) -> Iterator[tuple[int, str] | None]:
        parts = plain_parts(key)
        descriptor = None if parts is None else self._descend(parts[:-1])
        if parts is None or descriptor is None:
            yield None
            return
        try:
            yield descriptor, parts[-1]
        finally:
            os.close(descriptor)

    def _descend(self, folders: tuple[str, ...]) -> int | None:
        try:
            descriptor = open_folder(self.root)
        except (FileNotFoundError, NotADirectoryError):
            return None
        for name in folders:
            try:
                below = self._open_below(descriptor, name)
            except FileNotFoundError:
                below = None
            finally:
                os.close(descriptor)
            if below is None:
                return None
            descriptor = below
        return descriptor

    def _make_parents(self, folders: tuple[str, ...]) -> int | None:
        try:
            descriptor = open_folder(self.root)
        except (FileNotFoundError, NotADirectoryError):
            raise no_such_bucket(self.root.name) from None
        for name in folders:
            try:
                below = self._open_or_make(descriptor, name)
            finally:
                os.close(descriptor)
            if below is None:
                return None
            descriptor = below
        return descriptor

    def _open_or_make(self, parent: int, name: str) -> int | None:
        with suppress(FileNotFoundError):
            return self._open_below(parent, name)
        os.mkdir(name, dir_fd=parent)
        os.fsync(parent)
        return self._open_below(parent, name)

    def _open_below(self, parent: int, name: str) -> int | None:
        if not self._is_spelled(parent, name):
            return None
        try:
            return open_folder(name, at=parent)
        except OSError as error:
            if error.errno in _IN_THE_WAY:
                return None
            raise

    def _replace(self, source: Path, name: str, parent: int) -> bool:
        if not self._is_spelled(parent, name):
            return False
        try:
            os.replace(source, name, dst_dir_fd=parent)
        except IsADirectoryError:
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError:
                return False
            os.replace(source, name, dst_dir_fd=parent)
        except OSError as error:
            if error.errno in _IN_THE_WAY:
                return False
            raise
        os.fsync(parent)
        return True

    def _is_spelled(self, parent: int, name: str) -> bool:
        """Whether this name means itself here, and not a file whose name differs in case or in Unicode form."""
        if self._exact or name in os.listdir(parent):
            return True
        try:
            os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return True
        return False


def _names(entries: Iterable[os.DirEntry[str]]) -> Iterator[bytes]:
    for entry in entries:
        try:
            name = entry.name.encode()
        except UnicodeEncodeError:
            continue
        if entry.is_file(follow_symlinks=False):
            yield name
        elif entry.is_dir(follow_symlinks=False):
            yield name + b"/"


def lay_probe(folder: Path) -> None:
    """Lay the file by which `keeps_names` finds out."""
    (folder / _PROBE).touch()


def keeps_names(folder: Path) -> bool:
    """Whether a file system keeps every name as it is written, or takes names that differ in case or Unicode form for one."""
    return not any((folder / other).exists() for other in (_PROBE.swapcase(), unicodedata.normalize("NFD", _PROBE)))
