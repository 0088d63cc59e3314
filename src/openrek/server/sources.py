"""Where videos are stored: the embedded buckets, or S3 by configuration."""

from __future__ import annotations

from dataclasses import dataclass

from openrek.localaws.s3.storage import Storage
from openrek.media.stage import ObjectSource
from openrek.media.stage_folder import FolderSource, LocatedFile
from openrek.media.stage_s3 import S3Source
from openrek.settings import Settings
from openrek.video import ObjectReference


@dataclass(frozen=True, slots=True)
class _EmbeddedBuckets:
    storage: Storage

    def locate(self, reference: ObjectReference) -> LocatedFile:
        """Where an object's content lies."""
        located = self.storage.locate(reference.bucket, reference.name, reference.version)
        return LocatedFile(located.path, located.etag, located.size, located.version)


def object_source(settings: Settings, storage: Storage) -> ObjectSource:
    """The store that the settings name."""
    if settings.s3.endpoint is None:
        return FolderSource(_EmbeddedBuckets(storage))
    return S3Source(settings.s3, settings.region)
