"""One bucket: its configuration, and the changes of its objects (`versions` says what a change has to keep true)."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from openrek.localaws.s3.conditions import Check
from openrek.localaws.s3.errors import no_such_bucket
from openrek.localaws.s3.files import Draft, Scratch, Stamps, flush_folder, make_folder, read_json
from openrek.localaws.s3.folder import BucketFolder
from openrek.localaws.s3.keys import BucketKeys, HiddenKeys
from openrek.localaws.s3.locks import NamedLocks
from openrek.localaws.s3.records import NULL, Entry, Records
from openrek.localaws.s3.uploads import Uploads
from openrek.localaws.s3.versions import Stored, Versions

_VERSION_ALPHABET = string.ascii_letters + string.digits + "._"


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What is known of a bucket.

    Attributes
    ----------
    region
        Where it was created.
    created
        Milliseconds since 1970.
    versioning
        "Enabled", "Suspended", or None: never enabled.
    documents
        Configurations that are kept and returned as they came, by name.
    """

    region: str
    created: int
    versioning: str | None = None
    documents: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """An object was stored or removed.

    Attributes
    ----------
    event
        As S3's notifications call it: "ObjectCreated:Put", "ObjectRemoved:DeleteMarkerCreated", …
    bucket, key
        Which one.
    entry
        The version that there is now, or that there was.
    stamp
        When, in nanoseconds since 1970; of two changes of a key the later one has the larger.
    """

    event: str
    bucket: str
    key: str
    entry: Entry
    stamp: int


Observer = Callable[[Change], None]
"""Is told of every change that is on disk, in its order for a key. It must not block, and must not raise."""


