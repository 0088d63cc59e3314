"""Configurations of buckets that are kept and returned, and have no effect here; and the answers about those that there cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws import json_text
from openrek.localaws.s3.describing import checked_tags
from openrek.localaws.s3.storage import Storage

Handler = Callable[[Storage, Caller, Params], Params]
_MOST_TAGS = 50
_PUBLIC_ACCESS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration of a bucket.

    Attributes
    ----------
    name
        Under which it is kept.
    get, put, delete
        The operations; empty if there is none.
    member
        Of the input, that holds it.
    spread
        Whether the members inside are the members of the reply; else the reply has one like that of the input.
    missing
        Code and message if there is none.
    default
        What every bucket begins with.
    check
        Raises if it cannot be accepted.
    """

    name: str
    get: str
    put: str
    delete: str
    member: str
    spread: bool
    missing: tuple[str, str]
    default: Mapping[str, Any] | None = None
    check: Callable[[Any], object] | None = None


def _check_policy(policy: str) -> None:
    try:
        valid = isinstance(json_text.parse(policy), dict)
    except ValueError:
        valid = False
    if not valid:
        raise ServiceError("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")


def _check_tags(tagging: Mapping[str, Any]) -> None:
    checked_tags([(tag["Key"], tag["Value"]) for tag in tagging.get("TagSet") or ()], most=_MOST_TAGS)


_DOCUMENTS = (
    Document(
        "policy",
        "GetBucketPolicy",
        "PutBucketPolicy",
        "DeleteBucketPolicy",
        "Policy",
        spread=False,
        missing=("NoSuchBucketPolicy", "The bucket policy does not exist"),
        check=_check_policy,
    ),
    Document(
        "tagging",
        "GetBucketTagging",
        "PutBucketTagging",
        "DeleteBucketTagging",
        "Tagging",
        spread=True,
        missing=("NoSuchTagSet", "The TagSet does not exist"),
        check=_check_tags,
    ),
    Document(
        "cors",
        "GetBucketCors",
        "PutBucketCors",
        "DeleteBucketCors",
        "CORSConfiguration",
        spread=True,
        missing=("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    ),
    Document(
        "public-access",
        "GetPublicAccessBlock",
        "PutPublicAccessBlock",
        "DeletePublicAccessBlock",
        "PublicAccessBlockConfiguration",
        spread=False,
        missing=("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"),
        default=dict.fromkeys(_PUBLIC_ACCESS, True),
    ),
    Document(
        "ownership",
        "GetBucketOwnershipControls",
        "PutBucketOwnershipControls",
        "DeleteBucketOwnershipControls",
        "OwnershipControls",
        spread=False,
        missing=("OwnershipControlsNotFoundError", "The bucket ownership controls were not found"),
        default={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    ),
)
_ABSENT = {
    "GetBucketLifecycleConfiguration": ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
    "GetBucketReplication": ("ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
    "GetBucketWebsite": ("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"),
    "GetBucketEncryption": ("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"),
    "GetObjectLockConfiguration": (
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
}
_FIXED: dict[str, Params] = {
    "GetBucketAccelerateConfiguration": {},
    "GetBucketLogging": {},
    "GetBucketRequestPayment": {"Payer": "BucketOwner"},
}


def document_operations() -> dict[str, Handler]:
    """The operations, by name."""
    handlers: dict[str, Handler] = {}
    for document in _DOCUMENTS:
        handlers |= {document.get: _get(document), document.put: _put(document), document.delete: _delete(document)}
    handlers |= {name: _absent(*missing) for name, missing in _ABSENT.items()}
    handlers |= {name: _fixed(answer) for name, answer in _FIXED.items()}
    return handlers


def _get(document: Document) -> Handler:
    def get(storage: Storage, _: Caller, params: Params) -> Params:
        found = storage.bucket(params["Bucket"]).facts.documents.get(document.name, document.default)
        if found is None:
            raise ServiceError(*document.missing, status=404, details={"BucketName": params["Bucket"]})
        return dict(found) if document.spread else {document.member: found}

    return get


def _put(document: Document) -> Handler:
    def put(storage: Storage, _: Caller, params: Params) -> Params:
        value = params[document.member]
        if document.check is not None:
            document.check(value)
        storage.bucket(params["Bucket"]).configure(lambda facts: replace(facts, documents=facts.documents | {document.name: value}))
        return {}

    return put


def _delete(document: Document) -> Handler:
    def delete(storage: Storage, _: Caller, params: Params) -> Params:
        storage.bucket(params["Bucket"]).configure(lambda facts: replace(facts, documents=facts.documents | {document.name: None}))
        return {}

    return delete


def _absent(code: str, message: str) -> Handler:
    def absent(storage: Storage, _: Caller, params: Params) -> Params:
        storage.bucket(params["Bucket"])
        raise ServiceError(code, message, status=404, details={"BucketName": params["Bucket"]})

    return absent


def _fixed(answer: Params) -> Handler:
    def fixed(storage: Storage, _: Caller, params: Params) -> Params:
        storage.bucket(params["Bucket"])
        return answer

    return fixed
