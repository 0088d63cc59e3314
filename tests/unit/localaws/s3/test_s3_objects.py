"""Objects and files are the same thing: what is uploaded lies there as a file, what is put there is an object."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from s3_support import CALLER, RUNNER, S3, Body, refused

from openrek.clock import ManualClock
from openrek.errors import ClientGoneError, ObjectNotFoundError
from openrek.localaws.s3.bucket import Change
from openrek.localaws.s3.files import Draft


def test_what_is_uploaded_is_a_file_of_its_name(s3: S3) -> None:
    result = s3.put("2024/may/cat.mp4", b"miau", ContentType="video/mp4", Metadata={"camera": "7"})
    assert s3.plain("2024/may/cat.mp4").read_bytes() == b"miau"
    assert result["ETag"] == f'"{hashlib.md5(b"miau").hexdigest()}"'
    head = s3.head("2024/may/cat.mp4")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (4, "video/mp4", {"camera": "7"})
    assert s3.unfinished() == []


def test_what_is_dropped_is_an_object(s3: S3) -> None:
    path = s3.plain("dropped/by hand.mp4")
    path.parent.mkdir()
    path.write_bytes(b"0123456789")
    head = s3.head("dropped/by hand.mp4")
    assert (head["ContentLength"], head["ContentType"]) == (10, "video/mp4")
    assert head["LastModified"].timestamp() == int(path.stat().st_mtime)
    assert s3.keys() == ["dropped/by hand.mp4"]
    assert s3.get("dropped/by hand.mp4", Range="bytes=2-4") == b"234"
    etag = head["ETag"]
    assert etag.endswith('-1"')  # no client takes it for an MD5
    assert s3.head("dropped/by hand.mp4")["ETag"] == etag
    path.write_bytes(b"9876543210")
    assert s3.head("dropped/by hand.mp4")["ETag"] != etag


def test_a_file_that_replaces_an_object_is_another_object(s3: S3) -> None:
    s3.put("a.txt", b"uploaded", ContentType="text/x-mine", Metadata={"of": "old"}, Tagging="of=old")
    s3.plain("a.txt").write_bytes(b"by hand!")
    head = s3.head("a.txt", ChecksumMode="ENABLED")
    assert head["ContentType"] == "text/plain"
    assert not {"Metadata", "TagCount", "ChecksumCRC64NVME"} & head.keys()
    assert head["ETag"] != f'"{hashlib.md5(b"uploaded").hexdigest()}"'
    s3.put("a.txt", b"again")
    assert s3.get("a.txt") == b"again"


def test_a_file_that_is_removed_is_no_object_any_more(s3: S3) -> None:
    s3.put("a.txt", b"x", Metadata={"of": "old"})
    s3.plain("a.txt").unlink()
    with refused("NoSuchKey", 404):
        s3.get("a.txt")
    assert s3.keys() == []
    s3.plain("a.txt").write_bytes(b"x")
    assert "Metadata" not in s3.head("a.txt")
    s3.plain("a.txt").unlink()
    s3("DeleteBucket", Bucket="videos")


def test_replacing_keeps_open_readers_and_links_whole(s3: S3, tmp_path: Path) -> None:
    s3.put("a.bin", b"old" * 1000)
    os.link(s3.storage.locate("videos", "a.bin").path, tmp_path / "staged")
    opened = s3.plain("a.bin").open("rb")
    s3.put("a.bin", b"new")
    with opened:
        assert opened.read() == b"old" * 1000
    assert (tmp_path / "staged").read_bytes() == b"old" * 1000
    s3.delete("a.bin")
    assert (tmp_path / "staged").read_bytes() == b"old" * 1000


def test_two_contents_of_one_size_at_one_time_are_told_apart(s3: S3) -> None:
    """The clock of these tests stands still: only the dates that the storage makes up differ."""
    for content in (b"aaaa", b"bbbb", b"cccc"):
        s3.put("k", content, Metadata={"content": content.decode()})
        assert s3.head("k")["Metadata"] == {"content": content.decode()}
        assert s3.head("k")["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'


def test_folders_end_with_their_last_key(s3: S3) -> None:
    s3.put("a/b/c/1")
    s3.put("a/b/2")
    s3.delete("a/b/c/1")
    assert s3.files() == {"a/", "a/b/", "a/b/2"}
    s3.delete("a/b/2")
    assert s3.files() == set()
    s3("DeleteBucket", Bucket="videos")


def test_a_name_can_be_object_and_folder(s3: S3) -> None:
    orders = [["a", "a/b", "a/b/c"], ["a/b/c", "a/b", "a"], ["a/b", "a", "a/b/c"]]
    for order in orders:
        for key in order:
            s3.put(key, key.encode())
        assert [s3.get(key) for key in order] == [key.encode() for key in order]
        assert s3.keys() == ["a", "a/b", "a/b/c"]
        for key in order:
            s3.delete(key)
            with refused("NoSuchKey"):
                s3.get(key)
        assert s3.keys() == []
        assert s3.files() == set()
        assert s3.beside() == 0


def test_an_object_beside_its_path_can_be_replaced_and_return(s3: S3) -> None:
    s3.put("a/b", b"inside")
    s3.put("a", b"1")
    s3.put("a", b"22", Metadata={"n": "2"})
    assert s3.get("a") == b"22"
    assert s3.beside() == 1
    s3.delete("a/b")
    assert (s3.get("a"), s3.head("a")["Metadata"]) == (b"22", {"n": "2"})
    s3.put("a", b"333")
    assert s3.plain("a").read_bytes() == b"333"
    assert s3.beside() == 0
    assert s3.keys() == ["a"]


def test_empty_folders_are_in_nobodys_way(s3: S3) -> None:
    s3.plain("a/b").mkdir(parents=True)
    s3.put("a/b", b"x")
    assert s3.plain("a/b").read_bytes() == b"x"
    s3.plain("empty/er").mkdir(parents=True)
    assert s3.keys() == ["a/b"]
    assert s3("ListObjectsV2", Bucket="videos", Delimiter="/")["CommonPrefixes"] == [{"Prefix": "a/"}]
    s3.delete("a/b")
    s3("DeleteBucket", Bucket="videos")
    assert not (s3.data / "buckets" / "videos").exists()


ODD = [
    "/",
    "//",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../../escaped",
    "a/../../escaped",
    "a/./b",
    "nul\0inside",
    "\0",
    "dot.",
    "space ",
    " ",
    "line\nbreak",
    "back\\slash",
    "p" * 256,
    "q" * 255,
    "d/" * 512,
    "ä" * 128,
    "a?b=c&d",
    "100%",
    "%2e%2e",
    "*",
    "~",
    "-rf",
    ".hidden",
    "CON",
    "Case",
    "case",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "\U0001f3a5.mp4",
    "\uffff",
]


def test_odd_keys_coexist(s3: S3) -> None:
    for key in ODD:
        s3.put(key, b"of " + key.encode(), Metadata={"n": str(ODD.index(key))})
    for key in ODD:
        assert s3.get(key) == b"of " + key.encode()
        assert s3.head(key)["Metadata"] == {"n": str(ODD.index(key))}
    assert s3.keys() == sorted(ODD, key=str.encode)
    outside = {path for path in s3.data.rglob("*") if path.is_file() and path.name == "escaped"}
    assert outside == set()
    for key in ODD:
        s3.delete(key)
    assert s3.keys() == []
    assert (s3.files(), s3.beside(), s3.unfinished()) == (set(), 0, [])


def test_ordinary_keys_are_plain(s3: S3) -> None:
    for key in ("a/b/c.mp4", "dot.", "100%", ".hidden", "Case", "case", "é.mp4", "q" * 255, "with space"):
        s3.put(key, b"x")
        assert s3.plain(key).is_file()
    assert s3.beside() == 0


def test_a_key_longer_than_1024_bytes_is_refused(s3: S3) -> None:
    s3.put("ä" * 512)
    with refused("KeyTooLongError", 400):
        s3.put("ä" * 512 + "x")


def test_links_lead_nowhere(s3: S3, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    s3.plain("folder").symlink_to(secret)
    s3.plain("file").symlink_to(secret / "file")
    assert s3.keys() == []
    for key in ("file", "folder", "folder/file"):
        with refused("NoSuchKey"):
            s3.get(key)
    s3.put("folder/file", b"mine")
    s3.put("folder/new", b"mine")
    s3.put("file", b"mine")
    assert [s3.get(key) for key in ("file", "folder/file", "folder/new")] == [b"mine"] * 3
    assert {path.name: path.read_bytes() for path in secret.iterdir()} == {"file": b"secret"}
    for key in ("file", "folder/file", "folder/new"):
        s3.delete(key)
    assert (secret / "file").read_bytes() == b"secret"
    (s3.data / "buckets" / "linked").symlink_to(secret)
    assert [bucket["Name"] for bucket in s3("ListBuckets")["Buckets"]] == ["videos"]
    with refused("NoSuchBucket"):
        s3.get("file", bucket="linked")


def test_pipes_and_names_that_are_no_text_are_no_objects(s3: S3) -> None:
    os.mkfifo(s3.plain("pipe"))
    (s3.data / "buckets" / "videos" / os.fsdecode(b"\xff.mp4")).write_bytes(b"x")
    assert s3.keys() == []
    with refused("NoSuchKey"):
        s3.get("pipe")
    with refused("BucketNotEmpty", 409):
        s3("DeleteBucket", Bucket="videos")


def test_a_broken_upload_leaves_nothing(s3: S3) -> None:
    s3.put("a", b"old")
    with pytest.raises(ClientGoneError):
        s3("PutObject", Bucket="videos", Key="a", Body=Body(b"x" * 3_000_000, error=ClientGoneError()))
    assert s3.get("a") == b"old"
    assert s3.unfinished() == []


def test_a_cancelled_upload_leaves_nothing(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it is cancelled while a thread writes: the thread ends first."""
    writing, go_on = threading.Event(), threading.Event()
    order: list[str] = []
    real = os.pwrite

    def slow(descriptor: int, block: Any, offset: int) -> int:
        writing.set()
        assert go_on.wait(30)
        written = real(descriptor, block, offset)
        order.append("written")
        return written

    monkeypatch.setattr(os, "pwrite", slow)
    monkeypatch.setattr(Draft, "close", lambda self, close=Draft.close: (order.append("closed"), close(self)))

    async def upload() -> None:
        call = asyncio.ensure_future(s3.operations["PutObject"](CALLER, {"Bucket": "videos", "Key": "k", "Body": Body(b"x" * 3_000_000)}))
        while not writing.is_set():
            await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.sleep(0.01)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await call

    RUNNER.run(upload())
    assert order == ["written", "closed"]
    assert s3.unfinished() == []
    with refused("NoSuchKey"):
        s3.get("k")


