"""On file systems that take `Case`, `case` and both forms of `é` for one name, or have short names, keys still are what they are."""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from s3_support import S3, refused

from openrek.clock import ManualClock
from openrek.localaws.s3 import folder as folders
from openrek.localaws.s3 import storage
from openrek.localaws.s3.files import open_folder


def folded(name: str, where: int | None) -> str:
    """The name that such a file system finds when it is asked for this one."""
    if where is not None:
        for other in os.listdir(where):
            if unicodedata.normalize("NFD", other).casefold() == unicodedata.normalize("NFD", name).casefold():
                return other
    return name


def folding_os() -> Any:
    """`os` as far as folders use it."""

    def by_name(function: Any) -> Any:
        def call(name: str, *arguments: Any, dir_fd: int | None = None, **named: Any) -> Any:
            return function(folded(name, dir_fd), *arguments, dir_fd=dir_fd, **named)

        return call

    def rename(source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        os.rename(folded(source, src_dir_fd), folded(target, dst_dir_fd), src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    own = {name: by_name(getattr(os, name)) for name in ("open", "stat", "unlink", "mkdir")}
    return SimpleNamespace(**vars(os) | own | {"rename": rename, "replace": rename})


@pytest.fixture
def folding(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> S3:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(folders, "os", folding_os())
    monkeypatch.setattr(folders, "open_folder", lambda name, at=None: open_folder(folded(name, at) if at is not None else name, at=at))
    monkeypatch.setattr(storage, "keeps_names", lambda _: False)
    s3 = S3(tmp_path, clock)
    s3("CreateBucket", Bucket="videos")
    return s3


def test_names_that_are_one(folding: S3) -> None:
    pairs = [("Case", "case"), ("A/x", "a/x"), ("é", "e\u0301"), ("b/C", "b/c")]
    keys = sorted((key for pair in pairs for key in pair), key=str.encode)
    for pair in pairs:
        for key in pair:
            folding.put(key, key.encode())
    assert folding.keys() == keys
    assert [folding.get(key) for key in keys] == [key.encode() for key in keys]
    for first, second in pairs:
        folding.delete(first)
        assert folding.get(second) == second.encode()
        with refused("NoSuchKey"):
            folding.get(first)
    assert folding.keys() == sorted((second for _, second in pairs), key=str.encode)


def test_it_is_found_out(tmp_path: Path) -> None:
    folders.lay_probe(tmp_path)
    assert folders.keeps_names(tmp_path)
    (probe,) = tmp_path.iterdir()
    (tmp_path / probe.name.swapcase()).touch()
    assert not folders.keeps_names(tmp_path)


def test_short_names(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypted folders have names of no more than 143 bytes."""

    def short(function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            if any(isinstance(name, str) and len(name) > 143 for name in arguments):
                raise OSError(errno.ENAMETOOLONG, "File name too long")
            return function(*arguments, **named)

        return call

    names = ("open", "stat", "unlink", "mkdir", "rename", "replace")
    monkeypatch.setattr(folders, "os", SimpleNamespace(**vars(os) | {name: short(getattr(os, name)) for name in names}))
    monkeypatch.setattr(folders, "open_folder", short(open_folder))
    keys = ["a" * 143, "a" * 144, "b/" + "c" * 144, "d" * 144 + "/e"]
    for key in keys:
        s3.put(key, key.encode())
    assert s3.keys() == keys
    assert [s3.get(key) for key in keys] == [key.encode() for key in keys]
    assert s3.beside() == 3
