"""What a detector might have seen in a long video, written where the worker looks for observations: nothing is left to be decoded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from chaos_site import BUCKET
from numpy.typing import NDArray

from openrek.engine import passes
from openrek.engine.demands import observables
from openrek.engine.runners import HereRunner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import Places, VideoLimits
from openrek.features.labels import LabelDetection
from openrek.features.taxonomy import taxonomy
from openrek.localaws.s3.storage import Storage
from openrek.media.stage import identity
from openrek.observations import LUMA_BINS, LUMA_GRID, SCHEMAS, Observations
from openrek.settings import Settings
from openrek.video import ObjectReference
from openrek.vision.library import ModelLibrary
from openrek.vision.registry import VERSIONS

SEEN = ("Person", "Cat", "Truck", "Dining Table", "Vase", "Tie", "Sheep", "Mobile Phone", "Motorcycle", "Bottle", "Bear", "Boat")
"""Labels that come and go; with their ancestors they make some 14 rows a sample."""
STAY = (8, 120)
"""Samples for which one of them is there, or away, from and to."""
SHOT = 97
"""Samples between two cuts."""


def make_up(settings: Settings, key: str) -> int:
    """Observe the whole of a stored video for label detection with the settings; how many moments there are."""
    reference = ObjectReference(BUCKET, key)
    located = Storage(settings.data).locate(BUCKET, key, None)
    name = identity(reference, located.version, located.etag)
    limits = VideoLimits(settings.limits.video_seconds, settings.limits.frame_pixels, settings.strict_formats)
    store = ObservationStore(settings.data / "observations")
    runner = HereRunner(lambda task: Places(Path(located.path), None, {}))
    video = passes.index(reference, name, limits, runner, store, lambda: None)
    runner.close()
    index = store.read_index(name, limits)
    assert index is not None
    models = {"objects": ModelLibrary.of(settings).choose("objects", settings.labels.model)}
    feature = LabelDetection()
    demands = feature.demands({}, settings.of_feature("labels"))
    frames = index.packets.sampled(demands[0].sampling)
    pts = index.packets.frame_pts()[frames]
    everything = {"objects": _objects(len(frames)), "luma-statistics": _luma(len(frames))}
    for observable in observables(demands, models, VERSIONS):
        counts, columns = everything[observable.demand.role]
        ends = np.concatenate([[0], np.cumsum(counts)])
        for chunk in video.chunks:
            first, stop = np.searchsorted(pts, [chunk.start, chunk.end])
            part = {column: array[ends[first] : ends[stop]] for column, array in columns.items()}
            batch = Observations(observable.demand.role, pts[first:stop], frames[first:stop], counts[first:stop], part)
            store.write(name, observable, chunk, batch.to_bytes())
    return len(frames)


Batch = tuple[NDArray[np.int32], Mapping[str, NDArray[np.generic]]]


def _objects(moments: int) -> Batch:
    rng = np.random.default_rng(3)
    classes = [label.name for label in taxonomy().vocabulary("coco-80")]
    present = np.zeros((moments, len(SEEN)), bool)
    for number in range(len(SEEN)):
        at, there = 0, bool(rng.integers(2))
        while at < moments:
            stay = int(rng.integers(*STAY))
            present[at : at + stay, number] = there
            at, there = at + stay, not there
    instances = np.where(present, 1 + (rng.random(present.shape) < 0.3), 0)
    kinds = np.tile(np.array([classes.index(name) for name in SEEN], np.int16), moments)
    total = int(instances.sum())
    corners = rng.random((total, 2), np.float32) * np.float32(0.5)
    return instances.sum(axis=1).astype(np.int32), {
        "boxes": np.concatenate([corners, np.float32(0.1) + rng.random((total, 2), np.float32) * np.float32(0.3)], axis=1),
        "confidence": np.float32(0.55) + rng.random(total, np.float32) * np.float32(0.4),
        "kind": np.repeat(kinds, instances.ravel()),
    }


def _luma(moments: int) -> Batch:
    level = (40 + 60 * (np.arange(moments) // SHOT % 4)).astype(np.uint8)
    histogram = np.zeros((moments, LUMA_BINS), np.float32)
    histogram[np.arange(moments), level // 8] = 1
    columns = {
        "mean": level.astype(np.float32) / 255,
        "histogram": histogram,
        "grid": np.broadcast_to(level[:, None, None], (moments, *LUMA_GRID)).copy(),
    }
    assert columns.keys() == SCHEMAS["luma-statistics"].keys()
    return np.ones(moments, np.int32), columns
