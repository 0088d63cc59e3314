"""A process that dies at any step of a change leaves the object as before or as after, and nothing that a start does not clear up."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from s3_support import S3, refused

from openrek.awsmodel.calls import ServiceError
from openrek.clock import ManualClock

STEPS = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "link", "pwrite", "copy_file_range")
Change = Callable[[S3], Any]
State = tuple[Any, ...]


class KilledError(BaseException):
    """The process is no more."""


def dying_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many calls that change the disk pass, and then none."""
    left = [steps]

    def mortal(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                if left[0] == 0:
                    raise KilledError
                left[0] -= 1
            return real(*arguments, **named)

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, mortal(name, getattr(os, name)))


def described(s3: S3, key: str, version: str | None = None) -> State:
    """What is there, and that what is told of it fits its bytes."""
    which = {} if version is None else {"VersionId": version}
    try:
        content, head = s3.get(key, **which), s3.head(key, **which)
    except ServiceError as error:
        return (error.code,)
    assert head["Metadata"]["md5"] == hashlib.md5(content).hexdigest()
    if "-" not in head["ETag"]:
        assert head["ETag"].strip('"') == hashlib.md5(content).hexdigest()
    return content, head["Metadata"]["md5"]


def state(s3: S3, keys: tuple[str, ...] = ("a", "a/b")) -> State:
    versions = tuple((key, described(s3, key, version), latest) for key in keys for _, version, latest in s3.versions(key))
    latest = tuple(described(s3, key) for key in keys)
    assert s3.keys() == [key for key, found in zip(keys, latest, strict=True) if len(found) > 1]
    return latest, versions


def put(key: str, content: bytes) -> Change:
    return lambda s3: s3.put(key, content, Metadata={"md5": hashlib.md5(content).hexdigest()})


def delete(key: str) -> Change:
    return lambda s3: s3.delete(key)


def delete_version(place: int) -> Change:
    def change(s3: S3) -> Any:
        listed = s3("ListObjectVersions", Bucket="videos")
        versions = sorted(listed["Versions"] + listed["DeleteMarkers"], key=lambda line: not line["IsLatest"])
        return s3.delete(versions[place]["Key"], VersionId=versions[place]["VersionId"])

    return change


def copy(source: str, key: str) -> Change:
    return lambda s3: s3("CopyObject", Bucket="videos", Key=key, CopySource=f"videos/{source}")


def by_hand(key: str, content: bytes) -> Change:
    def change(s3: S3) -> None:
        path = s3.plain(key)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    return change


def enabled(s3: S3) -> None:
    s3.versioning("Enabled")


def suspended(s3: S3) -> None:
    s3.versioning("Suspended")


def upload(s3: S3) -> None:
    content = b"parts"
    begun = s3("CreateMultipartUpload", Bucket="videos", Key="a", Metadata={"md5": hashlib.md5(content).hexdigest()})["UploadId"]
    s3("UploadPart", Bucket="videos", Key="a", UploadId=begun, PartNumber=1, Body=content)


def complete(s3: S3) -> Any:
    (begun,) = s3("ListMultipartUploads", Bucket="videos")["Uploads"]
    named = {"Bucket": "videos", "Key": "a", "UploadId": begun["UploadId"]}
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in s3("ListParts", **named)["Parts"]]
    return s3("CompleteMultipartUpload", **named, MultipartUpload={"Parts": parts})


OLD, NEW = put("a", b"old!"), put("a", b"new!")
CHANGES: dict[str, tuple[list[Change], Change]] = {
    "first": ([], NEW),
    "replace": ([OLD], NEW),
    "replace larger": ([OLD], put("a", b"longer")),
    "in a folder": ([], put("a/b", b"new!")),
    "beside": ([put("a/b", b"deep")], NEW),
    "replace beside": ([put("a/b", b"deep"), OLD], NEW),
    "return to the plain path": ([put("a/b", b"deep"), OLD, delete("a/b")], NEW),
    "file in the way": ([OLD], put("a/b", b"deep")),
    "delete": ([OLD], delete("a")),
    "delete in a folder": ([put("a/b", b"deep")], delete("a/b")),
    "delete beside": ([put("a/b", b"deep"), OLD], delete("a")),
    "new version": ([OLD, enabled], NEW),
    "third version": ([OLD, enabled, NEW], put("a", b"third")),
    "version beside": ([put("a/b", b"deep"), enabled, OLD], NEW),
    "marker": ([enabled, OLD, NEW], delete("a")),
    "marker in a folder": ([enabled, put("a/b", b"deep")], delete("a/b")),
    "put after marker": ([enabled, OLD, delete("a")], NEW),
    "suspended put": ([enabled, OLD, suspended, put("a", b"null")], NEW),
    "suspended delete": ([enabled, OLD, suspended, put("a", b"null")], delete("a")),
    "delete latest version": ([enabled, OLD, NEW], delete_version(0)),
    "delete older version": ([enabled, OLD, NEW], delete_version(1)),
    "delete only version": ([enabled, OLD], delete_version(0)),
    "delete marker's version": ([enabled, OLD, delete("a")], delete_version(0)),
    "copy": ([put("a/b", b"deep")], copy("a/b", "a")),
    "complete": ([OLD, upload], complete),
    "complete a version": ([enabled, OLD, upload], complete),
}


@pytest.mark.parametrize("name", CHANGES)
def test_before_or_after(name: str, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    prepare, change = CHANGES[name]
    origin = S3(tmp_path / "origin", clock)
    origin("CreateBucket", Bucket="videos")
    for step in prepare:
        step(origin)
    before = state(origin)
    shutil.copytree(origin.data, tmp_path / "whole")
    whole = S3(tmp_path / "whole", clock)
    change(whole)
    after = state(whole)
    assert after != before
    outcomes = set()
    for steps in range(1000):
        data = tmp_path / f"dead {steps}"
        shutil.copytree(origin.data, data)
        victim = S3(data, clock)
        with monkeypatch.context() as dying:
            dying_after(steps, dying)
            try:
                change(victim)
                died = False
            except KilledError:
                died = True
        # What another process reads before anything is cleared up, and what the next start makes of it.
        seen = state(S3(data, clock, prepare=False))
        assert seen in (before, after), f"died at step {steps}"
        outcomes.add(seen == after)
        again = S3(data, clock)
        assert state(again) == seen
        assert again.unfinished() == []
        if seen == before:
            change(again)
            assert state(again) == after
        assert again.beside() == whole.beside()
        shutil.rmtree(data)
        if not died:
            break
    assert outcomes == {False, True}


def test_a_dead_bucket_is_gone_or_there(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for steps in range(100):
        s3 = S3(tmp_path / f"dead {steps}", clock)
        with monkeypatch.context() as dying:
            dying_after(steps, dying)
            try:
                s3("CreateBucket", Bucket="videos")
                s3.storage.delete_bucket("videos")
                s3("CreateBucket", Bucket="videos")
                died = False
            except KilledError:
                died = True
        reader = S3(s3.data, clock)
        if reader("ListBuckets")["Buckets"]:
            assert reader.keys() == []
            reader.put("k", b"x")
        else:
            with refused("NoSuchBucket"):
                reader.keys()
            reader("CreateBucket", Bucket="videos")
        if not died:
            return
    raise AssertionError("never done")
