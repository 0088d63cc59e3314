"""Whatever is put, deleted, dropped and removed in whatever order under whatever names: the bucket is like a dictionary of lists."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from s3_support import S3, refused

from openrek.clock import ManualClock
from openrek.localaws.s3.names import plain_parts

ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
TANGLED = st.lists(st.sampled_from(["a", "b", "", ".", "..", "ä", "c" * 256]), min_size=1, max_size=4).map("/".join).filter(bool)
NUMBERS = itertools.count(1)


class BucketMachine(RuleBasedStateMachine):
    """Versions of each key, latest first: id, and bytes or None for a delete marker."""

    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.data = Path(tempfile.mkdtemp(prefix="openrek-s3-"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda _: None)
        self.s3 = S3(self.data, ManualClock())
        self.s3("CreateBucket", Bucket="videos")
        self.status: str | None = None
        self.model: dict[str, list[tuple[str, bytes | None]]] = {}
        self.covering: set[str] = set()
        """Keys whose file was dropped over an earlier `null`, which nobody has told the storage yet: removed, it uncovers that again."""

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.data)

    @initialize(target=keys)
    def first_key(self) -> str:
        return "a"

    @rule(target=keys, key=st.one_of(ANY, TANGLED))
    def another_key(self, key: str) -> str:
        return key

    @rule(key=keys, size=st.sampled_from([0, 1, 7]))
    def put(self, key: str, size: int) -> None:
        content = str(next(NUMBERS)).encode().rjust(size, b"0")
        self.covering.discard(key)
        told = self.s3.put(key, content, Metadata={"md5": hashlib.md5(content).hexdigest()})
        self._add(key, told.get("VersionId", "null"), content)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        told = self.s3.delete(key)
        self.covering.discard(key)
        if self.status is None:
            self.model.pop(key, None)
        else:
            self._add(key, told["VersionId"], None)

    @rule(key=keys, place=st.integers(0, 3))
    def delete_version(self, key: str, place: int) -> None:
        versions = self.model.get(key, [])
        if place < len(versions):
            self.s3.delete(key, VersionId=versions.pop(place)[0])
            self.covering.discard(key)

    @rule(status=st.sampled_from(["Enabled", "Suspended"]))
    def versioning(self, status: str) -> None:
        self.s3.versioning(status)
        self.status = status

    @rule(key=keys)
    def drop_by_hand(self, key: str) -> None:
        path = self.s3.plain(key)
        try:
            if plain_parts(key) is None or path.is_dir():
                return
            replaced = path.is_file()
            path.parent.mkdir(parents=True, exist_ok=True)
            content = str(next(NUMBERS)).encode()
            path.unlink(missing_ok=True)
            path.write_bytes(content)
        except (FileExistsError, NotADirectoryError):
            return
        if replaced:
            self.model[key].pop(0)
        if any(version == "null" for version, _ in self.model.get(key, ())):
            self.covering.add(key)
        self._add(key, "null", content)

    @rule(key=keys)
    def remove_by_hand(self, key: str) -> None:
        path = self.s3.plain(key)
        if plain_parts(key) is not None and path.is_file() and key not in self.covering:
            path.unlink()
            self.model[key].pop(0)

    @rule()
    def restart(self) -> None:
        self.s3 = S3(self.data, self.s3.clock)

    @invariant()
    def reads_like_the_model(self) -> None:
        for key, versions in self.model.items():
            if versions and versions[0][1] is not None:
                assert self.s3.get(key) == versions[0][1]
                metadata = self.s3.head(key).get("Metadata")
                assert metadata in (None, {"md5": hashlib.md5(versions[0][1]).hexdigest()})
            else:
                with refused("NoSuchKey"):
                    self.s3.get(key)

    @invariant()
    def lists_like_the_model(self) -> None:
        there = [key for key, versions in self.model.items() if versions and versions[0][1] is not None]
        assert self.s3.keys() == sorted(there, key=str.encode)
        listed = self.s3("ListObjectVersions", Bucket="videos")
        for lines, is_marker in ((listed["Versions"], False), (listed["DeleteMarkers"], True)):
            expected = [
                (key, version, place == 0)
                for key in sorted(self.model, key=str.encode)
                for place, (version, content) in enumerate(self.model[key])
                if (content is None) is is_marker
            ]
            assert [(line["Key"], line["VersionId"], line["IsLatest"]) for line in lines] == expected

    @invariant()
    def leaves_nothing(self) -> None:
        assert self.s3.unfinished() == []
        assert self.s3.beside() <= sum(content is not None for versions in self.model.values() for _, content in versions)

    def _add(self, key: str, version: str, content: bytes | None) -> None:
        versions: list[Any] = self.model.setdefault(key, [])
        versions[:] = [(version, content), *(old for old in versions if old[0] != version)]


TestBucket = BucketMachine.TestCase
TestBucket.settings = settings(max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
