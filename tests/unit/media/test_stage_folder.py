"""Staging from folders of this machine."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from openrek.errors import ObjectNotFoundError, ObjectTooLargeError, StagingError
from openrek.media import stage_folder
from openrek.media.stage import ObjectFacts, Room, identity
from openrek.media.stage_folder import FolderSource, LocatedFile
from openrek.video import ObjectReference

REFERENCE = ObjectReference("bucket", "folder/video.mp4")


class Buckets:
    """An embedded storage of one object."""

    def __init__(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self.located: LocatedFile | None = LocatedFile(path, hashlib.md5(content).hexdigest(), len(content))
        self.asked = 0
        self.when_asked: Callable[[int], None] = lambda count: None

    def locate(self, reference: ObjectReference) -> LocatedFile:
        self.asked += 1
        self.when_asked(self.asked)
        if self.located is None:
            raise ObjectNotFoundError
        return self.located


@pytest.fixture
def buckets(tmp_path: Path) -> Buckets:
    return Buckets(tmp_path / "object", os.urandom(9_000_000))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is on another file system."""

    def fail(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(stage_folder.fcntl, "ioctl", fail)


def silent(done: int, total: int) -> None:
    """Nobody is watching."""


def test_the_file_is_shared_not_copied(buckets: Buckets, folder: Path) -> None:
    assert buckets.located is not None
    reports: list[tuple[int, int]] = []
    free = shutil.disk_usage(folder).free
    staged = FolderSource(buckets).fetch(REFERENCE, folder, Room(reserve=free * 2), lambda done, total: reports.append((done, total)))
    assert staged.path.read_bytes() == buckets.located.path.read_bytes()
    assert staged.path.parent == folder
    assert staged.size == 9_000_000
    assert staged.identity == identity(REFERENCE, None, buckets.located.etag)
    assert reports == [(0, 9_000_000), (9_000_000, 9_000_000)]
    # An upload that takes the object's place changes nothing.
    before = staged.path.read_bytes()
    new = buckets.located.path.with_name("new")
    new.write_bytes(b"other")
    new.replace(buckets.located.path)
    assert staged.path.read_bytes() == before
    assert os.listdir(folder) == [staged.path.name]


@pytest.mark.usefixtures("copies")
def test_on_another_file_system_it_is_copied_in_pieces(buckets: Buckets, folder: Path) -> None:
    assert buckets.located is not None
    reports: list[tuple[int, int]] = []
    staged = FolderSource(buckets).fetch(REFERENCE, folder, Room(), lambda done, total: reports.append((done, total)))
    assert staged.path.read_bytes() == buckets.located.path.read_bytes()
    assert [done for done, _ in reports] == [0, 4_194_304, 8_388_608, 9_000_000, 9_000_000]


def test_identity_names_the_content() -> None:
    name = identity(REFERENCE, None, "abc")
    assert len(name) == 64
    assert set(name) <= set("0123456789abcdef")
    assert identity(REFERENCE, "null", "abc") == name
    others = [
        identity(REFERENCE, None, "abd"),
        identity(REFERENCE, "abc", "abc"),
        identity(ObjectReference("bucket", "folder/video.mp5"), None, "abc"),
        identity(ObjectReference("bucketfolder", "/video.mp4"), None, "abc"),
    ]
    assert len({name, *others}) == 5
    assert identity(REFERENCE, "v1", "abc") == identity(REFERENCE, "v1", "other")


def test_looking_without_fetching(buckets: Buckets) -> None:
    assert buckets.located is not None
    buckets.located = replace(buckets.located, version="v7")
    facts = FolderSource(buckets).look(REFERENCE)
    assert facts == ObjectFacts(identity(REFERENCE, "v7", ""), 9_000_000, buckets.located.etag, "v7")


def test_what_is_missing_or_too_large(buckets: Buckets, folder: Path) -> None:
    with pytest.raises(ObjectTooLargeError, match=r"^Video size in bytes: 9000000 is more than the maximum limit of: 8999999 bytes\.$"):
        FolderSource(buckets).fetch(REFERENCE, folder, Room(most=8_999_999), silent)
    buckets.located = None
    with pytest.raises(ObjectNotFoundError):
        FolderSource(buckets).fetch(REFERENCE, folder, Room(), silent)
    assert os.listdir(folder) == []


@pytest.mark.usefixtures("copies")
def test_the_disks_reserve_is_left_alone(buckets: Buckets, folder: Path) -> None:
    reserve = shutil.disk_usage(folder).free + 10**12
    with pytest.raises(StagingError, match=r"the video takes 9 MB, [\d.]+ TB must stay free, and only [\d.]+ .B are free\. Make room"):
        FolderSource(buckets).fetch(REFERENCE, folder, Room(reserve=reserve), silent)
    assert os.listdir(folder) == []


@pytest.mark.usefixtures("copies")
def test_a_disk_that_is_full_after_all_is_left_as_it_was(buckets: Buckets, folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, hard))
    try:
        with pytest.raises(StagingError, match="disk is too full: the video takes 9 MB"):
            FolderSource(buckets).fetch(REFERENCE, folder, Room(), silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(folder) == []


@pytest.mark.usefixtures("copies")
def test_whoever_watches_may_stop_it(buckets: Buckets, folder: Path) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done:
            raise StopError

    with pytest.raises(StopError):
        FolderSource(buckets).fetch(REFERENCE, folder, Room(), stop)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("sharing", [True, False])
def test_an_object_that_is_replaced_meanwhile_is_staged_whole(
    sharing: bool, buckets: Buckets, folder: Path, request: pytest.FixtureRequest
) -> None:
    if not sharing:
        request.getfixturevalue("copies")
    assert buckets.located is not None
    first = buckets.located
    other = Buckets(first.path.with_name("other"), b"x" * 9_000_000).located

    def swap(count: int) -> None:
        if count == 2:
            buckets.located = other

    buckets.when_asked = swap
    staged = FolderSource(buckets).fetch(REFERENCE, folder, Room(), silent)
    assert staged.path.read_bytes() == b"x" * 9_000_000
    assert os.listdir(folder) == [staged.path.name]


def test_an_object_that_never_stays_the_same_is_given_up(buckets: Buckets, folder: Path) -> None:
    def change(count: int) -> None:
        assert buckets.located is not None
        buckets.located = replace(buckets.located, etag=str(count))

    buckets.when_asked = change
    with pytest.raises(StagingError, match="replaced again and again"):
        FolderSource(buckets).fetch(REFERENCE, folder, Room(), silent)
    assert os.listdir(folder) == []
