"""What is true of the test media, and how boundaries and cues are scored against it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NEUTRAL = 2
"""Frames around a gradual transition within which a boundary counts neither way."""
Cue = tuple[str, int, int]
"""Type, first and last frame."""


@dataclass(frozen=True)
class Truth:
    """A clip, its hard cuts (first frames of shots), gradual transitions (first and last frame) and cues."""

    path: Path
    kind: str
    cuts: tuple[int, ...] = ()
    gradual: tuple[tuple[int, int], ...] = ()
    cues: tuple[Cue, ...] = ()

    def is_neutral(self, frame: int) -> bool:
        """Whether a boundary there counts neither way."""
        return any(first - NEUTRAL <= frame <= last + 1 + NEUTRAL for first, last in self.gradual)


@dataclass
class Score:
    """Found, missed and false boundaries."""

    hits: int = 0
    missed: int = 0
    false: int = 0
    where: list[str] = field(default_factory=list)

    def add(self, truth: Truth, found: Iterable[int], tolerance: int) -> None:
        """Score the boundaries of one clip; each may stand for one cut."""
        free = sorted(set(found))
        for cut in truth.cuts:
            near = min((frame for frame in free if abs(frame - cut) <= tolerance), key=lambda frame: abs(frame - cut), default=None)
            if near is None:
                self.missed += 1
                self.where.append(f"{truth.path.name}: {cut} missed")
            else:
                self.hits += 1
                free.remove(near)
        false = [frame for frame in free if not truth.is_neutral(frame)]
        self.false += len(false)
        self.where += [f"{truth.path.name}: {frame} false" for frame in false]

    @property
    def precision(self) -> float:
        """Share of what was found that is true."""
        return self.hits / max(1, self.hits + self.false)

    @property
    def recall(self) -> float:
        """Share of what is true that was found."""
        return self.hits / max(1, self.hits + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        return 2 * self.hits / max(1, 2 * self.hits + self.false + self.missed)


def programme(path: Path) -> Truth:
    """A composed programme: cuts are the first frames of shots and cues that no gradual transition touches."""
    stored = json.loads(path.with_suffix(".gt.json").read_text())
    gradual = tuple((t["start"], t["end"]) for t in stored["transitions"] if t["type"] != "cut")
    starts = {cue["StartFrameNumber"] for cue in stored["technical_cues"]} | {shot["start"] for shot in stored["shots"]}
    cues = tuple((cue["Type"], cue["StartFrameNumber"], cue["EndFrameNumber"]) for cue in stored["technical_cues"])
    truth = Truth(path, "programme", gradual=gradual)
    return Truth(path, "programme", tuple(sorted(f for f in starts if f and not truth.is_neutral(f))), gradual, cues)


def annotated(media: Path) -> list[Truth]:
    """The real clips with annotated shots."""
    truths = []
    for name, about in json.loads((media / "annotations/dev_clips.json").read_text()).items():
        path = next((media / "clips").rglob(name), None) or next(media.rglob(name), None)
        if "shots" in about and path is not None:
            gradual = tuple((g["start"], g["end"]) for g in about["shots"]["gradual"])
            truths.append(Truth(path, "annotated", tuple(about["shots"]["cuts_first_frame_of_new_shot"]), gradual))
    return truths


def slides(media: Path) -> list[Truth]:
    """Slide shows and the composed clip of faces: a cut wherever something else is shown."""
    truths = []
    for path in sorted((media / "composed").glob("dev_*.mp4")):
        stored: dict[str, Any] = json.loads(path.with_suffix(".gt.json").read_text())
        if "cuts_frames" in stored:
            truths.append(Truth(path, "slides", tuple(stored["cuts_frames"])))
        elif "items" in stored:
            truths.append(Truth(path, "slides", tuple(round(i["start_ms"] * stored["fps"] / 1000) for i in stored["items"][1:])))
    return truths


def with_flashes(source: Path, target: Path, seed: int) -> Truth:
    """An uncut clip in which a flash goes off about every second, of one to three frames, over the whole picture or a part of it."""
    import av

    rng = np.random.default_rng(seed)
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        from fractions import Fraction

        rate = reading.streams.video[0].average_rate or Fraction(25)
        stream = writing.add_stream("libx264", rate, options={"preset": "veryfast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        until, light, mask = -1, 0.0, np.zeros((360, 640, 1), np.float32)
        following = 15
        for number, frame in enumerate(reading.decode(video=0)):
            if number >= 250:
                break
            if number == following:
                until, light = number + int(rng.integers(0, 3)), float(rng.uniform(0.5, 1))
                following = number + int(rng.integers(20, 40))
                rows, columns = np.mgrid[:360, :640]
                distance = np.hypot(columns - rng.uniform(0, 640), rows - rng.uniform(0, 360))
                mask = np.exp(-distance / rng.uniform(200, 4000))[..., None].astype(np.float32)
            picture = cv2.resize(frame.to_ndarray(format="rgb24"), (640, 360), interpolation=cv2.INTER_AREA)
            if number <= until:
                share = light * mask
                picture = (picture * (1 - share) + 255 * share).astype(np.uint8)
            out = av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), "rgb24")
            out.pts, out.time_base = number, 1 / rate
            writing.mux(stream.encode(out))
        writing.mux(stream.encode(None))
    return Truth(target, "flashes")


def cue_errors(truth: Sequence[Cue], found: Sequence[Cue]) -> dict[str, tuple[int, int, int, int]]:
    """By type: cues that were found (by half their union), missed, false; and the worst boundary error in frames of those found."""
    result = {}
    for kind in sorted({cue[0] for cue in (*truth, *found)}):
        free = [cue for cue in found if cue[0] == kind]
        hits = missed = worst = 0
        for cue in (cue for cue in truth if cue[0] == kind):
            best = max(free, key=lambda other: _overlap(cue, other), default=None)
            if best is None or _overlap(cue, best) < 0.5:
                missed += 1
                continue
            hits += 1
            free.remove(best)
            worst = max(worst, abs(best[1] - cue[1]), abs(best[2] - cue[2]))
        result[kind] = (hits, missed, len(free), worst)
    return result


def _overlap(one: Cue, other: Cue) -> float:
    shared = min(one[2], other[2]) - max(one[1], other[1]) + 1
    return max(shared, 0) / (max(one[2], other[2]) - min(one[1], other[1]) + 1)
