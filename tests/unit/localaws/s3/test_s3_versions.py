"""Versions, delete markers and what is left when versions go."""

from __future__ import annotations

import os
import shutil

import pytest
from s3_support import S3, refused

from openrek.clock import ManualClock


@pytest.fixture
def kept(s3: S3) -> S3:
    s3.versioning("Enabled")
    return s3


def test_each_put_is_a_version(kept: S3) -> None:
    ids = [kept.put("a/b", content)["VersionId"] for content in (b"1", b"22", b"333")]
    assert len({*ids}) == 3
    assert all(len(version) == 32 for version in ids)
    assert kept.get("a/b") == b"333"
    assert [kept.get("a/b", VersionId=version) for version in ids] == [b"1", b"22", b"333"]
    assert kept.head("a/b")["VersionId"] == ids[2]
    assert kept.versions() == [("version", ids[2], True), ("version", ids[1], False), ("version", ids[0], False)]
    assert kept.plain("a/b").read_bytes() == b"333"
    assert kept.files() == {"a/", "a/b"}


def test_deleting_lays_a_marker(kept: S3) -> None:
    version = kept.put("a/b", b"1")["VersionId"]
    deleted = kept.delete("a/b")
    assert deleted["DeleteMarker"] is True
    assert kept.files() == set()
    assert kept.keys() == []
    with refused("NoSuchKey", 404) as caught:
        kept.get("a/b")
    assert caught.value.headers == {"x-amz-delete-marker": "true", "x-amz-version-id": deleted["VersionId"]}
    with refused("MethodNotAllowed", 405) as caught:
        kept.get("a/b", VersionId=deleted["VersionId"])
    assert caught.value.headers["allow"] == "DELETE"
    assert kept.get("a/b", VersionId=version) == b"1"
    assert kept.versions() == [("version", version, False), ("marker", deleted["VersionId"], True)]
    with refused("BucketNotEmpty"):
        kept("DeleteBucket", Bucket="videos")
    gone = kept.delete("a/b", VersionId=deleted["VersionId"])
    assert gone == {"VersionId": deleted["VersionId"], "DeleteMarker": True}
    assert (kept.get("a/b"), kept.keys(), kept.beside()) == (b"1", ["a/b"], 0)
    assert kept.plain("a/b").read_bytes() == b"1"


def test_the_version_before_becomes_the_latest(kept: S3) -> None:
    first, second, third = (kept.put("k", content)["VersionId"] for content in (b"1", b"22", b"333"))
    assert kept.delete("k", VersionId=third) == {"VersionId": third}
    assert (kept.get("k"), kept.plain("k").read_bytes()) == (b"22", b"22")
    kept.delete("k", VersionId=first)
    assert kept.versions() == [("version", second, True)]
    kept.delete("k", VersionId=second)
    assert (kept.versions(), kept.files(), kept.beside()) == ([], set(), 0)
    kept("DeleteBucket", Bucket="videos")


def test_a_version_that_is_not_there(kept: S3) -> None:
    version = kept.put("k", b"1")["VersionId"]
    kept.delete("k", VersionId=version)
    kept.put("k", b"2")
    with refused("NoSuchVersion", 404):
        kept.get("k", VersionId=version)
    assert kept.delete("k", VersionId=version) == {"VersionId": version}
    with refused("InvalidArgument", 400, "version id"):
        kept.delete("k", VersionId="nonsense")


def test_a_bucket_without_versions_knows_only_null(s3: S3) -> None:
    assert "VersionId" not in s3.put("k", b"1")
    assert "VersionId" not in s3.head("k")
    assert s3.get("k", VersionId="null") == b"1"
    assert s3.versions() == [("version", "null", True)]
    with refused("NoSuchVersion", 404):
        s3.get("k", VersionId="x" * 32)
    with refused("InvalidArgument", 400):
        s3.delete("k", VersionId="x" * 32)
    assert s3.delete("k", VersionId="null") == {}
    assert s3.versions() == []


def test_null_stays_when_versions_begin(s3: S3) -> None:
    s3.put("k", b"old", Metadata={"n": "0"})
    s3.versioning("Enabled")
    new = s3.put("k", b"new")["VersionId"]
    assert (s3.get("k", VersionId="null"), s3.head("k", VersionId="null")["Metadata"]) == (b"old", {"n": "0"})
    assert s3.versions() == [("version", new, True), ("version", "null", False)]


