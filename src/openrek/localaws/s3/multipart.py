"""Uploads in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import quote

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws.s3.bucket import Bucket
from openrek.localaws.s3.checksums import DEFAULT, check_algorithm, checksums_in, combine, compute, members, multipart_kind
from openrek.localaws.s3.conditions import at, write_check
from openrek.localaws.s3.describing import check_encryption, check_key, describe, encryption_of, quoted, version_of
from openrek.localaws.s3.errors import invalid_argument, invalid_request, malformed_xml
from openrek.localaws.s3.files import read_blocks
from openrek.localaws.s3.ranges import copied_range
from openrek.localaws.s3.records import Entry, Part
from openrek.localaws.s3.storage import Storage
from openrek.localaws.s3.streams import in_thread, receive
from openrek.localaws.s3.uploads import Upload, UploadedPart
from openrek.localaws.s3.writing import open_source, sums_of

_LEAST_BYTES = 5 * 1024 * 1024
_MOST_PARTS = 10_000


def create_multipart_upload(storage: Storage, _: Caller, params: Params) -> Params:
    """Begin an upload."""
    bucket = storage.bucket(params["Bucket"])
    check_key(params["Key"])
    algorithm, kind = params.get("ChecksumAlgorithm"), params.get("ChecksumType")
    if algorithm is not None:
        check_algorithm(algorithm)
        kind = multipart_kind(algorithm, kind)
    elif kind is not None:
        raise invalid_request("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
    upload = bucket.uploads.create(params["Key"], describe(params), algorithm, kind)
    result: Params = {"Bucket": params["Bucket"], "Key": params["Key"], "UploadId": upload.id, **encryption_of(upload.description)}
    if algorithm is not None:
        result |= {"ChecksumAlgorithm": algorithm, "ChecksumType": kind}
    return result


async def upload_part(storage: Storage, _: Caller, params: Params) -> Params:
    """Take a part."""
    bucket, upload = await in_thread(_find, storage, params)
    async with receive(storage.scratch, params, [upload.algorithm] if upload.algorithm else []) as received:
        chosen = received.checksum
        sums = received.digests.values() | {chosen.algorithm: chosen.value}
        number, md5 = params["PartNumber"], received.digests.md5
        part = await in_thread(bucket.uploads.put_part, upload, number, received.draft, md5, sums)
    return {"ETag": f'"{part.etag}"', **_checksum(part, upload.algorithm or chosen.algorithm), **encryption_of(upload.description)}


def upload_part_copy(storage: Storage, _: Caller, params: Params) -> Params:
    """Take a part from an object that is stored."""
    bucket, upload = _find(storage, params)
    algorithm = upload.algorithm or DEFAULT
    with open_source(storage, params) as source:
        entry, start, length = source.stored.entry, 0, source.stored.entry.size
        if (text := params.get("CopySourceRange")) is not None:
            wanted = copied_range(text, entry.size)
            start, length = wanted.start, wanted.length
        with storage.scratch.draft() as draft:
            draft.append(source.descriptor, start, length)
            digests = sums_of(source.descriptor, start, length, algorithm)
            part = bucket.uploads.put_part(upload, params["PartNumber"], draft, digests.md5, digests.values())
        version = version_of(source.bucket, entry).get("VersionId")
    result: Params = {
        "CopyPartResult": {"ETag": f'"{part.etag}"', "LastModified": at(part.modified), **_checksum(part, algorithm)},
        **encryption_of(upload.description),
    }
    return result if version is None else result | {"CopySourceVersionId": version}


def complete_multipart_upload(storage: Storage, caller: Caller, params: Params) -> Params:
    """Put the parts together. Asked once more, it answers the same as long as the object is there."""
    bucket, key = storage.bucket(params["Bucket"]), params["Key"]
    check = write_check(params)
    with bucket.uploads.locks(params["UploadId"]):
        entry = next((stored.entry for stored in bucket.all(key) if stored.entry.upload == params["UploadId"]), None)
        if entry is None:
            upload = bucket.uploads.get(params["UploadId"], key)
            parts = _choose(upload, bucket.uploads.parts(upload), params)
            new = _entry(upload, parts, params)
            with storage.scratch.draft() as draft:
                for part in parts:
                    with bucket.uploads.opened(upload, part) as descriptor:
                        if compute(DEFAULT, read_blocks(descriptor)) != part.checksums[DEFAULT]:
                            raise _invalid_part(upload, part.number, part.etag)
                        draft.append(descriptor, 0, part.size)
                entry = bucket.put(key, draft, new, check, "ObjectCreated:CompleteMultipartUpload")
        bucket.uploads.remove(params["UploadId"])
    return {
        "Location": f"{caller.endpoint}/{bucket.name}/{quote(key, safe='/')}",
        "Bucket": bucket.name,
        "Key": key,
        "ETag": quoted(entry),
        **members(entry.checksum),
        **encryption_of(entry.description),
        **version_of(bucket, entry),
    }


def abort_multipart_upload(storage: Storage, _: Caller, params: Params) -> Params:
    """Forget an upload."""
    bucket = storage.bucket(params["Bucket"])
    with bucket.uploads.locks(params["UploadId"]):
        upload = bucket.uploads.get(params["UploadId"], params["Key"])
        bucket.uploads.remove(upload.id)
    return {}


def _find(storage: Storage, params: Params) -> tuple[Bucket, Upload]:
    """The upload that a part is for, if it can be one of it."""
    bucket = storage.bucket(params["Bucket"])
    check_encryption(params)
    upload = bucket.uploads.get(params["UploadId"], params["Key"])
    if not 1 <= params["PartNumber"] <= _MOST_PARTS:
        message = f"Part number must be an integer between 1 and {_MOST_PARTS}, inclusive"
        raise invalid_argument(message, "partNumber", params["PartNumber"])
    named = {*checksums_in(params), *([params["ChecksumAlgorithm"]] if params.get("ChecksumAlgorithm") else [])}
    if upload.algorithm is not None and (other := next(iter(named - {upload.algorithm}), None)) is not None:
        expected, actual = upload.algorithm.lower(), other.lower()
        raise invalid_request(f"Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}")
    return bucket, upload


def _choose(upload: Upload, there: Sequence[UploadedPart], params: Params) -> list[UploadedPart]:
    """The parts that the client wants put together."""
    asked = (params.get("MultipartUpload") or {}).get("Parts") or ()
    if not asked:
        raise invalid_request("You must specify at least one part")
    numbers = [part.get("PartNumber") for part in asked]
    if any(number is None for number in numbers):
        raise malformed_xml()
    if any(one >= other for one, other in pairwise(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise ServiceError("InvalidPartOrder", message, details={"UploadId": upload.id})
    by_number = {part.number: part for part in there}
    chosen = []
    for place, one in enumerate(asked):
        part = by_number.get(one["PartNumber"])
        etag = (one.get("ETag") or "").strip('"')
        if part is None or part.etag != etag or any(part.checksums.get(name) != value for name, value in checksums_in(one).items()):
            raise _invalid_part(upload, one["PartNumber"], etag)
        if part.size < _LEAST_BYTES and place < len(asked) - 1:
            raise ServiceError(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                details={
                    "ETag": etag,
                    "PartNumber": part.number,
                    "MinSizeAllowed": _LEAST_BYTES,
                    "ProposedSize": part.size,
                },
            )
        chosen.append(part)
    return chosen


def _entry(upload: Upload, chosen: Sequence[UploadedPart], params: Params) -> Entry:
    """What is known of the object to be, if it is what the client says of it."""
    algorithm, kind = upload.algorithm or DEFAULT, upload.kind or "FULL_OBJECT"
    if params.get("ChecksumType") not in (None, kind):
        raise invalid_request(
            f"The upload was created using the {kind} checksum mode. The complete request must use the same checksum mode."
        )
    parts = tuple(Part(part.number, part.size, part.checksums[algorithm]) for part in chosen)
    checksum = combine(algorithm, kind, parts)
    for name, value in checksums_in(params).items():
        if name != algorithm or value not in (checksum.value, checksum.value.partition("-")[0]):
            raise ServiceError("BadDigest", f"The {name.lower()} you specified did not match the calculated checksum.")
    size, said = sum(part.size for part in parts), params.get("MpuObjectSize")
    if said is not None and said != size:
        message = f"The provided 'x-amz-mp-object-size' header value {said} does not match what was computed: {size}"
        raise invalid_request(message)
    etag = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in chosen), usedforsecurity=False).hexdigest()
    kept = parts if kind == "COMPOSITE" else tuple(Part(part.number, part.size) for part in parts)
    return Entry("", 0, etag=f"{etag}-{len(parts)}", description=upload.description, checksum=checksum, parts=kept, upload=upload.id)


def _invalid_part(upload: Upload, number: int, etag: str) -> ServiceError:
    return ServiceError(
        "InvalidPart",
        "One or more of the specified parts could not be found.  The part may not have been uploaded, "
        "or the specified entity tag may not match the part's entity tag.",
        details={"ETag": etag, "PartNumber": number, "UploadId": upload.id},
    )


def _checksum(part: UploadedPart, algorithm: str) -> dict[str, str]:
    return {f"Checksum{algorithm}": part.checksums[algorithm]}