def test_a_full_disk_is_told_and_leaves_nothing(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("a", b"old", Metadata={"of": "old"})
    real, left = os.pwrite, [1_500_000]

    def full(descriptor: int, block: bytes, offset: int) -> int:
        if not left[0]:
            raise OSError(28, "No space left on device")
        block = memoryview(block)[: left[0]]
        left[0] -= len(block)
        return real(descriptor, block, offset)

    monkeypatch.setattr(os, "pwrite", full)
    with refused("InsufficientStorage", 507, "full"):
        s3.put("a", b"x" * 4_000_000)
    with refused("InsufficientStorage", 507):
        s3.put("a", b"")  # no room even for the record
    monkeypatch.undo()
    assert (s3.get("a"), s3.head("a")["Metadata"]) == (b"old", {"of": "old"})
    assert s3.unfinished() == []


def test_large_bodies_pass_through_in_pieces(s3: S3) -> None:
    content = bytes(range(256)) * 20_000
    s3.put("big", content)
    assert s3.get("big") == content
    assert s3.get("big", Range="bytes=1048570-2097160") == content[1048570:2097161]


@pytest.fixture
def watched(tmp_path: Path, clock: ManualClock) -> tuple[S3, list[Change]]:
    seen: list[Change] = []
    return S3(tmp_path / "watched", clock, observer=seen.append), seen


def test_changes_are_observed(watched: tuple[S3, list[Change]]) -> None:
    s3, seen = watched
    s3("CreateBucket", Bucket="videos")
    s3.put("a", b"x")
    s3("CopyObject", Bucket="videos", Key="b", CopySource="videos/a")
    s3.delete("a")
    s3.delete("never there")
    s3.versioning("Enabled")
    s3.delete("b")
    assert [(change.event, change.bucket, change.key) for change in seen] == [
        ("ObjectCreated:Put", "videos", "a"),
        ("ObjectCreated:Copy", "videos", "b"),
        ("ObjectRemoved:Delete", "videos", "a"),
        ("ObjectRemoved:DeleteMarkerCreated", "videos", "b"),
    ]


def test_a_job_finds_the_file(s3: S3) -> None:
    s3.put("a.mp4", b"video")
    located = s3.storage.locate("videos", "a.mp4")
    assert (located.path, located.size, located.version) == (s3.plain("a.mp4"), 5, None)
    assert f'"{located.etag}"' == s3.head("a.mp4")["ETag"]
    for bucket, key, version in (("videos", "b", None), ("nobody", "a.mp4", None), ("videos", "a.mp4", "x"), ("../..", "a", None)):
        with pytest.raises(ObjectNotFoundError, match=r"s3://"):
            s3.storage.locate(bucket, key, version)
    s3.versioning("Enabled")
    assert s3.storage.locate("videos", "a.mp4").version == "null"
    new = s3.put("a.mp4", b"newer")["VersionId"]
    assert s3.storage.locate("videos", "a.mp4").version == new
    assert s3.storage.locate("videos", "a.mp4", "null").path.read_bytes() == b"video"
    marker = s3.delete("a.mp4")["VersionId"]
    for gone in (None, marker):
        with pytest.raises(ObjectNotFoundError):
            s3.storage.locate("videos", "a.mp4", gone)


def test_another_process_reads_along(s3: S3) -> None:
    """A worker has a storage of its own, and sees each change at once."""
    from openrek.localaws.s3 import Storage

    other = Storage(s3.data)
    s3.put("a", b"1")
    assert other.locate("videos", "a").size == 1
    s3.put("a", b"22")
    assert other.locate("videos", "a").size == 2
    s3.versioning("Enabled")
    s3.delete("a")
    with pytest.raises(ObjectNotFoundError):
        other.locate("videos", "a")
    assert other.locate("videos", "a", "null").size == 2
