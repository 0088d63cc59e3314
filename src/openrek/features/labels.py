"""Label detection: objects as Rekognition's labels, with their ancestors, over time.

A label's confidence is that of its most confident instance; an ancestor's is that of its most confident descendant, and it has no
instances of its own. With smoothing, confidences follow `openrek.features.smoothing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from openrek.features.aggregation import Span, Spans
from openrek.features.base import Params, Reduction, Row, Table, View
from openrek.features.cuts import with_cuts
from openrek.features.label_filter import LabelFilter
from openrek.features.sightings import Sample, Sighting, sightings
from openrek.features.smoothing import smooth
from openrek.features.taxonomy import Label, taxonomy
from openrek.observations import Demand, ModelFacts, Sampling
from openrek.timecode import milliseconds

MIN_CONFIDENCE = 50.0
"""Percent under which nothing is returned unless the request says otherwise."""


def by_time(row: Row) -> tuple[int, str, float]:
    """By time, then name."""
    return row["Timestamp"], row["Label"]["Name"], -row["Label"]["Confidence"]


def by_name(row: Row) -> tuple[str, float, int]:
    """By name, the most confident first, then by time."""
    return row["Label"]["Name"], -row["Label"]["Confidence"], row["Timestamp"]


class LabelDetection:
    """StartLabelDetection and GetLabelDetection."""

    name = "labels"
    noun = "LabelDetection"
    member = "Labels"
    version = 1
    tables: Mapping[str, Table] = {table: Table({"TIMESTAMP": by_time, "NAME": by_name}) for table in ("TIMESTAMPS", "SEGMENTS")}
    resources: tuple[str, ...] = ()

    def check(self, request: Params) -> None:
        """Nothing to refuse: whatever the service model admits makes sense, also a filter that excludes what another includes."""

    def demands(self, request: Params, settings: Mapping[str, Any]) -> tuple[Demand, ...]:
        """Objects, and to tell shots apart the luma of the same frames, at the rate of the settings."""
        sampling = Sampling("rate", Fraction(settings["sampling_rate"]))
        objects = Demand("objects", sampling)
        return (objects, Demand("luma-statistics", sampling)) if settings["smoothing"] else (objects,)

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        """A row for every label at every instant, and one for every span in which a label is there without a break."""
        wanted = _Wanted(reduction.request)
        spans = Spans()
        for sample in self._samples(reduction):
            timestamp = milliseconds(sample.pts, reduction.video.start_pts, reduction.video.time_base)
            present: dict[str, float] = {}
            for label, confidence, instances in wanted.of(sample):
                present[label.name] = confidence
                yield "TIMESTAMPS", {"Timestamp": timestamp, "Label": _describe(label, confidence) | {"Instances": instances}}
            for span in spans.advance(timestamp, present):
                yield "SEGMENTS", _segment(span)
        for span in spans.finish():
            yield "SEGMENTS", _segment(span)

    def view(self, request: Params) -> View:
        """The table that `AggregateBy` names in the order that `SortBy` names."""
        return View(request.get("AggregateBy", "TIMESTAMPS"), request.get("SortBy", "TIMESTAMP"))

    def describe(self, request: Params, models: Mapping[str, ModelFacts]) -> Row:
        """The detector's version; the table and its order."""
        table, order = self.view(request)
        return {"LabelModelVersion": models["objects"].version, "GetRequestMetadata": {"SortBy": order, "AggregateBy": table}}

    def _samples(self, reduction: Reduction) -> Iterator[Sample]:
        model = reduction.models["objects"]
        objects, *light = self.demands(reduction.request, reduction.settings)
        seen = reduction.observed(objects)
        moments = with_cuts(seen, reduction.observed(light[0])) if light else ((moment, False) for moment in seen)
        samples = sightings(moments, taxonomy().vocabulary(model.vocabulary), model.unreported)
        return smooth(samples, reduction.video.time_base) if light else samples


class _Wanted:
    """What a request wants to see of a sample."""

    def __init__(self, request: Params) -> None:
        # Percentages are 32-bit numbers on the wire: one that comes back as a threshold must still meet itself.
        self._least = float(np.float32(request.get("MinConfidence", MIN_CONFIDENCE)))
        wanted = LabelFilter.of(request)
        self._labels = taxonomy().labels
        self._admitted = {name for name, label in self._labels.items() if wanted.admits(label)}

    def of(self, sample: Sample) -> Iterator[tuple[Label, float, list[Row]]]:
        """Labels by name, each with its confidence in percent and its instances."""
        confidences: dict[str, float] = {}
        for name, sighting in sample.labels.items():
            confidence = float(np.float32(sighting.confidence * 100))
            if confidence >= self._least:
                for each in (name, *self._labels[name].parents):
                    confidences[each] = max(confidence, confidences.get(each, 0.0))
        for name in sorted(confidences.keys() & self._admitted):
            yield self._labels[name], confidences[name], self._instances(sample.labels.get(name))

    def _instances(self, sighting: Sighting | None) -> list[Row]:
        if sighting is None:
            return []
        return [
            {"BoundingBox": dict(zip(("Left", "Top", "Width", "Height"), box, strict=True)), "Confidence": confidence}
            for box, confidence in zip(sighting.boxes.tolist(), (sighting.confidences * np.float32(100)).tolist(), strict=True)
            if confidence >= self._least
        ]


def _describe(label: Label, confidence: float) -> Row:
    return {
        "Name": label.name,
        "Confidence": confidence,
        "Parents": [{"Name": parent} for parent in label.parents],
        "Aliases": [{"Name": alias} for alias in label.aliases],
        "Categories": [{"Name": category} for category in label.categories],
    }


def _segment(span: Span) -> Row:
    return {
        "Timestamp": span.start,
        "StartTimestampMillis": span.start,
        "EndTimestampMillis": span.end,
        "DurationMillis": span.end - span.start,
        "Label": _describe(taxonomy().labels[span.name], span.confidence),
    }
