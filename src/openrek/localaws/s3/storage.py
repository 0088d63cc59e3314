"""All buckets below one data folder; what a job may ask without HTTP.

    DATA/buckets/<bucket>/<key>     the objects
    DATA/s3/buckets/<bucket>/       configuration, records, older versions, parts: all that is not a plain file
    DATA/s3/unfinished/             what is being written

Both folders are on one file system: what has been written is renamed into place.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from openrek.awsmodel.calls import ServiceError
from openrek.clock import Clock, SystemClock
from openrek.errors import ObjectNotFoundError
from openrek.localaws.s3.bucket import Bucket, BucketFacts, Observer
from openrek.localaws.s3.errors import no_such_bucket
from openrek.localaws.s3.files import Scratch, Stamps, flush_folder, make_folder
from openrek.localaws.s3.folder import BucketFolder, keeps_names, lay_probe
from openrek.localaws.s3.names import is_bucket_name


@dataclass(frozen=True, slots=True)
class Located:
    """Where the bytes of an object lie, and which they are.

    Attributes
    ----------
    path
        Its file. A change of the object replaces or moves it by a rename: whoever links or copies it asks again afterwards.
    etag
        Without quotes.
    size
        Bytes.
    version
        Version id; None in a bucket that has never had versions.
    """

    path: Path
    etag: str
    size: int
    version: str | None


class Storage:
    """The buckets.

    One process changes them; any other may read, at the same time and without a lock.

    Parameters
    ----------
    data
        openrek's data folder. `buckets` and `s3` in it must be on one file system.
    clock
        Dates what is stored.
    region
        Of buckets whose folders were made by hand.
    observer
        Is told of every change of an object: the one place where events begin.
    """

    def __init__(self, data: Path, clock: Clock | None = None, *, region: str = "us-east-1", observer: Observer | None = None) -> None:
        root = data.resolve()
        self.clock = clock or SystemClock()
        self.scratch = Scratch(root / "s3" / "unfinished")
        self._folders = root / "buckets"
        self._states = root / "s3" / "buckets"
        self._stamps = Stamps(self.clock)
        self._region = region
        self._observer = observer
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.RLock()

    def prepare(self) -> None:
        """Make the folders and clear up behind an interrupted predecessor. For the one process that writes, before it begins."""
        make_folder(self._folders)
        self.scratch.sweep()
        lay_probe(self._states.parent)
        for name in self.bucket_names():
            self.bucket(name).sweep()

    def bucket(self, name: str) -> Bucket:
        """One bucket.

        Raises
        ------
        ServiceError
            There is none of that name.
        """
        with self._lock:
            bucket = self._buckets.get(name)
            if bucket is None:
                if not is_bucket_name(name):
                    raise no_such_bucket(name)
                folder = BucketFolder(self._folders / name, exact=keeps_names(self._states.parent))
                bucket = Bucket(folder, self._states / name, self.scratch, self._stamps, region=self._region, observer=self._observer)
            if not bucket.folder.exists():
                raise no_such_bucket(name)
            self._buckets[name] = bucket
            return bucket

    def bucket_names(self) -> list[str]:
        """The names of all buckets, in order: every folder with a name that a bucket may have."""
        try:
            entries = list(os.scandir(self._folders))
        except FileNotFoundError:
            return []
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and is_bucket_name(entry.name))

    def create_bucket(self, name: str, facts: BucketFacts) -> bool:
        """Create a bucket; False if it is there already."""
        with self._lock:
            folder = self._folders / name
            if os.path.lexists(folder):
                return False
            make_folder(self._folders)
            self.scratch.discard(self._states / name)
            self.scratch.write_json(self._states / name / "bucket.json", asdict(facts))
            make_folder(folder)
            return True

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket.

        Raises
        ------
        ServiceError
            There is none, or it has objects, older versions or delete markers.
        """
        with self._lock:
            bucket = self.bucket(name)
            with bucket.folder.changing:
                if not bucket.is_empty() or not _remove_empty_folders(bucket.folder.root):
                    raise ServiceError(
                        "BucketNotEmpty", "The bucket you tried to delete is not empty", status=409, details={"BucketName": name}
                    )
                flush_folder(self._folders)
                self.scratch.discard(bucket.state)
                bucket.forget()

    def locate(self, bucket: str, key: str, version: str | None = None) -> Located:
        """Where the bytes of an object lie: of the latest version, or of one.

        Raises
        ------
        ObjectNotFoundError
            There is no such bucket, object or version, or it is a delete marker.
        """
        with _as_object_errors(bucket, key):
            place = self.bucket(bucket)
            stored = place.find(key, version)
            return Located(stored.path, stored.entry.etag, stored.entry.size, place.shown_version(stored.entry))


def _remove_empty_folders(root: Path) -> bool:
    """Remove a folder of folders; False if there is anything else in one of them."""
    for folder, _, files in os.walk(root, topdown=False):
        if files:
            return False
        try:
            os.rmdir(folder)
        except OSError:
            return False
    return True


@contextmanager
def _as_object_errors(bucket: str, key: str) -> Iterator[None]:
    try:
        yield
    except ServiceError as error:
        if error.status in (404, 405):
            raise ObjectNotFoundError(f"{error.text.removesuffix('.')}: s3://{bucket}/{key}") from error
        raise
