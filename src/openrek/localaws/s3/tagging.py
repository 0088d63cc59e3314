"""Tags of objects."""

from __future__ import annotations

from dataclasses import replace

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.s3.describing import checked_tags, tag_set, version_of
from openrek.localaws.s3.records import Entry
from openrek.localaws.s3.storage import Storage


def put_object_tagging(storage: Storage, _: Caller, params: Params) -> Params:
    """Replace the tags of an object."""
    tags = checked_tags([(tag["Key"], tag["Value"]) for tag in params["Tagging"].get("TagSet") or ()])
    return _set_tags(storage, params, tags)


def delete_object_tagging(storage: Storage, _: Caller, params: Params) -> Params:
    """Remove the tags of an object."""
    return _set_tags(storage, params, {})


def get_object_tagging(storage: Storage, _: Caller, params: Params) -> Params:
    """The tags of an object."""
    bucket = storage.bucket(params["Bucket"])
    entry = bucket.find(params["Key"], params.get("VersionId")).entry
    return {"TagSet": tag_set(entry.description.tags), **version_of(bucket, entry)}


def _set_tags(storage: Storage, params: Params, tags: dict[str, str]) -> Params:
    def change(entry: Entry) -> Entry:
        return replace(entry, description=replace(entry.description, tags=tags))

    bucket = storage.bucket(params["Bucket"])
    return version_of(bucket, bucket.update(params["Key"], params.get("VersionId"), change))
