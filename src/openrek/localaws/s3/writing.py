"""PutObject and CopyObject."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws.s3.bucket import Bucket
from openrek.localaws.s3.checksums import DEFAULT, Digests, check_algorithm, members
from openrek.localaws.s3.conditions import Check, check_source, modified_at, write_check
from openrek.localaws.s3.describing import check_encryption, check_key, describe, encryption_of, quoted, version_of
from openrek.localaws.s3.errors import invalid_argument, invalid_request
from openrek.localaws.s3.files import READ_BYTES
from openrek.localaws.s3.records import Checksum, Description, Entry
from openrek.localaws.s3.storage import Storage
from openrek.localaws.s3.streams import in_thread, receive
from openrek.localaws.s3.versions import Stored

_CHANGES = ("StorageClass", "ServerSideEncryption", "WebsiteRedirectLocation")


async def put_object(storage: Storage, _: Caller, params: Params) -> Params:
    """Store an object."""
    bucket, check, description = await in_thread(_begin, storage, params)
    async with receive(storage.scratch, params) as received:
        new = Entry("", 0, etag=received.digests.md5, description=description, checksum=received.checksum)
        entry = await in_thread(bucket.put, params["Key"], received.draft, new, check, "ObjectCreated:Put")
        return {
            "ETag": quoted(entry),
            **members(entry.checksum),
            **encryption_of(description),
            **await in_thread(_new_version_of, bucket, entry),
        }


def copy_object(storage: Storage, _: Caller, params: Params) -> Params:
    """Store an object with the bytes of another one."""
    bucket, check, description = _begin(storage, params)
    with open_source(storage, params) as source:
        entry = source.stored.entry
        replaces = params.get("MetadataDirective") == "REPLACE"
        changes = replaces or any(params.get(name) for name in _CHANGES)
        if source.bucket is bucket and source.key == params["Key"] and source.stored.latest and not changes:
            raise invalid_request(
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes."
            )
        if not replaces:
            description = replace(description, headers=_copied_headers(entry, description), metadata=entry.description.metadata)
        if params.get("TaggingDirective") != "REPLACE":
            description = replace(description, tags=entry.description.tags)
        with storage.scratch.draft() as draft:
            draft.append(source.descriptor, 0, entry.size)
            etag, checksum = _sums(source, params.get("ChecksumAlgorithm"))
            new = Entry("", 0, etag=etag, description=description, checksum=checksum)
            copied = bucket.put(params["Key"], draft, new, check, "ObjectCreated:Copy")
    result: Params = {
        "CopyObjectResult": {"ETag": quoted(copied), "LastModified": modified_at(copied), **members(checksum)},
        **encryption_of(description),
        **_new_version_of(bucket, copied),
    }
    if version := version_of(source.bucket, entry):
        result["CopySourceVersionId"] = version["VersionId"]
    return result


@dataclass(frozen=True, slots=True)
class Source:
    """What is copied: which object, and its bytes."""

    bucket: Bucket
    key: str
    stored: Stored
    descriptor: int


@contextmanager
def open_source(storage: Storage, params: Params) -> Iterator[Source]:
    """The source that a copy names, if the conditions of the copy hold.

    Raises
    ------
    ServiceError
        They do not, or there is no such object.
    """
    check_encryption(params)
    name, key, version = _parse_source(params["CopySource"])
    bucket = storage.bucket(name)
    try:
        stored, descriptor = bucket.open(key, version)
    except ServiceError as error:
        if error.code == "MethodNotAllowed":
            message = "The source of a copy request may not specifically refer to a delete marker by version id."
            raise invalid_request(message) from None
        raise
    try:
        check_source(params, stored.entry, datetime.fromtimestamp(storage.clock.now() / 1000, UTC))
        yield Source(bucket, key, stored, descriptor)
    finally:
        os.close(descriptor)


def sums_of(descriptor: int, offset: int, length: int, *algorithms: str) -> Digests:
    """The digests of a range of an open file."""
    digests = Digests(algorithms)
    while length:
        block = os.pread(descriptor, min(length, READ_BYTES), offset)
        if not block:
            raise EOFError(f"{length} bytes are missing")
        digests.update(block)
        offset += len(block)
        length -= len(block)
    return digests


def _begin(storage: Storage, params: Params) -> tuple[Bucket, Check, Description]:
    """What can be said before the body comes: a client that waits for "100 Continue" need not send it in vain."""
    check_key(params["Key"])
    bucket = storage.bucket(params["Bucket"])
    description, check = describe(params), write_check(params)
    if params.get("IfMatch") is not None or params.get("IfNoneMatch") is not None:
        found = bucket.all(params["Key"])
        check(found[0].entry if found else None)
    return bucket, check, description


def _new_version_of(bucket: Bucket, entry: Entry) -> dict[str, str]:
    return version_of(bucket, entry) if bucket.facts.versioning == "Enabled" else {}


def _parse_source(text: str) -> tuple[str, str, str | None]:
    path, _, version = text.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise invalid_argument(message, "x-amz-copy-source", text)
    return bucket, key, unquote(version) or None


def _copied_headers(entry: Entry, description: Description) -> dict[str, Any]:
    own = ("ServerSideEncryption", "WebsiteRedirectLocation")
    copied = {name: value for name, value in entry.description.headers.items() if name not in own}
    return copied | {name: value for name, value in description.headers.items() if name in own}


def _sums(source: Source, algorithm: str | None) -> tuple[str, Checksum]:
    """ETag and checksum of a copy: those of its source if they tell of its bytes, else computed."""
    entry = source.stored.entry
    wanted = algorithm or (entry.checksum.algorithm if entry.checksum else DEFAULT)
    check_algorithm(wanted)
    known = entry.checksum
    if "-" not in entry.etag and known is not None and (known.algorithm, known.kind) == (wanted, "FULL_OBJECT"):
        return entry.etag, known
    digests = sums_of(source.descriptor, 0, entry.size, wanted)
    value = digests.value(wanted)
    assert value is not None
    return digests.md5, Checksum(wanted, value)
