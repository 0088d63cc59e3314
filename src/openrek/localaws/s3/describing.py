"""What clients say of objects, and how it is told them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from openrek.awsmodel.calls import Caller, ServiceError
from openrek.localaws.s3.bucket import Bucket
from openrek.localaws.s3.conditions import modified_at
from openrek.localaws.s3.errors import invalid_request, not_implemented
from openrek.localaws.s3.names import MOST_KEY_BYTES
from openrek.localaws.s3.records import Description, Entry
from openrek.localaws.s3.versions import DEFAULT_TYPE

_KEPT = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
    "ServerSideEncryption",
)
_STORAGE_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
)
_LOCKS = ("ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus")
_CUSTOMER_KEYS = ("SSECustomerAlgorithm", "SSECustomerKey", "CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey")
_MOST_METADATA = 2048
_MOST_TAGS = 10


def check_key(key: str) -> None:
    """Refuse a key that is too long.

    Raises
    ------
    ServiceError
        KeyTooLongError.
    """
    size = len(key.encode())
    if size > MOST_KEY_BYTES:
        details = {"Size": size, "MaxSizeAllowed": MOST_KEY_BYTES}
        raise ServiceError("KeyTooLongError", "Your key is too long", details=details)


def describe(params: Mapping[str, Any]) -> Description:
    """What an upload or a copy says of the object to be.

    Raises
    ------
    ServiceError
        It asks for what is not here (encryption by other keys, object lock), or says too much.
    """
    check_encryption(params)
    if any(params.get(name) is not None for name in _LOCKS):
        raise invalid_request("Bucket is missing Object Lock Configuration")
    storage_class = params.get("StorageClass") or "STANDARD"
    if storage_class not in _STORAGE_CLASSES:
        message = "The storage class you specified is not valid"
        raise ServiceError("InvalidStorageClass", message, details={"StorageClassRequested": storage_class})
    metadata = dict(params.get("Metadata") or {})
    size = sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())
    if size > _MOST_METADATA:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise ServiceError("MetadataTooLarge", message, details={"Size": size, "MaxSizeAllowed": _MOST_METADATA})
    headers = {name: params[name] for name in _KEPT if params.get(name)}
    headers.setdefault("ContentType", DEFAULT_TYPE)
    if isinstance(expires := headers.get("Expires"), datetime):
        headers["Expires"] = int(expires.timestamp())
    return Description(headers, metadata, tags_in_header(params.get("Tagging") or ""), storage_class)


def check_encryption(params: Mapping[str, Any]) -> None:
    """Refuse to be given a key: nothing here is encrypted, and nobody should believe that it is.

    Raises
    ------
    ServiceError
        NotImplemented.
    """
    if any(params.get(name) is not None for name in _CUSTOMER_KEYS):
        header = "x-amz-server-side-encryption-customer-algorithm"
        raise not_implemented(header, "Encryption by customer keys is not implemented: openrek stores objects as they are.")
    if (params.get("ServerSideEncryption") or "AES256") != "AES256" or params.get("SSEKMSKeyId"):
        header = "x-amz-server-side-encryption"
        raise not_implemented(header, "Encryption by KMS keys is not implemented: openrek stores objects as they are.")


def tags_in_header(text: str) -> dict[str, str]:
    """Tags as `name=value&…`.

    Raises
    ------
    ServiceError
        They are not valid.
    """
    return checked_tags(parse_qsl(text, keep_blank_values=True))


def checked_tags(pairs: Sequence[tuple[str, str]], *, most: int = _MOST_TAGS) -> dict[str, str]:
    """Names and values of tags.

    Raises
    ------
    ServiceError
        They are too many, or one is not valid.
    """
    if len(pairs) > most:
        raise ServiceError("BadRequest", f"Object tags cannot be greater than {most}")
    tags: dict[str, str] = {}
    for name, value in pairs:
        if not 1 <= len(name) <= 128:
            raise ServiceError("InvalidTag", "The TagKey you have provided is invalid", details={"TagKey": name})
        if len(value) > 256:
            raise ServiceError("InvalidTag", "The TagValue you have provided is invalid", details={"TagKey": name, "TagValue": value})
        if name in tags:
            raise ServiceError("InvalidTag", "Cannot provide multiple Tags with the same key", details={"TagKey": name})
        if name.startswith("aws:"):
            raise ServiceError("InvalidTag", "System tags cannot be added/updated by requester", details={"TagKey": name})
        tags[name] = value
    return tags


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as the API lists them."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def headers_of(bucket: Bucket, entry: Entry) -> dict[str, Any]:
    """What GetObject and HeadObject tell of an object."""
    description = entry.description
    result: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": modified_at(entry),
        "ETag": quoted(entry),
        **description.headers,
        **version_of(bucket, entry),
    }
    if description.metadata:
        result["Metadata"] = dict(description.metadata)
    if description.tags:
        result["TagCount"] = len(description.tags)
    if description.storage_class != "STANDARD":
        result["StorageClass"] = description.storage_class
    return result


def encryption_of(description: Description) -> dict[str, str]:
    """The encryption that was asked for, as results repeat it."""
    value = description.headers.get("ServerSideEncryption")
    return {} if value is None else {"ServerSideEncryption": value}


def version_of(bucket: Bucket, entry: Entry) -> dict[str, str]:
    """The version id of an object, if its bucket has or has had versions."""
    version = bucket.shown_version(entry)
    return {} if version is None else {"VersionId": version}


def quoted(entry: Entry) -> str:
    """The entity tag as it stands in headers."""
    return f'"{entry.etag}"'


def owner(caller: Caller) -> dict[str, str]:
    """Whom everything belongs to."""
    return {"ID": sha256(caller.account.encode()).hexdigest()}
