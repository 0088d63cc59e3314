"""What is asked of a video, and the plain records that come back.

A feature names demands. Observers look at pixels and sound and answer every demand with observations, a batch a chunk.
Both are values: they cross processes and machines, and they are kept in files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from openrek.errors import ObservationError


@dataclass(frozen=True, slots=True)
class Sampling:
    """When to look: at all frames, at keyframes, at the frames shown at `rate` instants a second, or in `rate` blocks of sound a second."""

    kind: Literal["frames", "keyframes", "rate", "blocks"]
    rate: Fraction | None = None

    def __post_init__(self) -> None:
        if (self.rate is not None) != (self.kind in ("rate", "blocks")) or (self.rate is not None and self.rate <= 0):
            raise ValueError(f"a sampling of kind {self.kind!r} cannot have the rate {self.rate}")


EVERY_FRAME = Sampling("frames")
KEYFRAMES = Sampling("keyframes")


@dataclass(frozen=True, slots=True)
class Demand:
    """What a feature wants to have observed.

    Attributes
    ----------
    role
        The network or measure that looks: a key of `SCHEMAS`.
    sampling
        When it looks.
    warm_up
        Seconds before a chunk that are decoded and shown to the observer, but not emitted.
    """

    role: str
    sampling: Sampling
    warm_up: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The network that answers a role in one job: name, hash of its file, version on the wire, the list that its classes index.

    `unreported` are the indices of classes that the network does not know well enough to name.
    """

    name: str
    sha256: str
    version: str
    vocabulary: str | None = None
    unreported: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """One array of an observation: its type, its shape after the first axis, the values it may hold."""

    dtype: str
    shape: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 1.0


LUMA_GRID = (9, 16)
LUMA_BINS = 32
THUMBNAIL = (27, 48)
THUMBNAIL_COLOUR = (9, 16)

