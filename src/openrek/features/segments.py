"""Segment detection: shots, and technical cues such as colour bars, black frames and credits.

Rows come in the order in which Get returns them: by type in the order in which the request names them, then by time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from openrek.errors import InvalidRequestError
from openrek.features.base import Params, Reduction, Row, Table, View
from openrek.features.black import BLOCKS, MAX_PIXEL_THRESHOLD, MIN_COVERAGE_PERCENTAGE, BlackRule, Bools, loud_frames
from openrek.features.cues import cues
from openrek.features.frame_facts import FrameFacts, gather
from openrek.features.gaps import gaps
from openrek.features.shots import Boundaries, boundaries, stride_of
from openrek.features.text_lines import TEXT_LAYOUT, pages
from openrek.observations import EVERY_FRAME, Demand, ModelFacts
from openrek.timecode import milliseconds, smpte
from openrek.video import VideoFacts

MIN_CONFIDENCE = 50.0
"""Percent under which no segment is returned unless the request says otherwise."""
THUMBNAIL = Demand("thumbnail", EVERY_FRAME)
LOUDNESS = Demand("loudness", BLOCKS)
_FILTERS = {"SHOT": "ShotFilter", "TECHNICAL_CUE": "TechnicalCueFilter"}


def in_order(row: Row) -> tuple[int]:
    """As the reduction gives them: equal keys keep their order."""
    return (0,)


class SegmentDetection:
    """StartSegmentDetection and GetSegmentDetection."""

    name = "segments"
    noun = "SegmentDetection"
    member = "Segments"
    version = 1
    tables: Mapping[str, Table] = {"SEGMENTS": Table({"TYPE": in_order})}
    resources: tuple[str, ...] = ()

    def check(self, request: Params) -> None:
        """Refuse a type that is asked for twice."""
        types = request["SegmentTypes"]
        if len(set(types)) < len(types):
            raise InvalidRequestError("Request has invalid parameters")

    def demands(self, request: Params, settings: Mapping[str, Any]) -> tuple[Demand, ...]:
        """Every frame in small, and sound; for technical cues print as well."""
        wanted = (THUMBNAIL, LOUDNESS)
        return wanted if request.get("SegmentTypes") == ["SHOT"] else (*wanted, TEXT_LAYOUT)

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        """A row for every segment that its filter admits."""
        video, types = reduction.video, reduction.request["SegmentTypes"]
        rule = _black_rule(reduction.request)
        facts = gather(reduction.observed(THUMBNAIL), rule)
        if not len(facts):
            return
        loud = loud_frames(facts.pts, reduction.observed(LOUDNESS), reduction.settings["silence"], video.time_base)
        found = boundaries(lambda: reduction.observed(THUMBNAIL), video.frame_rate, gaps(facts, loud, stride_of(video.frame_rate)))
        for kind in types:
            least = _least(reduction.request, kind)
            rows = self._shots(found) if kind == "SHOT" else self._cues(reduction, facts, loud, found)
            for first, last, confidence, described in rows:
                if float(np.float32(confidence)) >= least:
                    yield "SEGMENTS", {"Type": kind, **_span(video, facts, first, last), **described}

    def view(self, request: Params) -> View:
        """There is but one."""
        return View("SEGMENTS", "TYPE")

    def describe(self, request: Params, models: Mapping[str, ModelFacts]) -> Row:
        """The types that were asked for, and the version of what finds them."""
        return {"SelectedSegmentTypes": [{"Type": kind, "ModelVersion": f"{self.version}.0"} for kind in request.get("SegmentTypes", ())]}

    def _shots(self, found: Boundaries) -> Iterator[tuple[int, int, float, Row]]:
        for index, shot in enumerate(found.shots()):
            confidence = 100 * shot.confidence
            yield shot.first, shot.last, confidence, {"ShotSegment": {"Index": index, "Confidence": confidence}}

    def _cues(self, reduction: Reduction, facts: FrameFacts, loud: Bools, found: Boundaries) -> Iterator[tuple[int, int, float, Row]]:
        printed = pages(reduction.observed(TEXT_LAYOUT), facts.pts)
        for cue in cues(facts, loud, found, printed, reduction.video.frame_rate):
            confidence = 100 * cue.confidence
            yield cue.first, cue.last, confidence, {"TechnicalCueSegment": {"Type": cue.kind, "Confidence": confidence}}


def _black_rule(request: Params) -> BlackRule:
    asked = request.get("Filters", {}).get("TechnicalCueFilter", {}).get("BlackFrame", {})
    return BlackRule(
        float(np.float32(asked.get("MaxPixelThreshold", MAX_PIXEL_THRESHOLD))),
        float(np.float32(asked.get("MinCoveragePercentage", MIN_COVERAGE_PERCENTAGE))) / 100,
    )


def _least(request: Params, kind: str) -> float:
    # Percentages are 32-bit numbers on the wire: one that comes back as a threshold must still meet itself.
    return float(np.float32(request.get("Filters", {}).get(_FILTERS[kind], {}).get("MinSegmentConfidence", MIN_CONFIDENCE)))


def _span(video: VideoFacts, facts: FrameFacts, first: int, last: int) -> Row:
    """When a segment is: its first and its last frame, and what lies between them."""
    start, end = (milliseconds(int(facts.pts[place]), video.start_pts, video.time_base) for place in (first, last))
    start_frame, end_frame = int(facts.numbers[first]), int(facts.numbers[last])
    rate: Fraction = video.frame_rate
    return {
        "StartTimestampMillis": start,
        "EndTimestampMillis": end,
        "DurationMillis": end - start,
        "StartTimecodeSMPTE": smpte(start_frame, rate),
        "EndTimecodeSMPTE": smpte(end_frame, rate),
        "DurationSMPTE": smpte(end_frame - start_frame, rate),
        "StartFrameNumber": start_frame,
        "EndFrameNumber": end_frame,
        "DurationFrames": end_frame - start_frame,
    }
