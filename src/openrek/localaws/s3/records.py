"""What is known of an object beside its bytes, and the record of a key's versions.

A record lists the versions of one key, newest first. It never says where the bytes lie: a version whose bytes are nowhere does
not exist. So a record may be written before the bytes are put in place, and the renaming of the bytes is what makes a version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from openrek.localaws.s3.files import Scratch, flush_folder, read_json
from openrek.localaws.s3.names import digest

NULL = "null"
"""The version id of what was stored while the bucket had no versioning."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum as the API shows it.

    Attributes
    ----------
    algorithm
        "CRC32", "CRC64NVME", "SHA256" …
    value
        Base64; of a composite one, "-" and the number of parts follow.
    kind
        "FULL_OBJECT" or "COMPOSITE".
    """

    algorithm: str
    value: str
    kind: str = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of what was uploaded in parts; its checksum is that of the upload's algorithm, in base64."""

    number: int
    size: int
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """What a client says of an object.

    Attributes
    ----------
    headers
        Members of the model that become headers again: ContentType, CacheControl, …; Expires in epoch seconds.
    metadata
        User metadata, as they came.
    tags
        Names and values.
    storage_class
        A label: everything is stored alike.
    """

    headers: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of an object, or a delete marker.

    Attributes
    ----------
    version
        Its id; `NULL` for what has none.
    modified
        Milliseconds since 1970.
    marker
        Whether this says that the object is deleted.
    content
        The name of the bytes' file, while it is not the plain one in the bucket's folder.
    size, stamp
        Bytes, and the file's date of modification in nanoseconds. Each file that we write gets a date of its own: together they
        tell whether the plain file in the bucket's folder is still the one that was stored, or one that was put there by hand.
    etag
        Without quotes.
    parts
        Of what was uploaded in parts.
    upload
        Id of the multipart upload that made it: completing it again finds it.
    """

    version: str
    modified: int
    marker: bool = False
    content: str = ""
    size: int = 0
    stamp: int = 0
    etag: str = ""
    description: Description = Description()
    checksum: Checksum | None = None
    parts: tuple[Part, ...] = ()
    upload: str = ""


class Records:
    """The records of one bucket: a small JSON file for each key that has more to say than its plain file shows."""

    def __init__(self, folder: Path, scratch: Scratch) -> None:
        self._folder = folder
        self._scratch = scratch

    def read(self, key: str) -> tuple[Entry, ...]:
        """The versions of a key, newest first; some of them may have no bytes any more, or not yet."""
        found = read_json(self._path(digest(key)))
        return () if found is None else tuple(_load(entry) for entry in found["versions"])

    def key_of(self, name: str) -> str | None:
        """The key that has this digest, if there is a record of it."""
        found = read_json(self._path(name))
        return None if found is None else str(found["key"])

    def write(self, key: str, entries: tuple[Entry, ...]) -> None:
        """Replace the versions of a key; with none, forget the key."""
        path = self._path(digest(key))
        if entries:
            self._scratch.write_json(path, {"key": key, "versions": [_dump(entry) for entry in entries]})
        elif path.exists():
            path.unlink()
            flush_folder(path.parent)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / f"{name}.json"


def dump_description(description: Description) -> dict[str, Any]:
    """As JSON, without what is empty."""
    return {name: value for name, value in asdict(description).items() if value and value != "STANDARD"}


def load_description(value: Mapping[str, Any]) -> Description:
    """The inverse of `dump_description`."""
    return Description(**value)


def _dump(entry: Entry) -> dict[str, Any]:
    value: dict[str, Any] = {f.name: getattr(entry, f.name) for f in fields(entry) if getattr(entry, f.name)}
    value["description"] = dump_description(entry.description)
    if entry.checksum:
        value["checksum"] = [entry.checksum.algorithm, entry.checksum.value, entry.checksum.kind]
    if entry.parts:
        value["parts"] = [[part.number, part.size, part.checksum] for part in entry.parts]
    return value


def _load(value: dict[str, Any]) -> Entry:
    known = {f.name: value[f.name] for f in fields(Entry) if f.name in value}
    known["description"] = load_description(value.get("description", {}))
    if "checksum" in value:
        known["checksum"] = Checksum(*value["checksum"])
    known["parts"] = tuple(Part(*part) for part in value.get("parts", ()))
    return Entry(**known)