SCHEMAS: Mapping[str, Mapping[str, Column]] = {
    "objects": {
        "boxes": Column("float32", (4,)),
        "confidence": Column("float32"),
        "kind": Column("int16", high=32767),
    },
    "luma-statistics": {
        "mean": Column("float32"),
        "histogram": Column("float32", (LUMA_BINS,)),
        "grid": Column("uint8", LUMA_GRID, high=255),
    },
    "thumbnail": {
        "luma": Column("uint8", THUMBNAIL, high=255),
        "chroma": Column("uint8", (*THUMBNAIL_COLOUR, 2), high=255),
        "levels": Column("uint16", (256,), high=65535),
    },
    "text-layout": {
        "boxes": Column("float32", (4,)),
        "glyphs": Column("int16", high=32767),
        "regularity": Column("float32"),
    },
    "loudness": {
        "rms": Column("float32", low=-200.0, high=40.0),
    },
}
"""The columns of every role.

objects
    One row a detection: box as ratios of the displayed frame (left, top, width, height), confidence, index of the class.
luma-statistics
    One row: mean, share of the pixels in each of 32 equal bins, mean of 9 x 16 equal tiles; of BT.709 full-range luma.
thumbnail
    One row: full-range luma averaged to 27 x 48, blue and red differences about 128 averaged to 9 x 16, and the share (of 65535) of the
    pixels that have each level of full-range luma.
text-layout
    One row a line that looks like print, whatever it says: its box as of objects, how many marks it consists of, how alike they are in
    height and how well they stand on one line.
loudness
    One row a channel-averaged block of sound: root mean square in dBFS.
"""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen at one instant.

    Attributes
    ----------
    pts
        Of the frame that was looked at, in the video's time base; of a block of sound the floor of its start.
    frame
        The frame's number in display order, from 0; of sound the block's number from the first displayed frame on.
    columns
        Arrays by name, as `SCHEMAS` says; their first axis is what was found.
    """

    pts: int
    frame: int
    columns: Mapping[str, NDArray[Any]]

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]


@dataclass(frozen=True, slots=True)
class Observations:
    """What one demand saw in one chunk, in time order, column by column.

    Attributes
    ----------
    pts, frame
        One a moment, shape (n,), int64.
    counts
        How many rows of the columns belong to each moment, shape (n,), int32.
    columns
        Arrays by name, first axis `counts.sum()`.
    """

    role: str
    pts: NDArray[np.int64]
    frame: NDArray[np.int64]
    counts: NDArray[np.int32]
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.pts)

    def __iter__(self) -> Iterator[Observation]:
        ends = np.cumsum(self.counts)
        for pts, frame, count, end in zip(self.pts, self.frame, self.counts, ends, strict=True):
            yield Observation(int(pts), int(frame), {name: column[end - count : end] for name, column in self.columns.items()})

    @classmethod
    def gather(cls, role: str, observed: Sequence[Observation]) -> Self:
        """One batch of single observations, which are in time order already."""
        columns = {
            name: np.concatenate([np.asarray(o.columns[name], column.dtype).reshape(-1, *column.shape) for o in observed])
            if observed
            else np.zeros((0, *column.shape), column.dtype)
            for name, column in SCHEMAS[role].items()
        }
        first = next(iter(SCHEMAS[role]))
        return cls(
            role,
            np.array([o.pts for o in observed], np.int64),
            np.array([o.frame for o in observed], np.int64),
            np.array([len(o.columns[first]) for o in observed], np.int32),
            columns,
        )

    def to_bytes(self) -> bytes:
        """The batch as safetensors."""
        arrays: dict[str, NDArray[Any]] = {"pts": self.pts, "frame": self.frame, "counts": self.counts}
        arrays |= {f"column.{name}": np.ascontiguousarray(column) for name, column in self.columns.items()}
        return save(arrays, metadata={"role": self.role})

    @classmethod
    def from_bytes(cls, role: str, data: bytes) -> Self:
        """Read what `to_bytes` wrote, from a process that is not trusted.

        Raises
        ------
        ObservationError
            The bytes are no batch of this role, or hold a value outside its schema.
        """
        schema = SCHEMAS[role]
        try:
            arrays = load(data)
        except (SafetensorError, ValueError, KeyError, json.JSONDecodeError) as error:
            raise ObservationError(f"not a batch of observations: {error}") from error
        if set(arrays) != {"pts", "frame", "counts", *(f"column.{name}" for name in schema)}:
            raise ObservationError(f"a batch of {role} has the arrays {sorted(arrays)}")
        pts, frame, counts = arrays["pts"], arrays["frame"], arrays["counts"]
        typed = [array.dtype.name for array in (pts, frame, counts)] == ["int64", "int64", "int32"]
        if not typed or pts.ndim != 1 or not pts.shape == frame.shape == counts.shape:
            raise ObservationError(f"a batch of {role} has moments of the wrong type or number")
        if (counts < 0).any() or (np.diff(pts) < 0).any() or (np.diff(frame) <= 0).any():
            raise ObservationError(f"a batch of {role} is not in time order")
        total = int(counts.sum(dtype=np.int64))
        columns = {}
        for name, column in schema.items():
            array = arrays[f"column.{name}"]
            if array.dtype != np.dtype(column.dtype) or array.shape != (total, *column.shape):
                raise ObservationError(f"{name} of {role} is {array.dtype}{array.shape}, not {column.dtype}{(total, *column.shape)}")
            if array.size and not (np.isfinite(array).all() and array.min() >= column.low and array.max() <= column.high):
                raise ObservationError(f"{name} of {role} leaves {column.low} to {column.high}")
            columns[name] = array
        return cls(role, pts, frame, counts, columns)


class Observed(Protocol):
    """All that was observed of a video, read as a stream as often as one likes."""

    def __call__(self, demand: Demand) -> Iterator[Observation]:
        """Everything that a demand saw, in time order."""
        ...


@dataclass(frozen=True, slots=True)
class Damage:
    """Packets of a chunk that could not be decoded."""

    packets: int = 0
    messages: tuple[str, ...] = ()

    def __add__(self, other: Damage) -> Damage:
        """The damage of both."""
        return Damage(self.packets + other.packets, tuple(dict.fromkeys(self.messages + other.messages)))
