"""ListParts and ListMultipartUploads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.s3.conditions import at
from openrek.localaws.s3.describing import owner
from openrek.localaws.s3.keys import KeyList
from openrek.localaws.s3.listing import Query, page_size
from openrek.localaws.s3.storage import Storage
from openrek.localaws.s3.uploads import Upload, UploadedPart


def list_parts(storage: Storage, caller: Caller, params: Params) -> Params:
    """The parts that have arrived."""
    bucket = storage.bucket(params["Bucket"])
    upload = bucket.uploads.get(params["UploadId"], params["Key"])
    marker, most = params.get("PartNumberMarker") or 0, page_size(params.get("MaxParts"), "max-parts")
    following = [part for part in bucket.uploads.parts(upload) if part.number > marker]
    shown = following[:most]
    result: Params = {
        "Bucket": bucket.name,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": most,
        "IsTruncated": most > 0 and len(following) > most,
        "Parts": [_line(part, upload) for part in shown],
        "Initiator": owner(caller),
        "Owner": owner(caller),
        "StorageClass": upload.description.storage_class,
    }
    return result | _checksum_choice(upload)


def list_multipart_uploads(storage: Storage, caller: Caller, params: Params) -> Params:
    """The uploads that have not ended, by key and time."""
    bucket, query = storage.bucket(params["Bucket"]), Query.of(params, "MaxUploads", "max-uploads")
    after, after_id = params.get("KeyMarker") or "", params.get("UploadIdMarker") or ""
    items = list(_uploads(bucket.uploads.all(), query, after, after_id if after else ""))
    shown = items[: query.most]
    last = shown[-1] if shown else ""
    return {
        **query.echo(),
        "Bucket": bucket.name,
        "MaxUploads": query.most,
        "KeyMarker": query.encoded(after),
        "UploadIdMarker": after_id if after else "",
        "IsTruncated": query.most > 0 and len(items) > query.most,
        "NextKeyMarker": query.encoded(last.key if isinstance(last, Upload) else last),
        "NextUploadIdMarker": last.id if isinstance(last, Upload) else "",
        "Uploads": [
            {
                "Key": query.encoded(upload.key),
                "UploadId": upload.id,
                "Initiated": at(upload.initiated),
                "StorageClass": upload.description.storage_class,
                "Owner": owner(caller),
                "Initiator": owner(caller),
                **_checksum_choice(upload),
            }
            for upload in shown
            if isinstance(upload, Upload)
        ],
        "CommonPrefixes": query.common([prefix for prefix in shown if isinstance(prefix, str)]),
    }


def _uploads(there: Sequence[Upload], query: Query, after: str, after_id: str) -> Iterator[Upload | str]:
    """Uploads and common prefixes behind a key and an upload of it."""
    by_key: dict[str, list[Upload]] = {}
    for upload in there:
        by_key.setdefault(upload.key, []).append(upload)
    if after_id and after.startswith(query.prefix) and query.fold(after) is None:
        same = by_key.get(after, [])
        place = next((index for index, upload in enumerate(same) if upload.id == after_id), -1)
        yield from same[place + 1 :]
    for name in query.names(KeyList(key.encode() for key in by_key), after):
        if name.is_prefix:
            yield name.text
        else:
            yield from by_key[name.text]


def _line(part: UploadedPart, upload: Upload) -> dict[str, Any]:
    line = {"PartNumber": part.number, "LastModified": at(part.modified), "ETag": f'"{part.etag}"', "Size": part.size}
    return line | ({f"Checksum{upload.algorithm}": part.checksums[upload.algorithm]} if upload.algorithm else {})


def _checksum_choice(upload: Upload) -> dict[str, str]:
    return {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": upload.kind} if upload.algorithm and upload.kind else {}
