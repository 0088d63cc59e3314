"""Uploads in parts: arriving in any order, put together once."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from typing import Any

import pytest
from s3_support import S3, Body, refused

from openrek.localaws.s3.checksums import compute

MIB = 1024 * 1024
FIRST, SECOND, LAST = b"a" * (5 * MIB), bytes(range(256)) * (20 * 1024), b"the end"


def begin(s3: S3, key: str = "k", **params: Any) -> dict[str, Any]:
    """What all calls about a new upload say."""
    return {"Bucket": "videos", "Key": key, "UploadId": s3("CreateMultipartUpload", Bucket="videos", Key=key, **params)["UploadId"]}


def send(s3: S3, named: dict[str, Any], number: int, content: bytes, **params: Any) -> dict[str, Any]:
    """Upload a part; returns it as CompleteMultipartUpload wants it."""
    told = s3("UploadPart", **named, PartNumber=number, Body=content, **params)
    return {"PartNumber": number, **told}


def complete(s3: S3, named: dict[str, Any], parts: list[dict[str, Any]], **params: Any) -> dict[str, Any]:
    return s3("CompleteMultipartUpload", **named, MultipartUpload={"Parts": parts}, **params)


def etag_of(*parts: bytes) -> str:
    return f'"{hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"'


def only_etags(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]


def test_parts_become_an_object(s3: S3) -> None:
    named = begin(s3, "a/k", ContentType="video/mp4", Metadata={"x": "y"}, Tagging="a=b", StorageClass="STANDARD_IA")
    last, second, first = (send(s3, named, number, content) for number, content in ((7, LAST), (3, SECOND), (1, FIRST)))
    assert s3.keys() == []
    done = complete(s3, named, [first, second, last])
    assert (done["Bucket"], done["Key"], done["ETag"]) == ("videos", "a/k", etag_of(FIRST, SECOND, LAST))
    assert done["Location"] == "http://localhost:4599/videos/a/k"
    assert s3.get("a/k") == FIRST + SECOND + LAST
    assert s3.plain("a/k").stat().st_size == len(FIRST + SECOND + LAST)
    head = s3.head("a/k")
    assert (head["ETag"], head["ContentType"], head["Metadata"], head["TagCount"]) == (done["ETag"], "video/mp4", {"x": "y"}, 1)
    assert head["StorageClass"] == "STANDARD_IA"
    part = s3("GetObject", Bucket="videos", Key="a/k", PartNumber=3)
    assert (part["Body"], part["PartsCount"]) == (SECOND, 3)
    with refused("InvalidPartNumber", 416):
        s3.get("a/k", PartNumber=2)
    assert s3("ListMultipartUploads", Bucket="videos")["Uploads"] == []
    assert (s3.unfinished(), list((s3.data / "s3/buckets/videos/uploads").iterdir())) == ([], [])


def test_a_part_sent_again_replaces_the_first(s3: S3) -> None:
    named = begin(s3)
    stale = send(s3, named, 1, b"stale")
    fresh = send(s3, named, 1, b"fresh!")
    with refused("InvalidPart", 400):
        complete(s3, named, [stale])
    (listed,) = s3("ListParts", **named)["Parts"]
    assert (listed["ETag"], listed["Size"]) == (fresh["ETag"], 6)
    complete(s3, named, [fresh])
    assert s3.get("k") == b"fresh!"


def test_completing_again_gives_the_same_answer(s3: S3) -> None:
    s3.versioning("Enabled")
    named = begin(s3)
    part = send(s3, named, 1, b"x")
    done = complete(s3, named, [part])
    assert complete(s3, named, [part]) == done
    assert len(s3.versions()) == 1
    s3.delete("k", VersionId=done["VersionId"])
    with refused("NoSuchUpload", 404):
        complete(s3, named, [part])


def test_lists_of_parts_that_cannot_be(s3: S3) -> None:
    named = begin(s3)
    small, last = send(s3, named, 1, b"small"), send(s3, named, 2, b"last")
    with refused("EntityTooSmall", 400) as caught:
        complete(s3, named, [small, last])
    assert caught.value.details["MinSizeAllowed"] == 5 * MIB
    for order in ([last, small], [last, last]):
        with refused("InvalidPartOrder", 400):
            complete(s3, named, order)
    with refused("InvalidPart", 400):
        complete(s3, named, [{"PartNumber": 3, "ETag": small["ETag"]}])
    with refused("InvalidPart", 400):
        complete(s3, named, [{"PartNumber": 2, "ETag": small["ETag"]}])
    for empty in ([], None):
        with refused("InvalidRequest", 400, "at least one part"):
            s3("CompleteMultipartUpload", **named, MultipartUpload={"Parts": empty} if empty is not None else None)
    with refused("MalformedXML", 400):
        complete(s3, named, [{"ETag": last["ETag"]}])
    complete(s3, named, [{"PartNumber": 2, "ETag": last["ETag"].strip('"')}])
    assert s3.get("k") == b"last"


def test_uploads_that_are_not_there(s3: S3) -> None:
    named = begin(s3)
    for wrong in ({"UploadId": "x" * 64}, {"UploadId": "../../../videos"}, {"UploadId": ""}, {"Key": "other"}):
        with refused("NoSuchUpload", 404):
            s3("ListParts", **named | wrong)
        with refused("NoSuchUpload", 404):
            s3("UploadPart", **named | wrong, PartNumber=1, Body=b"x")
        with refused("NoSuchUpload", 404):
            s3("AbortMultipartUpload", **named | wrong)
        with refused("NoSuchUpload", 404):
            complete(s3, named | wrong, [{"PartNumber": 1, "ETag": "x"}])
    for number in (0, 10_001):
        with refused("InvalidArgument", 400, "between 1 and 10000"):
            send(s3, named, number, b"x")
    s3("AbortMultipartUpload", **named)
    with refused("NoSuchUpload"):
        send(s3, named, 1, b"x")
    assert s3.unfinished() == []


def test_an_upload_that_is_aborted_while_a_part_arrives(s3: S3) -> None:
    named = begin(s3)

    class Aborting(Body):
        async def __aiter__(self) -> Any:
            yield b"x"
            s3.storage.bucket("videos").uploads.remove(named["UploadId"])

    with refused("NoSuchUpload", 404):
        s3("UploadPart", **named, PartNumber=1, Body=Aborting(b"x"))
    assert s3.unfinished() == []
    assert list((s3.data / "s3/buckets/videos/uploads").iterdir()) == []


def test_copied_parts(s3: S3) -> None:
    s3.versioning("Enabled")
    version = s3.put("source", FIRST + LAST)["VersionId"]
    s3.put("source", b"newer")
    named = begin(s3)
    source = f"/videos/source?versionId={version}"
    first = s3("UploadPartCopy", **named, PartNumber=1, CopySource=source, CopySourceRange=f"bytes=0-{len(FIRST) - 1}")
    assert first["CopySourceVersionId"] == version
    assert first["CopyPartResult"]["ETag"] == f'"{hashlib.md5(FIRST).hexdigest()}"'
    second = s3("UploadPartCopy", **named, PartNumber=2, CopySource="videos/source")
    parts = [{"PartNumber": number, "ETag": told["CopyPartResult"]["ETag"]} for number, told in ((1, first), (2, second))]
    complete(s3, named, parts)
    assert s3.get("k") == FIRST + b"newer"
    for text in ("bytes=0-", "bytes=5-2", "0-5", "bytes=0-1,3-4"):
        with refused("InvalidArgument", 400, "x-amz-copy-source-range"):
            s3("UploadPartCopy", **begin(s3), PartNumber=1, CopySource="videos/source", CopySourceRange=text)
    with refused("InvalidArgument", 400, "source object of size: 5"):
        s3("UploadPartCopy", **begin(s3), PartNumber=1, CopySource="videos/source", CopySourceRange="bytes=0-5")
    with refused("PreconditionFailed", 412):
        s3("UploadPartCopy", **begin(s3), PartNumber=1, CopySource="videos/source", CopySourceIfMatch="x")


@pytest.mark.parametrize("told", [True, False], ids=["parts with checksums", "parts without"])
@pytest.mark.parametrize(
    ("algorithm", "asked", "kind"),
    [
        (None, None, "FULL_OBJECT"),
        ("CRC32", None, "COMPOSITE"),
        ("CRC32", "FULL_OBJECT", "FULL_OBJECT"),
        ("CRC32C", "COMPOSITE", "COMPOSITE"),
        ("CRC32C", "FULL_OBJECT", "FULL_OBJECT"),
        ("CRC64NVME", None, "FULL_OBJECT"),
        ("SHA1", None, "COMPOSITE"),
        ("SHA256", "COMPOSITE", "COMPOSITE"),
    ],
)
def test_checksums(s3: S3, algorithm: str | None, asked: str | None, kind: str, told: bool) -> None:
    chosen = {"ChecksumAlgorithm": algorithm, "ChecksumType": asked}
    named = begin(s3, **{name: value for name, value in chosen.items() if value is not None})
    name = algorithm or "CRC64NVME"
    parts = [
        send(s3, named, number, content, **({f"Checksum{name}": compute(name, [content])} if told else {}))
        for number, content in ((1, FIRST), (2, LAST))
    ]
    assert [part[f"Checksum{name}"] for part in parts] == [compute(name, [FIRST]), compute(name, [LAST])]
    raw = b"".join(base64.b64decode(part[f"Checksum{name}"]) for part in parts)
    whole = compute(name, [FIRST + LAST]) if kind == "FULL_OBJECT" else f"{compute(name, [raw])}-2"
    with refused("BadDigest", 400):
        complete(s3, named, parts, **{f"Checksum{name}": compute(name, [b"other"])})
    with refused("InvalidRequest", 400, "checksum mode"):
        complete(s3, named, parts, ChecksumType="COMPOSITE" if kind == "FULL_OBJECT" else "FULL_OBJECT")
    with refused("InvalidRequest", 400, "x-amz-mp-object-size"):
        complete(s3, named, parts, MpuObjectSize=1)
    with refused("InvalidPart", 400):
        complete(s3, named, [parts[0] | {f"Checksum{name}": compute(name, [b"other"])}, parts[1]])
    size = len(FIRST + LAST)
    done = complete(s3, named, parts if told else only_etags(parts), MpuObjectSize=size, **{f"Checksum{name}": whole})
    assert (done[f"Checksum{name}"], done["ChecksumType"]) == (whole, kind)
    head = s3.head("k", ChecksumMode="ENABLED")
    assert (head[f"Checksum{name}"], head["ChecksumType"]) == (whole, kind)
    attributes = s3("GetObjectAttributes", Bucket="videos", Key="k", ObjectAttributes=["Checksum", "ObjectParts"], MaxParts=1)
    assert attributes["Checksum"][f"Checksum{name}"] == whole.partition("-")[0]
    if kind == "COMPOSITE":
        assert attributes["ObjectParts"] == {
            "TotalPartsCount": 2,
            "PartNumberMarker": 0,
            "NextPartNumberMarker": 1,
            "MaxParts": 1,
            "IsTruncated": True,
            "Parts": [{"PartNumber": 1, "Size": len(FIRST), f"Checksum{name}": compute(name, [FIRST])}],
        }
    else:
        assert attributes["ObjectParts"] == {"TotalPartsCount": 2}
    copied = s3("CopyObject", Bucket="videos", Key="copy", CopySource="videos/k")["CopyObjectResult"]
    assert copied[f"Checksum{name}"] == compute(name, [FIRST + LAST])
    assert copied["ETag"] == f'"{hashlib.md5(FIRST + LAST).hexdigest()}"'


def test_checksums_that_do_not_go_together(s3: S3) -> None:
    for algorithm, kind in (("CRC64NVME", "COMPOSITE"), ("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT")):
        with refused("InvalidRequest", 400, "cannot be used"):
            begin(s3, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    with refused("InvalidRequest", 400, "only be used with"):
        begin(s3, ChecksumType="COMPOSITE")
    with refused("InvalidRequest", 400, "expected checksum Type: sha256, actual checksum Type: crc32"):
        send(s3, begin(s3, ChecksumAlgorithm="SHA256"), 1, b"x", ChecksumCRC32=compute("CRC32", [b"x"]))
    with refused("BadDigest", 400):
        send(s3, begin(s3), 1, b"x", ChecksumCRC32=compute("CRC32", [b"y"]))
    with refused("InvalidDigest", 400):
        send(s3, begin(s3), 1, b"x", ContentMD5="x")


def test_conditions(s3: S3) -> None:
    etag = s3.put("k", b"old")["ETag"]
    named = begin(s3)
    part = send(s3, named, 1, b"new")
    with refused("PreconditionFailed", 412):
        complete(s3, named, [part], IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        complete(s3, named, [part], IfMatch="x")
    complete(s3, named, [part], IfMatch=etag)
    assert s3.get("k") == b"new"


def test_lists(s3: S3) -> None:
    uploads = [begin(s3, key) for key in ("b", "a/1", "a/2", "b", "ä", "c")]
    whole = s3("ListMultipartUploads", Bucket="videos")
    assert [line["Key"] for line in whole["Uploads"]] == ["a/1", "a/2", "b", "b", "c", "ä"]
    assert {line["UploadId"] for line in whole["Uploads"]} == {upload["UploadId"] for upload in uploads}
    folded = s3("ListMultipartUploads", Bucket="videos", Delimiter="/", EncodingType="url")
    assert ([line["Key"] for line in folded["Uploads"]], folded["CommonPrefixes"]) == (["b", "b", "c", "%C3%A4"], [{"Prefix": "a/"}])
    assert [line["Key"] for line in s3("ListMultipartUploads", Bucket="videos", Prefix="a/")["Uploads"]] == ["a/1", "a/2"]
    for query in ({}, {"Delimiter": "/"}):
        whole = s3("ListMultipartUploads", Bucket="videos", **query)
        for size in (1, 2, 4):
            found: list[str] = []
            marker: dict[str, Any] = {}
            while True:
                page = s3("ListMultipartUploads", Bucket="videos", MaxUploads=size, **query, **marker)
                found += [line["UploadId"] for line in page["Uploads"]] + [line["Prefix"] for line in page["CommonPrefixes"]]
                if not page["IsTruncated"]:
                    break
                marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
            assert sorted(found) == sorted(
                [line["UploadId"] for line in whole["Uploads"]] + [line["Prefix"] for line in whole["CommonPrefixes"]]
            )


def test_pages_of_parts(s3: S3) -> None:
    named = begin(s3, ChecksumAlgorithm="SHA1")
    for number in (1, 2, 10_000):
        send(s3, named, number, b"x" * number)
    page = s3("ListParts", **named, MaxParts=2)
    assert [(part["PartNumber"], part["Size"]) for part in page["Parts"]] == [(1, 1), (2, 2)]
    assert (page["IsTruncated"], page["NextPartNumberMarker"], page["ChecksumAlgorithm"], page["ChecksumType"]) == (
        True,
        2,
        "SHA1",
        "COMPOSITE",
    )
    assert page["Parts"][0]["ChecksumSHA1"] == compute("SHA1", [b"x"])
    page = s3("ListParts", **named, PartNumberMarker=2)
    assert ([part["PartNumber"] for part in page["Parts"]], page["IsTruncated"]) == ([10_000], False)


def test_a_disk_that_fills_while_parts_are_put_together(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("k", b"old")
    named = begin(s3)
    part = send(s3, named, 1, b"new")

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as filled:
        filled.setattr(os, "copy_file_range", full)
        with refused("InsufficientStorage", 507):
            complete(s3, named, [part])
    assert (s3.get("k"), s3.unfinished()) == (b"old", [])
    complete(s3, named, [part])
    assert s3.get("k") == b"new"


@pytest.mark.parametrize("lost", [b"", b"\0" * 8, b"the part and more"])
def test_a_part_that_the_disk_has_lost(s3: S3, lost: bytes) -> None:
    named = begin(s3)
    part = send(s3, named, 1, b"the part")
    (file,) = (s3.data / "s3/buckets/videos/uploads" / named["UploadId"]).glob("1-*")
    file.write_bytes(lost)
    with refused("InvalidPart", 400):
        complete(s3, named, [part])
    assert s3.unfinished() == []
    complete(s3, named, [send(s3, named, 1, b"the part")])
    assert s3.get("k") == b"the part"


def test_where_the_kernel_cannot_copy(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: Any) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", unable)
    named = begin(s3)
    complete(s3, named, [send(s3, named, 1, FIRST), send(s3, named, 2, LAST)])
    assert s3.get("k") == FIRST + LAST


def test_many_who_complete_at_once(s3: S3) -> None:
    s3.versioning("Enabled")
    named = begin(s3)
    part = send(s3, named, 1, b"x")
    operation = s3.operations["CompleteMultipartUpload"]
    from s3_support import CALLER

    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(operation(CALLER, named | {"MultipartUpload": {"Parts": [part]}}))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)
    assert len(s3.versions()) == 1
