"""kill -9 of a process that writes: each object is a whole one afterwards, and what is told of it is true."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.s3.storage import Storage

WRITER = """
import asyncio, hashlib, random, sys
from pathlib import Path
from openrek.awsmodel.calls import Caller
from openrek.localaws.s3.operations import s3_operations
from openrek.localaws.s3.storage import Storage

class Body:
    trailers = {}
    def __init__(self, content):
        self.content, self.length = content, len(content)
    async def __aiter__(self):
        yield self.content

async def write(data, seed):
    storage = Storage(Path(data))
    storage.prepare()
    s3, caller, rng = s3_operations(storage), Caller("0" * 12, "us-east-1", "", "", "", ""), random.Random(seed)
    print("ready", flush=True)
    while True:
        key = rng.choice(["a", "a/b", "c/d/e", "f//g"])
        named = {"Bucket": "videos", "Key": key}
        if rng.random() < 0.3:
            s3["DeleteObject"](caller, named)
        else:
            content = rng.randbytes(rng.choice([0, 10, 10, 100_000, 3_000_000]))
            metadata = {"md5": hashlib.md5(content).hexdigest()}
            await s3["PutObject"](caller, {**named, "Body": Body(content), "Metadata": metadata})

asyncio.run(write(sys.argv[1], int(sys.argv[2])))
"""
KEYS = ("a", "a/b", "c/d/e", "f//g")


@pytest.mark.parametrize("versioning", [None, "Enabled"])
def test_nothing_is_half(tmp_path: Path, versioning: str | None) -> None:
    from openrek.localaws.s3.bucket import BucketFacts

    storage = Storage(tmp_path)
    storage.prepare()
    storage.create_bucket("videos", BucketFacts("us-east-1", 0, versioning))
    rng = random.Random(7)
    seen = 0
    for round_number in range(6):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(round_number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            threading.Event().wait(rng.uniform(0.05, 0.4))
            writer.send_signal(signal.SIGKILL)
        seen += _check(Storage(tmp_path))  # as a worker would see it
        again = Storage(tmp_path)
        again.prepare()
        _check(again)
        assert list((tmp_path / "s3" / "unfinished").iterdir()) == []
    assert seen > 0


def _check(storage: Storage) -> int:
    bucket = storage.bucket("videos")
    found = 0
    for key in KEYS:
        for stored in bucket.all(key):
            if stored.entry.marker:
                continue
            content = stored.path.read_bytes()
            digest = hashlib.md5(content).hexdigest()
            assert stored.entry.etag == digest
            assert stored.entry.description.metadata == {"md5": digest}
            found += 1
    listed = []
    keys, bound = bucket.keys(""), b""
    while (key := keys.ceiling(bound)) is not None:
        listed.append(key.decode())
        bound = key + b"\0"
    assert listed == [key for key in sorted(KEYS) if _exists(storage, key)]
    return found


def _exists(storage: Storage, key: str) -> bool:
    try:
        storage.bucket("videos").find(key)
    except ServiceError:
        return False
    return True
