"""Conditional requests, ranges, parts, and headers in other words."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from s3_support import S3, Body, refused

from openrek.clock import ManualClock

ETAG = '"9a0364b9e99bb480dd25e1f0284c8555"'  # of b"content"


@pytest.fixture
def stored(s3: S3, clock: ManualClock) -> S3:
    assert s3.put("k", b"content", CacheControl="max-age=9")["ETag"] == ETAG
    clock.advance(days=1)
    return s3


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        ({"IfMatch": ETAG}, 200),
        ({"IfMatch": ETAG.strip('"')}, 200),
        ({"IfMatch": "*"}, 200),
        ({"IfMatch": f'"x", {ETAG}'}, 200),
        ({"IfMatch": '"x"'}, 412),
        ({"IfNoneMatch": ETAG}, 304),
        ({"IfNoneMatch": f"W/{ETAG}"}, 304),
        ({"IfNoneMatch": "*"}, 304),
        ({"IfNoneMatch": '"x"'}, 200),
        ({"IfModifiedSince": 0}, 304),
        ({"IfModifiedSince": -1}, 200),
        ({"IfModifiedSince": 3600}, 304),
        ({"IfModifiedSince": 3 * 86400}, 200),  # still to come: says nothing
        ({"IfUnmodifiedSince": 0}, 200),
        ({"IfUnmodifiedSince": -1}, 412),
        ({"IfMatch": ETAG, "IfUnmodifiedSince": -1}, 200),
        ({"IfMatch": '"x"', "IfUnmodifiedSince": 0}, 412),
        ({"IfNoneMatch": ETAG, "IfModifiedSince": -1}, 304),
        ({"IfNoneMatch": '"x"', "IfModifiedSince": 0}, 200),
        ({"IfMatch": ETAG, "IfNoneMatch": ETAG}, 304),
    ],
)
def test_conditions_of_reading(stored: S3, operation: str, conditions: dict[str, Any], outcome: int) -> None:
    modified = stored.head("k")["LastModified"]
    params = {name: modified + timedelta(seconds=value) if isinstance(value, int) else value for name, value in conditions.items()}
    if outcome == 200:
        stored(operation, Bucket="videos", Key="k", **params)
        return
    with refused("NotModified" if outcome == 304 else "PreconditionFailed", outcome) as caught:
        stored(operation, Bucket="videos", Key="k", **params)
    if outcome == 304:
        assert caught.value.headers["etag"] == ETAG
        assert caught.value.headers["cache-control"] == "max-age=9"
    else:
        assert caught.value.details["Condition"] in ("If-Match", "If-Unmodified-Since")


def test_conditions_of_writing(stored: S3) -> None:
    for key, params in (("k", {"IfNoneMatch": "*"}), ("k", {"IfMatch": '"x"'})):
        with refused("PreconditionFailed", 412):
            stored.put(key, b"new", **params)
    with refused("NoSuchKey", 404):
        stored.put("absent", b"new", IfMatch=ETAG)
    for params in ({"IfNoneMatch": ETAG}, {"IfMatch": "*"}, {"IfMatch": ETAG, "IfNoneMatch": "*"}):
        with refused("NotImplemented", 501):
            stored.put("k", b"new", **params)
    assert stored.get("k") == b"content"
    stored.put("k", b"new", IfMatch=ETAG)
    stored.put("absent", b"new", IfNoneMatch="*")
    assert (stored.get("k"), stored.get("absent")) == (b"new", b"new")
    assert stored.unfinished() == []


def test_a_condition_that_fails_at_once_spares_the_body(stored: S3) -> None:
    body = Body(b"x", error=AssertionError("the body was read"))
    with refused("PreconditionFailed"):
        stored("PutObject", Bucket="videos", Key="k", Body=body, IfNoneMatch="*")


def test_only_one_of_those_who_ask_for_a_new_object_gets_it(stored: S3) -> None:
    class Slow(Body):
        async def __aiter__(self) -> Any:
            stored.storage.bucket("videos").folder.path("new").write_bytes(b"first")
            yield b"second"

    with refused("PreconditionFailed", 412):
        stored("PutObject", Bucket="videos", Key="new", Body=Slow(b"second"), IfNoneMatch="*")
    assert stored.get("new") == b"first"


def test_conditions_of_deleting(stored: S3) -> None:
    with refused("PreconditionFailed", 412):
        stored.delete("k", IfMatch='"x"')
    with refused("NoSuchKey", 404):
        stored.delete("absent", IfMatch=ETAG)
    with refused("NotImplemented", 501):
        stored.delete("k", IfMatchSize=7)
    result = stored("DeleteObjects", Bucket="videos", Delete={"Objects": [{"Key": "k", "ETag": '"x"'}, {"Key": "absent"}]})
    assert [error["Code"] for error in result["Errors"]] == ["PreconditionFailed"]
    assert result["Deleted"] == [{"Key": "absent"}]
    stored.delete("k", IfMatch=ETAG)
    with refused("NoSuchKey"):
        stored.get("k")


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("bytes=0-0", b"c"),
        ("bytes=2-4", b"nte"),
        ("bytes=2-", b"ntent"),
        ("bytes=-3", b"ent"),
        ("bytes=-99", b"content"),
        ("bytes=4-99", b"ent"),
        ("BYTES = 2 - 4", b"nte"),
    ],
)
def test_ranges(stored: S3, text: str, content: bytes) -> None:
    result = stored("GetObject", Bucket="videos", Key="k", Range=text, ChecksumMode="ENABLED")
    assert (result["Body"], result["ContentLength"]) == (content, len(content))
    start = b"content".index(content)
    assert result["ContentRange"] == f"bytes {start}-{start + len(content) - 1}/7"
    assert not any(name.startswith("Checksum") for name in result)
    assert stored.head("k", Range=text)["ContentRange"] == result["ContentRange"]


@pytest.mark.parametrize("text", ["bytes=4-2", "bytes=a-b", "bytes=0-1,3-4", "lines=1-2", "bytes=", "bytes=-", "0-3"])
def test_ranges_that_are_passed_over(stored: S3, text: str) -> None:
    result = stored("GetObject", Bucket="videos", Key="k", Range=text, ChecksumMode="ENABLED")
    assert result["Body"] == b"content"
    assert "ContentRange" not in result
    assert "ChecksumCRC64NVME" in result


@pytest.mark.parametrize("text", ["bytes=7-", "bytes=7-9", "bytes=-0", "bytes=99-100"])
def test_ranges_that_are_not_there(stored: S3, text: str) -> None:
    with refused("InvalidRange", 416) as caught:
        stored.get("k", Range=text)
    assert caught.value.details == {"RangeRequested": text, "ActualObjectSize": 7}
    stored.put("empty", b"")
    with refused("InvalidRange", 416):
        stored.get("empty", Range="bytes=0-")


def test_a_part_of_what_has_none(stored: S3) -> None:
    whole = stored("GetObject", Bucket="videos", Key="k", PartNumber=1)
    assert (whole["Body"], whole["ContentRange"]) == (b"content", "bytes 0-6/7")
    with refused("InvalidPartNumber", 416):
        stored.get("k", PartNumber=2)
    with refused("InvalidRequest", 400):
        stored.get("k", PartNumber=1, Range="bytes=0-1")


def test_headers_come_back(s3: S3, clock: ManualClock) -> None:
    expires = s3.clock.now() // 1000 + 60
    told = {
        "CacheControl": "no-store",
        "ContentDisposition": 'attachment; filename="x.mp4"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "video/mp4",
        "Expires": expires,
        "WebsiteRedirectLocation": "/other",
        "ServerSideEncryption": "AES256",
        "StorageClass": "STANDARD_IA",
        "Metadata": {"name": "Jürgen", "empty": ""},
    }
    s3.put("k", b"x", **told, Tagging="a=1&b=%26&c=")
    for found in (s3.head("k"), s3("GetObject", Bucket="videos", Key="k")):
        assert {name: found[name] for name in told} == told
        assert found["TagCount"] == 3
    assert s3("GetObjectTagging", Bucket="videos", Key="k")["TagSet"][1] == {"Key": "b", "Value": "&"}
    other = s3.head("k", ResponseContentType="text/plain", ResponseCacheControl="private", ResponseContentDisposition="inline")
    assert (other["ContentType"], other["CacheControl"], other["ContentDisposition"]) == ("text/plain", "private", "inline")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "x"}, "NotImplemented"),
        ({"ServerSideEncryption": "aws:kms"}, "NotImplemented"),
        ({"ObjectLockMode": "GOVERNANCE"}, "InvalidRequest"),
        ({"StorageClass": "CELLAR"}, "InvalidStorageClass"),
        ({"Metadata": {"x": "y" * 2048}}, "MetadataTooLarge"),
        ({"Tagging": "&".join(f"{n}=" for n in range(11))}, "BadRequest"),
        ({"Tagging": "a=1&a=2"}, "InvalidTag"),
        ({"Tagging": "a=" + "x" * 257}, "InvalidTag"),
        ({"ExpectedBucketOwner": "111111111111"}, "AccessDenied"),
    ],
)
def test_promises_that_would_not_be_kept_are_refused(s3: S3, params: dict[str, Any], code: str) -> None:
    with refused(code):
        s3.put("k", b"x", **params)
    assert s3.keys() == []
