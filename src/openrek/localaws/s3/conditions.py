"""Conditional requests: If-Match and its kin, on reading, on writing, and on the source of a copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.timestamps import http_date
from openrek.localaws.s3.errors import no_such_key, not_implemented, precondition_failed
from openrek.localaws.s3.records import Entry

Check = Callable[[Entry | None], None]
"""Looks at what is stored before it is replaced, and raises if that may not be."""


def modified_at(entry: Entry) -> datetime:
    """When a version was stored."""
    return at(entry.modified)


def at(milliseconds: int) -> datetime:
    """A point in time, in whole seconds, as S3 tells it."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC)


def check_read(params: Mapping[str, Any], entry: Entry, now: datetime) -> None:
    """Hold the conditions of GetObject and HeadObject against what is stored. A date that is still to come says nothing.

    Raises
    ------
    ServiceError
        412; or 304, with the headers that a cache wants.
    """
    modified = modified_at(entry)
    if_match, if_none_match = params.get("IfMatch"), params.get("IfNoneMatch")
    unmodified_since, modified_since = params.get("IfUnmodifiedSince"), params.get("IfModifiedSince")
    if if_match is not None:
        if not matches(if_match, entry.etag):
            raise precondition_failed("If-Match")
    elif unmodified_since is not None and modified > unmodified_since:
        raise precondition_failed("If-Unmodified-Since")
    if if_none_match is not None:
        if matches(if_none_match, entry.etag):
            raise _not_modified(entry)
    elif modified_since is not None and modified <= modified_since <= now:
        raise _not_modified(entry)


def check_source(params: Mapping[str, Any], entry: Entry, now: datetime) -> None:
    """Hold the conditions of a copy against its source.

    Raises
    ------
    ServiceError
        412.
    """
    modified = modified_at(entry)
    if_match, if_none_match = params.get("CopySourceIfMatch"), params.get("CopySourceIfNoneMatch")
    unmodified_since, modified_since = params.get("CopySourceIfUnmodifiedSince"), params.get("CopySourceIfModifiedSince")
    if if_match is not None:
        if not matches(if_match, entry.etag):
            raise precondition_failed("x-amz-copy-source-If-Match")
    elif unmodified_since is not None and modified > unmodified_since:
        raise precondition_failed("x-amz-copy-source-If-Unmodified-Since")
    if if_none_match is not None:
        if matches(if_none_match, entry.etag):
            raise precondition_failed("x-amz-copy-source-If-None-Match")
    elif modified_since is not None and modified <= modified_since <= now:
        raise precondition_failed("x-amz-copy-source-If-Modified-Since")


def write_check(params: Mapping[str, Any]) -> Check:
    """The conditions of a write: `If-None-Match: *` and `If-Match: <etag>`.

    Raises
    ------
    ServiceError
        S3 knows no other ones.
    """
    key, if_match, if_none_match = params["Key"], params.get("IfMatch"), params.get("IfNoneMatch")
    if if_match is not None and if_none_match is not None:
        raise not_implemented("If-Match,If-None-Match")
    if if_none_match is not None and if_none_match != "*":
        raise not_implemented("If-None-Match")
    if if_match == "*":
        raise not_implemented("If-Match")

    def check(stored: Entry | None) -> None:
        exists = stored is not None and not stored.marker
        if if_none_match is not None and exists:
            raise precondition_failed("If-None-Match")
        if if_match is not None:
            if stored is None or not exists:
                raise no_such_key(key)
            if not matches(if_match, stored.etag):
                raise precondition_failed("If-Match")

    return check


def delete_check(key: str, if_match: str | None) -> Check:
    """The condition of a deletion: an entity tag, or `*` for any object."""

    def check(stored: Entry | None) -> None:
        if if_match is None:
            return
        if stored is None or stored.marker:
            raise no_such_key(key)
        if not matches(if_match, stored.etag):
            raise precondition_failed("If-Match")

    return check


def matches(condition: str, etag: str) -> bool:
    """Whether an entity tag is among those of a header: quoted or not, weak or not, or `*`."""
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")}
    return "*" in tags or etag in tags


def _not_modified(entry: Entry) -> ServiceError:
    headers = {"etag": f'"{entry.etag}"', "last-modified": http_date(modified_at(entry))}
    if value := entry.description.headers.get("CacheControl"):
        headers["cache-control"] = value
    return ServiceError("NotModified", "Not Modified", status=304, headers=headers)
