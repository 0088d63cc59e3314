"""Packages: what is refused, what is kept, what lies unpacked."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packing import packed

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.functions import packages as module
from openrek.localaws.functions.packages import Packages


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    made = Packages(tmp_path / "functions")
    made.prepare()
    return made


def linked(name: str, target: str, **files: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, target)
        for inside, text in files.items():
            archive.writestr(inside.replace("__", "/"), text)
    return made.getvalue()


def test_kept_and_unpacked(packages: Packages) -> None:
    data = packed({"code.py": "x = 1", "package/inside.txt": "text"})
    package = packages.keep(data)
    assert (package.sha256, package.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert packages.keep(data) == package
    folder = packages.unpacked(package.sha256)
    assert {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()} == {
        "code.py": "x = 1",
        "package/inside.txt": "text",
    }
    assert not os.access(folder / "code.py", os.X_OK)
    assert packages.path(package.sha256).read_bytes() == data


def test_a_full_disk_leaves_nothing_half_unpacked(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    package = packages.keep(packed({"one.py": "", "two.py": ""}))
    copy = shutil.copyfileobj

    def full(source: Any, target: Any, *others: Any) -> None:
        if Path(target.name).name == "two.py":
            raise OSError(errno.ENOSPC, "No space left on device")
        copy(source, target, *others)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(OSError, match="No space left"):
            packages.unpacked(package.sha256)
    assert list(packages.code.iterdir()) == []
    assert (packages.unpacked(package.sha256) / "two.py").exists()


def test_links_inside_stay_links(packages: Packages) -> None:
    folder = packages.unpacked(packages.keep(linked("lib/current", "../versions/1.txt", versions__1="")).sha256)
    assert os.readlink(folder / "lib/current") == "../versions/1.txt"


@pytest.mark.parametrize(
    "data",
    [
        b"no zip",
        packed({"../outside.py": ""}),
        packed({"/absolute.py": ""}),
        packed({"a/../../outside.py": ""}),
        linked("link", "/etc/passwd"),
        linked("link", "../outside"),
        linked("a/link", "../../outside"),
        linked("a/link", "inside/../../../outside"),
        linked("a", ".", a__b="through the link"),
        packed({"a": "", "a/b": ""}),
        packed({"a/": "", "a": ""}),
        packed({".": ""}),
        packed({"a" * 300: ""}),
        packed({"/".join(["deep"] * 600): ""}),
        packed({"code.py": "x" * 100})[:60],
        packed({"code.py": "some text"}).replace(b"some text", b"other txt"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(packages: Packages, data: bytes) -> None:
    with pytest.raises(ServiceError, match=r"Could not unzip uploaded file\. Please check your file, then try to upload again\."):
        packages.keep(data)
    assert list(packages.code.iterdir()) == []


@pytest.mark.parametrize("data", [b"", packed({})])
def test_nothing_is_refused(packages: Packages, data: bytes) -> None:
    with pytest.raises(ServiceError, match="Uploaded file must be a non-empty zip"):
        packages.keep(data)


def test_what_becomes_too_large_is_refused(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_UNPACKED", 1000)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(1001))
    with pytest.raises(ServiceError, match="Unzipped size must be smaller than 1000 bytes"):
        packages.keep(made.getvalue())


def test_a_sweep_removes_what_nobody_needs_and_what_is_not_too_new(packages: Packages) -> None:
    used, unused, new = (packages.keep(packed({"code.py": text})).sha256 for text in ("used", "unused", "new"))
    for one in (used, unused):
        packages.unpacked(one)
        os.utime(packages.path(one), (1000, 1000))
    packages.sweep({used}, before=2000)
    assert {one: packages.path(one).exists() for one in (used, unused, new)} == {used: True, unused: False, new: True}
    assert (packages.code / used).exists()
    assert not (packages.code / unused).exists()


def test_what_a_predecessor_unpacked_is_unpacked_again(packages: Packages, tmp_path: Path) -> None:
    sha256 = packages.keep(packed({"code.py": "x"})).sha256
    (packages.unpacked(sha256) / "code.py").unlink()
    again = Packages(tmp_path / "functions")
    again.prepare()
    assert (again.unpacked(sha256) / "code.py").read_text() == "x"
