"""Features that exist in these tests only, and an observer of sound that goes wrong when it is told to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from openrek.features.base import Params, Reduction, Row, Table, View
from openrek.observations import EVERY_FRAME, Demand, ModelFacts, Sampling
from openrek.timecode import milliseconds


def by_time(row: Row) -> tuple[int]:
    return (row["Timestamp"],)


class _EveryMoment:
    """One row for everything that one demand saw."""

    name = "labels"  # of the settings that it shares
    noun: str
    member: str
    version = 1
    tables: Mapping[str, Table] = {"ROWS": Table({"TIMESTAMP": by_time})}
    resources: tuple[str, ...] = ()
    demand: Demand

    def check(self, request: Params) -> None: ...

    def demands(self, request: Params, settings: Mapping[str, Any]) -> tuple[Demand, ...]:
        return (self.demand,)

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        video = reduction.video
        for moment in reduction.observed(self.demand):
            timestamp = milliseconds(moment.pts, video.start_pts, video.time_base)
            yield "ROWS", {"Timestamp": timestamp} | self.describe_moment(moment.columns)

    def describe_moment(self, columns: Mapping[str, Any]) -> Row:
        raise NotImplementedError

    def view(self, request: Params) -> View:
        return View("ROWS", "TIMESTAMP")

    def describe(self, request: Params, models: Mapping[str, ModelFacts]) -> Row:
        return {}


class LumaOfEveryFrame(_EveryMoment):
    """In the shape of face detection."""

    noun, member = "FaceDetection", "Faces"
    demand = Demand("luma-statistics", EVERY_FRAME)

    def describe_moment(self, columns: Mapping[str, Any]) -> Row:
        return {"Face": {"Quality": {"Brightness": float(columns["mean"][0]) * 100}}}


class LoudnessOfBlocks(_EveryMoment):
    """In the shape of content moderation."""

    noun, member = "ContentModeration", "ModerationLabels"
    demand = Demand("loudness", Sampling("blocks", Fraction(20)))

    def describe_moment(self, columns: Mapping[str, Any]) -> Row:
        return {"ModerationLabel": {"Name": "Loudness", "Confidence": min(100.0, 100 * 10 ** (float(columns["rms"][0]) / 20))}}


TEST_FEATURES = {"luma": LumaOfEveryFrame(), "loudness": LoudnessOfBlocks()}


def add_features() -> None:
    """Have server or worker know the features of this module."""
    from openrek.features import registry

    registry.FEATURES.update(TEST_FEATURES)  # type: ignore[attr-defined]


def misbehave(folder: Path) -> None:
    """Have the observer of sound crash, stand still or take memory, as the file `misbehaviour` says."""
    from openrek.vision.measures import Loudness

    observe = Loudness.observe

    def observed(self: Loudness, seen: Sequence[Any]) -> list[Any]:
        told = folder / "misbehaviour"
        match told.read_text() if told.exists() else None:
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "stand still":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "grow":
                taken = []
                while True:
                    taken.append(b"x" * 20_000_000)
                    time.sleep(0.02)
        return list(observe(self, seen))

    Loudness.observe = observed  # type: ignore[assignment, method-assign]
