"""Sorting more rows than memory holds: sorted runs in a temporary file, merged as they are read."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from array import array
from collections.abc import Iterator
from heapq import merge
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import IO, Self

Key = tuple[str | int | float, ...]
_Entry = tuple[Key, bytes]

_OVERHEAD = 400
"""Bytes that Python's objects for one entry take beside its row, on the high side."""
_BATCH = 64 * 1024
"""Bytes of rows that a merge reads of a run at a time."""
_HEADER = struct.Struct("<IIQ")
_by_key = itemgetter(0)


class ExternalSort:
    """Takes rows in any order and gives them in the order of their keys; rows of equal keys stay in the order in which they came.

    Memory stays within `memory_bytes`, and another 64 KiB for each run (each `memory_bytes` of rows) while it is read.
    The runs lie in a file that has no name: it is gone when the sort is closed, and when the process dies.

    Parameters
    ----------
    directory
        Where the file is made once memory is full. All rows of a sort may come to lie there.

    Raises
    ------
    OSError
        The disk is full (`add`).
    """

    def __init__(self, directory: Path, memory_bytes: int = 16 * 1024**2) -> None:
        self._directory = directory
        self._budget = memory_bytes
        self._entries: list[_Entry] = []
        self._size = 0
        self._file: IO[bytes] | None = None
        self._ends: list[int] = []

    def add(self, key: Key, row: bytes) -> None:
        """Take a row. Keys of one sort have the same length and comparable members, none of them a NaN."""
        self._entries.append((key, row))
        self._size += len(row) + _OVERHEAD
        if self._size >= self._budget:
            self._spill()

    def __iter__(self) -> Iterator[bytes]:
        """All rows that have been added so far, in order; as often as one likes."""
        self._entries.sort(key=_by_key)
        runs = [self._read(start, end) for start, end in pairwise([0, *self._ends])]
        for _, row in merge(*runs, self._entries, key=_by_key):
            yield row

    def close(self) -> None:
        """Forget all rows."""
        self._entries, self._ends = [], []
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spill(self) -> None:
        if self._file is None:
            descriptor, name = tempfile.mkstemp(dir=self._directory, prefix="openrek-sort-")
            os.unlink(name)
            self._file = os.fdopen(descriptor, "w+b")
        self._entries.sort(key=_by_key)
        batch: list[_Entry] = []
        size = 0
        for entry in self._entries:
            batch.append(entry)
            size += len(entry[1])
            if size >= _BATCH:
                self._file.write(_pack(batch))
                batch, size = [], 0
        self._file.write(_pack(batch))
        self._file.flush()
        self._ends.append(self._file.tell())
        self._entries, self._size = [], 0

    def _read(self, start: int, end: int) -> Iterator[_Entry]:
        assert self._file is not None
        while start < end:
            header = os.pread(self._file.fileno(), _HEADER.size, start)
            count, keys, rows = _HEADER.unpack(header)
            lengths_end = 4 * count
            keys_end = lengths_end + keys
            body = os.pread(self._file.fileno(), keys_end + rows, start + _HEADER.size)
            position = keys_end
            for key, length in zip(json.loads(body[lengths_end:keys_end]), array("I", body[:lengths_end]), strict=True):
                yield tuple(key), body[position : position + length]
                position += length
            start += _HEADER.size + len(body)


def _pack(batch: list[_Entry]) -> bytes:
    lengths = array("I", [len(row) for _, row in batch]).tobytes()
    keys = json.dumps([key for key, _ in batch], separators=(",", ":")).encode()
    rows = b"".join(row for _, row in batch)
    return _HEADER.pack(len(batch), len(keys), len(rows)) + lengths + keys + rows
