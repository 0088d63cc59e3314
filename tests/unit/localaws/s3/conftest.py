"""One bucket of the embedded S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_support import RUNNER, S3

from openrek.clock import ManualClock


@pytest.fixture(scope="session", autouse=True)
def _runner() -> Iterator[None]:
    with RUNNER:
        yield


@pytest.fixture
def s3(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A bucket `videos` in an empty folder. Nothing is flushed: no test cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    opened = S3(tmp_path / "data", clock)
    opened("CreateBucket", Bucket="videos")
    return opened
