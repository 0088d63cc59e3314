"""Listings against a plain model: sorted keys, folded at the delimiter, cut into pages."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from s3_support import S3, refused

from openrek.clock import ManualClock

KEYS = ["a", "a-b", "a/", "a/1", "a/2", "a/b/c", "a/b/d", "a0", "b//c", "b/x", "ä", "z"]
LETTERS = st.text(alphabet="ab/.é", min_size=1, max_size=6)


def fill(s3: S3, keys: list[str]) -> None:
    for key in keys:
        s3.put(key, key.encode())


def expected(keys: set[str], prefix: str, delimiter: str, after: str) -> list[tuple[str, bool]]:
    """Names behind `after`, in order; whether each is a common prefix."""
    names = set()
    for key in keys:
        if key.startswith(prefix):
            head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            names.add((prefix + head + cut, True) if cut else (key, False))
    return sorted((name for name in names if name[0].encode() > after.encode()), key=lambda name: name[0].encode())


def names(result: dict[str, Any]) -> list[tuple[str, bool]]:
    found = [(line["Key"], False) for line in result["Contents"]] + [(line["Prefix"], True) for line in result["CommonPrefixes"]]
    return sorted(found, key=lambda name: name[0].encode())


@pytest.mark.parametrize("delimiter", ["", "/", "b"])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "b/", "nothing", "z", ".."])
def test_pages_of_both_versions(s3: S3, prefix: str, delimiter: str) -> None:
    fill(s3, KEYS)
    whole = expected(set(KEYS), prefix, delimiter, "")
    query: dict[str, Any] = {"Bucket": "videos", "Prefix": prefix, "Delimiter": delimiter}
    for size in (1, 2, 1000):
        found: list[tuple[str, bool]] = []
        token: dict[str, Any] = {}
        while True:
            page = s3("ListObjectsV2", **query, MaxKeys=size, **token)
            assert page["KeyCount"] == len(names(page)) <= size
            found += names(page)
            assert page["IsTruncated"] is ("NextContinuationToken" in page)
            if not page["IsTruncated"]:
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        assert found == whole
        found, marker = [], ""
        while True:
            page = s3("ListObjects", **query, MaxKeys=size, Marker=marker)
            found += names(page)
            if not page["IsTruncated"]:
                break
            assert ("NextMarker" in page) is bool(delimiter)
            marker = page.get("NextMarker", names(page)[-1][0])
        assert found == whole
    for after in ["", "a", "a/", "a/b", "a/b/c", "b", "zz", "/"]:
        assert names(s3("ListObjectsV2", **query, StartAfter=after)) == expected(set(KEYS), prefix, delimiter, after)
        assert names(s3("ListObjects", **query, Marker=after)) == expected(set(KEYS), prefix, delimiter, after)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    keys=st.lists(LETTERS, max_size=10, unique=True),
    dropped=st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=3),
    gone=st.sets(st.integers(0, 9)),
    prefix=st.text(alphabet="ab/.", max_size=3),
    delimiter=st.sampled_from(["", "/", "a", "//"]),
    after=st.text(alphabet="ab/é", max_size=4),
    size=st.integers(1, 4),
)
def test_any_bucket_lists_like_the_model(
    s3: S3, keys: list[str], dropped: list[str], gone: set[int], prefix: str, delimiter: str, after: str, size: int
) -> None:
    bucket = f"b{next(COUNTER)}"
    s3("CreateBucket", Bucket=bucket)
    for key in keys:
        s3.put(key, b"x", bucket=bucket)
    there = {key for index, key in enumerate(keys) if index not in gone}
    for key in {*keys} - there:
        s3.delete(key, bucket=bucket)
    for name in dropped:
        path = s3.plain(name, bucket)
        if not path.exists():
            path.write_bytes(b"by hand")
        if path.is_file():
            there.add(name)
    query: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "Delimiter": delimiter}
    found: list[tuple[str, bool]] = []
    token: dict[str, Any] = {"StartAfter": after}
    while True:
        page = s3("ListObjectsV2", **query, MaxKeys=size, **token)
        found += names(page)
        if not page["IsTruncated"]:
            break
        token = {"ContinuationToken": page["NextContinuationToken"]}
    assert found == expected(there, prefix, delimiter, after)
    for key in there:
        s3.delete(key, bucket=bucket)
    s3("DeleteBucket", Bucket=bucket)


COUNTER = itertools.count(100)


def test_sizes_of_pages(s3: S3) -> None:
    fill(s3, KEYS)
    empty = s3("ListObjectsV2", Bucket="videos", MaxKeys=0)
    assert (empty["Contents"], empty["IsTruncated"], empty["MaxKeys"], empty["KeyCount"]) == ([], False, 0, 0)
    assert s3("ListObjectsV2", Bucket="videos", MaxKeys=5000)["MaxKeys"] == 1000
    with refused("InvalidArgument", 400, "max-keys"):
        s3("ListObjects", Bucket="videos", MaxKeys=-1)
    with refused("InvalidArgument", 400, "continuation token"):
        s3("ListObjectsV2", Bucket="videos", ContinuationToken="nonsense!")
    with refused("InvalidArgument", 400, "Encoding"):
        s3("ListObjectsV2", Bucket="videos", EncodingType="base64")
    with refused("NoSuchBucket", 404):
        s3("ListObjectsV2", Bucket="nobody")


def test_what_a_line_says(s3: S3) -> None:
    s3.put("k", b"content", StorageClass="GLACIER", ChecksumAlgorithm="SHA256")
    (line,) = s3("ListObjectsV2", Bucket="videos", FetchOwner=True)["Contents"]
    head = s3.head("k")
    assert line["ETag"] == head["ETag"]
    assert line["LastModified"] == head["LastModified"]
    assert (line["Size"], line["StorageClass"], line["ChecksumAlgorithm"], line["ChecksumType"]) == (
        7,
        "GLACIER",
        ["SHA256"],
        "FULL_OBJECT",
    )
    assert len(line["Owner"]["ID"]) == 64
    (line,) = s3("ListObjectsV2", Bucket="videos")["Contents"]
    assert "Owner" not in line
    (line,) = s3("ListObjects", Bucket="videos")["Contents"]
    assert "Owner" in line


def test_names_can_be_encoded(s3: S3) -> None:
    keys = ["a b/c&d", "a b/x", "line\nbreak", "ü"]
    fill(s3, keys)
    result = s3("ListObjectsV2", Bucket="videos", EncodingType="url", Delimiter="/", Prefix="", StartAfter="\n")
    assert [line["Key"] for line in result["Contents"]] == ["line%0Abreak", "%C3%BC"]
    assert result["CommonPrefixes"] == [{"Prefix": "a%20b/"}]
    assert (result["EncodingType"], result["StartAfter"]) == ("url", "%0A")
    marker = s3("ListObjects", Bucket="videos", EncodingType="url", Delimiter="/", MaxKeys=1)["NextMarker"]
    assert unquote(marker) == "a b/"


def test_versions_in_pages(s3: S3) -> None:
    s3.put("b", b"null")
    s3.versioning("Enabled")
    for key, times in (("a", 3), ("b", 1), ("d/1", 2), ("d/2", 1)):
        for _ in range(times):
            s3.put(key, b"x")
    s3.delete("a")
    s3.delete("c")

    def lines(result: dict[str, Any]) -> list[tuple[str, str]]:
        found = [(line["Key"], line["VersionId"]) for line in result["Versions"] + result["DeleteMarkers"]]
        return found + [(line["Prefix"], "") for line in result["CommonPrefixes"]]

    for query, count in (({}, 10), ({"Delimiter": "/"}, 8), ({"Prefix": "a"}, 4)):
        whole = lines(s3("ListObjectVersions", Bucket="videos", **query))
        assert len(whole) == count
        for size in (1, 2, 3):
            found: list[tuple[str, str]] = []
            marker: dict[str, Any] = {}
            while True:
                page = s3("ListObjectVersions", Bucket="videos", MaxKeys=size, **query, **marker)
                found += lines(page)
                if not page["IsTruncated"]:
                    break
                marker = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}
            assert sorted(found) == sorted(whole)
    latest = [line for line in s3("ListObjectVersions", Bucket="videos")["DeleteMarkers"] if line["IsLatest"]]
    assert [line["Key"] for line in latest] == ["a", "c"]
    assert s3.keys() == ["b", "d/1", "d/2"]
    with refused("InvalidArgument", 400, "without a key marker"):
        s3("ListObjectVersions", Bucket="videos", VersionIdMarker="x")


def test_a_folder_that_changes_while_it_is_listed(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are there all the time are listed, whatever comes and goes."""
    fill(s3, ["a/1", "b/1", "c", "d"])
    real = os.scandir

    def vanishing(where: Any) -> Any:
        found = real(where)
        s3.plain("c").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(os, "scandir", vanishing)
    assert s3.keys() == ["a/1", "b/1", "d"]


def test_large_folders_are_read_once_a_page(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = S3(tmp_path, clock)
    s3("CreateBucket", Bucket="videos")
    for number in range(1200):
        (s3.plain(f"{number:04}")).mkdir()
        (s3.plain(f"{number:04}") / "file").touch()
    reads: list[Any] = []
    real = os.scandir

    def counted(where: Any) -> Any:
        reads.append(where)
        return real(where)

    monkeypatch.setattr(os, "scandir", counted)
    first = s3("ListObjectsV2", Bucket="videos", Delimiter="/")
    assert [line["Prefix"] for line in first["CommonPrefixes"]] == [f"{number:04}/" for number in range(1000)]
    assert len(reads) < 1010  # the bucket's folder, and each folder once to see that there is something in it
    reads.clear()
    assert s3("ListObjectsV2", Bucket="videos", Prefix="0777/")["KeyCount"] == 1
    assert len(reads) == 1
