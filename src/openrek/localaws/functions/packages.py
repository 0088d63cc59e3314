"""Packages of functions: zip files that are kept by their digest, and their contents, unpacked when a function is started.

FOLDER/packages/<sha256>.zip    what was uploaded; the truth
FOLDER/code/<sha256>/           unpacked; can be made again, and is after a restart
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import secrets
import shutil
import stat
import threading
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from openrek.localaws.functions.errors import invalid

LARGEST_UNPACKED = 262_144_000
_LARGEST_LINK = 4096
_LONGEST_NAME = 255
_LONGEST_PATH = 2048


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is kept: digest in hexadecimal, and bytes."""

    sha256: str
    size: int


class Packages:
    """The packages of all functions.

    Parameters
    ----------
    folder
        Where they are kept.

    Attributes
    ----------
    code
        Folder of the unpacked ones.
    """

    def __init__(self, folder: Path) -> None:
        self._packages = folder / "packages"
        self.code = folder / "code"
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make the folders, and forget what a predecessor had unpacked: it may have been interrupted."""
        for folder in (self._packages, self.code):
            folder.mkdir(parents=True, exist_ok=True)
        for found in self.code.iterdir():
            shutil.rmtree(found, ignore_errors=True)

    def keep(self, data: bytes) -> Package:
        """Keep a package; it is on the disk afterwards.

        Raises
        ------
        ServiceError
            It is no zip file, or one that cannot be unpacked.
        """
        check(data)
        package = Package(hashlib.sha256(data).hexdigest(), len(data))
        target = self.path(package.sha256)
        with self._lock:
            if target.exists():
                os.utime(target)  # so that a sweep between this and the function's row leaves it alone
                return package
            self._packages.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f"{secrets.token_hex(8)}.unfinished")
            try:
                with unfinished.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.rename(target)
            except OSError:
                unfinished.unlink(missing_ok=True)
                raise
            _flush(self._packages)
        return package

    def path(self, sha256: str) -> Path:
        """Where a package lies."""
        return self._packages / f"{sha256}.zip"

    def unpacked(self, sha256: str) -> Path:
        """The folder with a package's contents; blocks while they are unpacked."""
        target = self.code / sha256
        with self._lock:
            if not target.exists():
                unfinished = self.code / f"{sha256}.{secrets.token_hex(8)}"
                try:
                    with zipfile.ZipFile(self.path(sha256)) as archive:
                        for member in archive.infolist():
                            _unpack(archive, member, unfinished)
                    unfinished.mkdir(parents=True, exist_ok=True)
                    unfinished.rename(target)
                except BaseException:
                    shutil.rmtree(unfinished, ignore_errors=True)
                    raise
        return target

    def sweep(self, used: Collection[str], before: float) -> None:
        """Remove packages that nothing uses and that were kept before a time (seconds since 1970)."""
        with self._lock:
            for found in self._packages.iterdir():
                if found.stem not in used and found.stat().st_mtime < before:
                    found.unlink(missing_ok=True)
                    shutil.rmtree(self.code / found.stem, ignore_errors=True)


def check(data: bytes) -> None:
    """Refuse what cannot be unpacked, or becomes too large.

    Raises
    ------
    ServiceError
        It cannot.
    """
    if not data:
        raise invalid("Uploaded file must be a non-empty zip")
    with _as_service_error(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        if not members:
            raise invalid("Uploaded file must be a non-empty zip")
        if sum(member.file_size for member in members) > LARGEST_UNPACKED:
            raise invalid(f"Unzipped size must be smaller than {LARGEST_UNPACKED} bytes")
        files = {os.path.normpath(member.filename) for member in members if not member.is_dir()}
        for member in members:
            _check_member(archive, member, files)
        if archive.testzip() is not None:
            raise _damaged()


@contextmanager
def _as_service_error() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, UnicodeError):
        raise _damaged() from None


def _damaged() -> Exception:
    return invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")


def _check_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, files: Collection[str]) -> None:
    """Refuse a member that no folder can hold, that lies outside, or behind a file or link, and a link that may lead outside."""
    parts = PurePosixPath(os.path.normpath(member.filename))
    if parts.is_absolute() or ".." in parts.parts or "\0" in member.filename or any(str(parent) in files for parent in parts.parents):
        raise _damaged()
    if len(os.fsencode(parts)) > _LONGEST_PATH or any(len(os.fsencode(name)) > _LONGEST_NAME for name in parts.parts):
        raise _damaged()
    if (str(parts) in files) if member.is_dir() else not parts.parts:
        raise _damaged()
    if _is_link(member):
        if member.file_size > _LARGEST_LINK:
            raise _damaged()
        target = PurePosixPath(archive.read(member).decode())
        up = list(itertools.takewhile(lambda part: part == "..", target.parts))
        if target.is_absolute() or len(up) >= len(parts.parts) or ".." in target.parts[len(up) :]:
            raise _damaged()


def _is_link(member: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(member.external_attr >> 16)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    target = folder / os.path.normpath(member.filename)
    if member.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if _is_link(member):
        target.symlink_to(archive.read(member).decode())
        return
    with archive.open(member) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    target.chmod(0o555 if (member.external_attr >> 16) & 0o111 else 0o444)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
