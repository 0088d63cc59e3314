"""ListObjects, ListObjectsV2, ListObjectVersions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws import pages
from openrek.localaws.s3.bucket import Bucket
from openrek.localaws.s3.conditions import modified_at
from openrek.localaws.s3.describing import owner, quoted
from openrek.localaws.s3.errors import invalid_argument
from openrek.localaws.s3.listing import Query
from openrek.localaws.s3.storage import Storage
from openrek.localaws.s3.versions import Stored


@dataclass(frozen=True, slots=True)
class _Item:
    """A line of a listing: a common prefix, or a key with a version of it."""

    name: str
    stored: Stored | None


def list_objects(storage: Storage, caller: Caller, params: Params) -> Params:
    """ListObjects, the first version: goes on behind a key."""
    query, after = Query.of(params), params.get("Marker") or ""
    items, more = _page(_objects(storage.bucket(params["Bucket"]), query, after), query.most)
    result = _result(query, params, items, more, owner(caller)) | {"Marker": query.encoded(after)}
    if more and query.delimiter:
        result["NextMarker"] = query.encoded(items[-1].name)
    return result


def list_objects_v2(storage: Storage, caller: Caller, params: Params) -> Params:
    """ListObjectsV2: goes on from a token."""
    query, start, token = Query.of(params), params.get("StartAfter") or "", params.get("ContinuationToken")
    after = start if token is None else pages.key(token)
    if token is not None and not after:
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    items, more = _page(_objects(storage.bucket(params["Bucket"]), query, after or ""), query.most)
    result = _result(query, params, items, more, owner(caller) if params.get("FetchOwner") else None)
    result["KeyCount"] = len(items)
    if more:
        result["NextContinuationToken"] = pages.token(items[-1].name)
    if token is not None:
        result["ContinuationToken"] = token
    if start:
        result["StartAfter"] = query.encoded(start)
    return result


def list_object_versions(storage: Storage, caller: Caller, params: Params) -> Params:
    """ListObjectVersions: every version and delete marker, the latest of each key first."""
    query, after, version = Query.of(params), params.get("KeyMarker") or "", params.get("VersionIdMarker") or ""
    if version and not after:
        message = "A version-id marker cannot be specified without a key marker."
        raise invalid_argument(message, "version-id-marker", version)
    items, more = _page(_versions(storage.bucket(params["Bucket"]), query, after, version), query.most)
    versions, markers = [], []
    for item in items:
        if item.stored is not None:
            line = {
                "Key": query.encoded(item.name),
                "VersionId": item.stored.entry.version,
                "IsLatest": item.stored.latest,
                "LastModified": modified_at(item.stored.entry),
                "Owner": owner(caller),
            }
            if item.stored.entry.marker:
                markers.append(line)
            else:
                versions.append(line | _facts(item.stored))
    result: Params = {
        **query.echo(),
        "Name": params["Bucket"],
        "MaxKeys": query.most,
        "IsTruncated": more,
        "KeyMarker": query.encoded(after),
        "VersionIdMarker": version,
        "Versions": versions,
        "DeleteMarkers": markers,
        "CommonPrefixes": query.common([item.name for item in items if item.stored is None]),
    }
    if more:
        last = items[-1]
        result["NextKeyMarker"] = query.encoded(last.name)
        if last.stored is not None:
            result["NextVersionIdMarker"] = last.stored.entry.version
    return result


def _objects(bucket: Bucket, query: Query, after: str) -> Iterator[_Item]:
    for name in query.names(bucket.keys(query.prefix), after):
        if name.is_prefix:
            yield _Item(name.text, None)
        elif (stored := bucket.latest(name.text)) is not None:
            yield _Item(name.text, stored)


def _versions(bucket: Bucket, query: Query, after: str, version: str) -> Iterator[_Item]:
    if version and after.startswith(query.prefix) and query.fold(after) is None:
        found = bucket.all(after)
        place = next((index for index, stored in enumerate(found) if stored.entry.version == version), -1)
        yield from (_Item(after, stored) for stored in found[place + 1 :])
    for name in query.names(bucket.keys(query.prefix, deleted=True), after):
        if name.is_prefix:
            yield _Item(name.text, None)
        else:
            yield from (_Item(name.text, stored) for stored in bucket.all(name.text))


def _page(items: Iterator[_Item], most: int) -> tuple[list[_Item], bool]:
    if most == 0:
        return [], False
    found = list(islice(items, most + 1))
    return found[:most], len(found) > most


def _result(query: Query, params: Params, items: list[_Item], more: bool, whose: dict[str, str] | None) -> Params:
    contents = []
    for item in items:
        if item.stored is not None:
            line = {"Key": query.encoded(item.name), "LastModified": modified_at(item.stored.entry), **_facts(item.stored)}
            contents.append(line if whose is None else line | {"Owner": whose})
    return {
        **query.echo(),
        "Name": params["Bucket"],
        "MaxKeys": query.most,
        "IsTruncated": more,
        "Contents": contents,
        "CommonPrefixes": query.common([item.name for item in items if item.stored is None]),
    }


def _facts(stored: Stored) -> dict[str, Any]:
    entry = stored.entry
    facts: dict[str, Any] = {"ETag": quoted(entry), "Size": entry.size, "StorageClass": entry.description.storage_class}
    if entry.checksum is not None:
        facts |= {"ChecksumAlgorithm": [entry.checksum.algorithm], "ChecksumType": entry.checksum.kind}
    return facts