def test_null_is_replaced_while_versions_are_suspended(kept: S3) -> None:
    first = kept.put("k", b"first")["VersionId"]
    kept.versioning("Suspended")
    assert "VersionId" not in kept.put("k", b"null 1")
    kept.put("k", b"null 2")
    assert kept.versions() == [("version", "null", True), ("version", first, False)]
    assert (kept.get("k"), kept.get("k", VersionId=first)) == (b"null 2", b"first")
    assert kept.delete("k") == {"DeleteMarker": True, "VersionId": "null"}
    assert kept.versions() == [("version", first, False), ("marker", "null", True)]
    assert (kept.files(), kept.beside()) == (set(), 1)
    kept.put("k", b"null 3")
    assert kept.versions() == [("version", "null", True), ("version", first, False)]
    kept.delete("k", VersionId=first)
    assert kept.versions() == [("version", "null", True)]
    assert kept.beside() == 0


def test_a_file_put_by_hand_becomes_a_version(kept: S3) -> None:
    kept.plain("k").write_bytes(b"by hand")
    etag = kept.head("k")["ETag"]
    assert kept.versions() == [("version", "null", True)]
    new = kept.put("k", b"uploaded")["VersionId"]
    assert kept.versions() == [("version", new, True), ("version", "null", False)]
    assert (kept.get("k", VersionId="null"), kept.head("k", VersionId="null")["ETag"]) == (b"by hand", etag)
    kept.plain("k").unlink()
    kept.plain("k").write_bytes(b"by hand again")
    assert kept.versions() == [("version", "null", True)]  # the file that was removed by hand was the version `new`
    assert kept.get("k") == b"by hand again"
    kept.delete("k")
    assert kept.get("k", VersionId="null") == b"by hand again"


def test_removing_a_file_by_hand_uncovers_the_version_before(kept: S3) -> None:
    first = kept.put("k", b"1")["VersionId"]
    kept.put("k", b"22")
    kept.plain("k").unlink()
    assert (kept.get("k"), kept.keys()) == (b"1", ["k"])
    assert kept.versions() == [("version", first, True)]


def test_versions_of_keys_without_a_plain_path(kept: S3) -> None:
    kept.put("a", b"in the way")
    first, second = (kept.put("a/b", content)["VersionId"] for content in (b"1", b"22"))
    assert (kept.get("a/b"), kept.get("a/b", VersionId=first)) == (b"22", b"1")
    kept.delete("a")
    kept.delete("a/b", VersionId=second)
    assert (kept.get("a/b"), kept.plain("a/b").read_bytes()) == (b"1", b"1")
    assert kept.versions("a/b") == [("version", first, True)]


def test_tags_and_copies_of_a_version(kept: S3) -> None:
    first = kept.put("k", b"1", Tagging="n=1")["VersionId"]
    kept.put("k", b"22", Tagging="n=2")
    kept("PutObjectTagging", Bucket="videos", Key="k", VersionId=first, Tagging={"TagSet": [{"Key": "n", "Value": "one"}]})
    assert kept("GetObjectTagging", Bucket="videos", Key="k", VersionId=first)["TagSet"] == [{"Key": "n", "Value": "one"}]
    assert kept("GetObjectTagging", Bucket="videos", Key="k")["TagSet"] == [{"Key": "n", "Value": "2"}]
    copied = kept("CopyObject", Bucket="videos", Key="k", CopySource=f"videos/k?versionId={first}")
    assert copied["CopySourceVersionId"] == first
    assert kept.get("k") == b"1"
    assert len(kept.versions()) == 3


def test_restored_folders_keep_what_is_known(s3: S3, clock: ManualClock) -> None:
    """A copy of the data folder that keeps dates, as a backup does, has the same objects: inodes do not matter to what was uploaded."""
    s3.put("a/b", b"x", ContentType="video/mp4")
    s3.versioning("Enabled")
    old = s3.put("a/b", b"y")["VersionId"]
    new = s3.put("a/b", b"z", Metadata={"n": "1"})["VersionId"]
    copy = s3.data.with_name("restored")
    shutil.copytree(s3.data, copy)
    restored = S3(copy, clock)
    assert restored.versions() == [("version", new, True), ("version", old, False), ("version", "null", False)]
    assert restored.head("a/b")["Metadata"] == {"n": "1"}
    assert restored.head("a/b", VersionId="null")["ContentType"] == "video/mp4"


def test_bytes_that_no_version_needs_are_swept(kept: S3, clock: ManualClock) -> None:
    kept.put("k", b"1")
    kept.put("k", b"22")
    (beside,) = [path for path in (kept.data / "s3").rglob("data/*/*") if path.is_file()]
    os.link(beside, beside.with_name(beside.name + "0"))
    (kept.data / "s3" / "unfinished" / "left").write_bytes(b"x")
    again = S3(kept.data, clock)
    assert again.beside() == 1
    assert again.unfinished() == []
    assert len(again.versions()) == 2