class Bucket(Versions):
    """One bucket.

    Parameters
    ----------
    folder
        The bucket's folder: as long as it exists, so does the bucket.
    state
        The folder of all else.
    scratch, stamps
        Shared by all buckets.
    region
        Of a bucket whose folder was made by hand.
    observer
        Is told of every change of an object.
    """

    def __init__(
        self, folder: BucketFolder, state: Path, scratch: Scratch, stamps: Stamps, *, region: str, observer: Observer | None
    ) -> None:
        super().__init__(folder, Records(state / "keys", scratch), state / "data")
        self.name = folder.root.name
        self.state = state
        self.locks = NamedLocks()
        self.scratch = scratch
        self.stamps = stamps
        self.uploads = Uploads(state / "uploads", scratch, stamps)
        self._region = region
        self._observer = observer
        self._hidden = HiddenKeys(state / "hidden", scratch)

    @property
    def facts(self) -> BucketFacts:
        """The configuration as it is now."""
        found = read_json(self.state / "bucket.json")
        if found is None:
            return BucketFacts(self._region, os.stat(self.folder.root).st_mtime_ns // 1_000_000)
        return BucketFacts(**found)

    def configure(self, change: Callable[[BucketFacts], BucketFacts]) -> None:
        """Change the configuration."""
        with self.locks(""):
            self.scratch.write_json(self.state / "bucket.json", asdict(change(self.facts)))

    def shown_version(self, entry: Entry) -> str | None:
        """The id of a version as clients see it: none in a bucket that has never had versions."""
        return None if entry.version == NULL and self.facts.versioning is None else entry.version

    def keys(self, prefix: str, *, deleted: bool = False) -> BucketKeys:
        """The keys that begin with a prefix; with `deleted`, also those of which there are only older versions and delete markers."""
        exists: Callable[[str], bool] = (lambda key: bool(self.all(key))) if deleted else (lambda key: self.latest(key) is not None)
        return BucketKeys(self.folder, self._hidden, prefix.encode(), exists)

    def put(self, key: str, draft: Draft, entry: Entry, check: Check, event: str) -> Entry:
        """Store what was written as the latest version of an object.

        Parameters
        ----------
        draft
            The bytes; whoever made it closes it.
        entry
            What is known of them; version and dates are filled in here.
        check
            Looks at what is stored, under the lock of the key, and raises if it may not be replaced.
        event
            As `Change` names it.

        Returns
        -------
        Entry
            As it was stored. Version and bytes are on the disk.
        """
        stamp = draft.finish(self.stamps.next())
        with self.locks(key):
            found = self.all(key)
            check(found[0].entry if found else None)
            enabled = self.facts.versioning == "Enabled"
            version = _new_version() if enabled else NULL
            new = replace(entry, version=version, modified=stamp // 1_000_000, content=_new_content(), size=draft.size, stamp=stamp)
            kept = _kept(found, enabled=enabled)
            before = self.records.read(key)
            if kept:
                self._hidden.add(key)
            # The record comes first: it knows the old bytes and the new ones, and each is what it says as long as it lies there.
            self.records.write(key, (new, *kept, *_entries(found[:1], but=kept)))
            if kept and found[0].plain and found[0].entry.version in {entry.version for entry in kept}:
                self._set_aside(key, kept[0])
            plain = self.folder.place(draft.path, key)
            if not plain:
                self._hidden.add(key)
                self._lay_beside(draft.path, key, new)
            self._drop(key, before, keep=(new, *kept))
            if plain and not kept:
                self._hidden.discard(key)
            self._tell(event, key, new, stamp)
        return new

    def delete(self, key: str, check: Check) -> Entry | None:
        """Delete an object: where versions are kept, by a delete marker, which is returned."""
        with self.locks(key):
            found = self.all(key)
            check(found[0].entry if found else None)
            versioning = self.facts.versioning
            if versioning is None:
                if found:
                    self._remove_all(key, found)
                    self._tell("ObjectRemoved:Delete", key, found[0].entry)
                return None
            enabled = versioning == "Enabled"
            marker = Entry(_new_version() if enabled else NULL, self.stamps.clock.now(), marker=True)
            kept = _kept(found, enabled=enabled)
            before = self.records.read(key)
            self._hidden.add(key)
            if found and found[0].plain:
                if found[0].entry.version in {entry.version for entry in kept}:
                    self.records.write(key, kept)
                    self._set_aside(key, kept[0])
                    self.records.write(key, (marker, *kept))
                else:
                    self.records.write(key, (marker, found[0].entry, *kept))
                    self.folder.remove(key)
                self.folder.prune(key)
            else:
                self.records.write(key, (marker, *kept))
            self._drop(key, before, keep=kept)
            self._tell("ObjectRemoved:DeleteMarkerCreated", key, marker)
            return marker

    def delete_version(self, key: str, version: str, check: Check) -> Entry | None:
        """Delete one version for good, or one delete marker, and return it; the version before it becomes the latest if it was that."""
        with self.locks(key):
            found = self.all(key)
            gone = next((stored for stored in found if stored.entry.version == version), None)
            check(gone.entry if gone else None)
            if gone is None:
                return None
            kept = tuple(stored.entry for stored in found if stored is not gone)
            before = self.records.read(key)
            if gone.plain:
                self.folder.remove(key)
            self.records.write(key, kept)
            self._drop(key, before, keep=kept)
            self._settle(key)
            self._tell("ObjectRemoved:Delete", key, gone.entry)
            return gone.entry

    def update(self, key: str, version: str | None, change: Callable[[Entry], Entry]) -> Entry:
        """Change what is known of a version, and return it as it was."""
        with self.locks(key):
            chosen = self.find(key, version)
            found = self.all(key)
            before = self.records.read(key)
            entries = [change(stored.entry) if stored.entry == chosen.entry else stored.entry for stored in found]
            kept = tuple(entry if entry.content or entry.marker else replace(entry, content=_new_content()) for entry in entries)
            self.records.write(key, kept)
            self._drop(key, before, keep=kept)
            return chosen.entry

    def is_empty(self) -> bool:
        """Whether there is no object, no older version and no delete marker."""
        return self.keys("", deleted=True).ceiling(b"") is None

    def forget(self) -> None:
        """Drop what is in memory: the bucket's state was removed."""
        self._hidden.forget()

    def sweep(self) -> None:
        """Finish what was interrupted after it was made: remove bytes that are no version's, lay a latest version at its plain path."""
        if not self.data.is_dir():
            return
        for group in self.data.iterdir():
            for file in group.iterdir():
                key = self.records.key_of(file.name.partition(".")[0])
                if key is None or all(stored.path != file for stored in self.all(key)):
                    file.unlink(missing_ok=True)
                else:
                    self._settle(key)

    def _set_aside(self, key: str, entry: Entry) -> None:
        """Lay the plain file beside, as the version that it is."""
        place = self.place_of(key, entry)
        make_folder(place.parent)
        self.folder.take(key, place)
        flush_folder(place.parent)

    def _lay_beside(self, source: Path, key: str, entry: Entry) -> None:
        with self.folder.changing:
            if not self.folder.exists():
                raise no_such_bucket(self.name)
            place = self.place_of(key, entry)
            make_folder(place.parent)
            os.rename(source, place)
            flush_folder(place.parent)

    def _remove_all(self, key: str, found: list[Stored]) -> None:
        before = self.records.read(key)
        if found[0].plain:
            self._drop(key, before, keep=(found[0].entry,))
            self.folder.remove(key)
        self.records.write(key, ())
        self._drop(key, before, keep=())
        self._hidden.discard(key)

    def _drop(self, key: str, entries: Iterable[Entry], keep: Iterable[Entry]) -> None:
        """Remove the bytes that lie beside of those entries that are not kept."""
        kept = {entry.content for entry in keep}
        for entry in entries:
            if entry.content and entry.content not in kept:
                self.place_of(key, entry).unlink(missing_ok=True)

    def _settle(self, key: str) -> None:
        """The latest version belongs at its plain path if it has one, and a key with nothing hidden is named no longer."""
        found = self.all(key)
        if found and not found[0].plain and not found[0].entry.marker and self.folder.place(found[0].path, key):
            found = self.all(key)
        if all(stored.plain for stored in found):
            self._hidden.discard(key)

    def _tell(self, event: str, key: str, entry: Entry, stamp: int | None = None) -> None:
        if self._observer is not None:
            self._observer(Change(event, self.name, key, entry, self.stamps.next() if stamp is None else stamp))


def _kept(found: Iterable[Stored], *, enabled: bool) -> tuple[Entry, ...]:
    """The versions that stay when another one comes; each with a name for its bytes, for they will lie beside."""
    entries = [stored.entry for stored in found if enabled or stored.entry.version != NULL]
    return tuple(entry if entry.content or entry.marker else replace(entry, content=_new_content()) for entry in entries)


def _entries(found: Iterable[Stored], but: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries of what is stored without those of the same version."""
    versions = {entry.version for entry in but}
    return tuple(stored.entry for stored in found if stored.entry.version not in versions)


def _new_version() -> str:
    return "".join(secrets.choice(_VERSION_ALPHABET) for _ in range(32))


def _new_content() -> str:
    return secrets.token_hex(8)
