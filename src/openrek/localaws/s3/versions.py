"""Which versions of an object there are, and where their bytes lie.

The latest version lies at the object's plain path in the bucket's folder, if it has one. Everything else lies beside: older versions
and objects without a plain path, each under the digest of its key and a name of its own.

What lies where decides: a plain file is the latest version of its key. It is the version whose size and date the record gives; if
there is none, somebody put it there, and it is a version `null` of which no more is known. Then follow the versions of the record,
newest first, whose bytes are there. So each change has one step that makes it, a rename or the replacement of a record, and whenever
the process dies, the object is as before or as after. Readers take no locks: they look again if what they saw does not fit together.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
from dataclasses import dataclass
from pathlib import Path

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.s3.errors import is_delete_marker, no_such_key, no_such_version
from openrek.localaws.s3.folder import BucketFolder
from openrek.localaws.s3.names import digest
from openrek.localaws.s3.records import NULL, Description, Entry, Records

DEFAULT_TYPE = "binary/octet-stream"
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class Stored:
    """A version that exists.

    Attributes
    ----------
    entry
        What is known of it.
    path
        Where its bytes lie; of a delete marker, nowhere.
    plain
        Whether that is its plain path.
    latest
        Whether it is the latest version.
    """

    entry: Entry
    path: Path
    plain: bool
    latest: bool


class Versions:
    """Reads the versions of a bucket's objects.

    Parameters
    ----------
    folder
        The bucket's folder.
    records
        Of the bucket.
    data
        The folder of the bytes that lie beside.
    """

    def __init__(self, folder: BucketFolder, records: Records, data: Path) -> None:
        self.folder = folder
        self.records = records
        self.data = data

    def all(self, key: str) -> list[Stored]:
        """Every version and delete marker of a key, latest first."""
        for _ in range(_ATTEMPTS):
            found = self._match(key, self.folder.look(key), self.records.read(key))
            if found is not None:
                return found
        raise _busy()

    def latest(self, key: str) -> Stored | None:
        """The latest version, if it is not a delete marker."""
        found = self.all(key)
        return found[0] if found and not found[0].entry.marker else None

    def find(self, key: str, version: str | None = None) -> Stored:
        """The latest version, or one of that id.

        Raises
        ------
        ServiceError
            There is none, or it is a delete marker.
        """
        found = self.all(key)
        if version is None:
            if not found:
                raise no_such_key(key)
            if found[0].entry.marker:
                raise no_such_key(key, marker=found[0].entry.version)
            return found[0]
        for stored in found:
            if stored.entry.version == version:
                if stored.entry.marker:
                    raise is_delete_marker(version)
                return stored
        raise no_such_version(key, version)

    def open(self, key: str, version: str | None = None) -> tuple[Stored, int]:
        """The same as `find`, with a descriptor of its bytes, which keeps them whatever becomes of the object; the caller closes it.

        Raises
        ------
        ServiceError
            As of `find`.
        """
        for _ in range(_ATTEMPTS):
            stored = self.find(key, version)
            try:
                descriptor = self.folder.open(key) if stored.plain else os.open(stored.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            if descriptor is not None:
                facts = os.fstat(descriptor)
                if (facts.st_size, facts.st_mtime_ns) == (stored.entry.size, stored.entry.stamp):
                    return stored, descriptor
                os.close(descriptor)
        raise _busy()

    def place_of(self, key: str, entry: Entry) -> Path:
        """Where the bytes of a version lie when they lie beside."""
        name = digest(key)
        return self.data / name[:2] / f"{name}.{entry.content}"

    def _match(self, key: str, facts: os.stat_result | None, entries: tuple[Entry, ...]) -> list[Stored] | None:
        plain = None
        if facts is not None:
            plain = next((entry for entry in entries if _is_of(entry, facts)), None)
            if plain is None:
                if not _same(self.folder.look(key), facts):
                    return None
                plain = _put_by_hand(key, facts)
        found = [] if plain is None else [Stored(plain, self.folder.path(key), plain=True, latest=True)]
        versions = {stored.entry.version for stored in found}
        for entry in entries:
            path = self.place_of(key, entry)
            # Of two with one id, the second is what the first has replaced.
            if entry.version not in versions and (entry.marker or path.exists()):
                found.append(Stored(entry, path, plain=False, latest=not found))
                versions.add(entry.version)
        if not found and entries and (self.folder.look(key) is not None or self.records.read(key) != entries):
            return None
        return found


def _is_of(entry: Entry, facts: os.stat_result) -> bool:
    return not entry.marker and (entry.size, entry.stamp) == (facts.st_size, facts.st_mtime_ns)


def _same(one: os.stat_result | None, other: os.stat_result) -> bool:
    return one is not None and (one.st_ino, one.st_size, one.st_mtime_ns) == (other.st_ino, other.st_size, other.st_mtime_ns)


def _put_by_hand(key: str, facts: os.stat_result) -> Entry:
    # Ends in "-1" as that of an upload in one part: so no client takes it for the MD5 that nobody has computed.
    identity = f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ino}".encode()
    return Entry(
        NULL,
        modified=facts.st_mtime_ns // 1_000_000,
        size=facts.st_size,
        stamp=facts.st_mtime_ns,
        etag=f"{hashlib.md5(identity, usedforsecurity=False).hexdigest()}-1",
        description=Description({"ContentType": mimetypes.guess_type(key.rpartition("/")[2])[0] or DEFAULT_TYPE}),
    )


def _busy() -> ServiceError:
    return ServiceError("SlowDown", "The object is being replaced again and again. Please reduce your request rate.", status=503)
