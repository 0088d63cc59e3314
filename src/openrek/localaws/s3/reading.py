"""GetObject, HeadObject, GetObjectAttributes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.s3.bucket import Bucket
from openrek.localaws.s3.checksums import members
from openrek.localaws.s3.conditions import check_read, modified_at
from openrek.localaws.s3.describing import check_encryption, headers_of, version_of
from openrek.localaws.s3.errors import invalid_request
from openrek.localaws.s3.ranges import ByteRange, part_range, requested_range
from openrek.localaws.s3.records import Entry, Part
from openrek.localaws.s3.storage import Storage
from openrek.localaws.s3.streams import FileDownload

_OVERRIDES = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")
_MOST_PARTS = 1000


def get_object(storage: Storage, _: Caller, params: Params) -> Params:
    """The object, or a range of it."""
    bucket = storage.bucket(params["Bucket"])
    stored, descriptor = bucket.open(params["Key"], params.get("VersionId"))
    try:
        result, part = _told(storage, bucket, stored.entry, params)
    except BaseException:
        os.close(descriptor)
        raise
    start = 0 if part is None else part.start
    return {**result, "Body": FileDownload(descriptor, start, result["ContentLength"])}


def head_object(storage: Storage, _: Caller, params: Params) -> Params:
    """The same without the bytes."""
    bucket = storage.bucket(params["Bucket"])
    stored = bucket.find(params["Key"], params.get("VersionId"))
    return _told(storage, bucket, stored.entry, params)[0]


def get_object_attributes(storage: Storage, _: Caller, params: Params) -> Params:
    """What the client chose of an object's attributes."""
    bucket = storage.bucket(params["Bucket"])
    entry = bucket.find(params["Key"], params.get("VersionId")).entry
    attributes = params.get("ObjectAttributes") or ()
    result: Params = {"LastModified": modified_at(entry), **version_of(bucket, entry)}
    if "ETag" in attributes:
        result["ETag"] = entry.etag
    if "Checksum" in attributes and entry.checksum is not None:
        # Here, and only here, the number of parts does not follow a composite checksum.
        result["Checksum"] = {name: value.partition("-")[0] for name, value in members(entry.checksum).items()}
    if "ObjectParts" in attributes and entry.parts:
        result["ObjectParts"] = _parts(entry, params)
    if "StorageClass" in attributes:
        result["StorageClass"] = entry.description.storage_class
    if "ObjectSize" in attributes:
        result["ObjectSize"] = entry.size
    return result


def _told(storage: Storage, bucket: Bucket, entry: Entry, params: Params) -> tuple[Params, ByteRange | None]:
    check_encryption(params)
    check_read(params, entry, datetime.fromtimestamp(storage.clock.now() / 1000, UTC))
    text, number = params.get("Range"), params.get("PartNumber")
    if text is not None and number is not None:
        raise invalid_request("Cannot specify both Range header and partNumber query parameter")
    part = None
    if text is not None:
        part = requested_range(text, entry.size)
    elif number is not None:
        part = part_range(number, entry)
    result = headers_of(bucket, entry)
    result["ContentLength"] = entry.size if part is None else part.length
    if part is not None:
        result["ContentRange"] = part.header
    elif params.get("ChecksumMode") == "ENABLED":
        result |= members(entry.checksum)
    if number is not None and entry.parts:
        result["PartsCount"] = len(entry.parts)
    result |= {name: params[f"Response{name}"] for name in _OVERRIDES if params.get(f"Response{name}") is not None}
    return result, part


def _parts(entry: Entry, params: Params) -> dict[str, Any]:
    result: dict[str, Any] = {"TotalPartsCount": len(entry.parts)}
    if entry.checksum is None or entry.checksum.kind != "COMPOSITE":
        return result
    marker, most = params.get("PartNumberMarker") or 0, min(params.get("MaxParts") or _MOST_PARTS, _MOST_PARTS)
    following = [part for part in entry.parts if part.number > marker]
    shown = following[:most]
    algorithm = entry.checksum.algorithm
    return result | {
        "PartNumberMarker": marker,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": most,
        "IsTruncated": len(following) > len(shown),
        "Parts": [_part(part, algorithm) for part in shown],
    }


def _part(part: Part, algorithm: str) -> dict[str, Any]:
    return {"PartNumber": part.number, "Size": part.size, f"Checksum{algorithm}": part.checksum}
