"""Clips with exact truth, made by code: photographs that pan, and what editors and cameras do to them; analysed by the real parts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from openrek.engine import passes
from openrek.engine.demands import observables
from openrek.engine.runners import HereRunner, ProcessRunner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import Places, Task, VideoLimits
from openrek.features.base import Reduction, Row
from openrek.features.segments import SegmentDetection
from openrek.settings import Settings
from openrek.video import ObjectReference
from openrek.vision.registry import VERSIONS

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 320, 180
RATE = Fraction(25)
SOUND_RATE = 48_000
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "retina", "camera", "brick")


@cache
def photograph(name: str) -> Picture:
    picture = getattr(data, name)()
    picture = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, axis=2)
    big = cv2.resize(picture[..., :3], (720, round(720 * picture.shape[0] / picture.shape[1])), interpolation=cv2.INTER_AREA)
    return np.pad(big, ((0, 200), (0, 400), (0, 0)), "reflect")


def pan(name: str, speed: float = 1.0, top: int = 100) -> Iterator[Picture]:
    """An endless pan over a photograph, back and forth, so many pixels a frame."""
    whole = photograph(name)
    reach = whole.shape[1] - WIDTH
    number = 0
    while True:
        left = int(number * speed) % (2 * reach)
        left = left if left <= reach else 2 * reach - left
        yield whole[top : top + HEIGHT, left : left + WIDTH]
        number += 1


def take(pictures: Iterator[Picture], frames: int) -> list[Picture]:
    return list(islice(pictures, frames))


def plain(level: int, frames: int) -> list[Picture]:
    return [np.full((HEIGHT, WIDTH, 3), level, np.uint8)] * frames


def dissolve(old: Iterator[Picture], new: Iterator[Picture], frames: int) -> list[Picture]:
    return [
        cv2.addWeighted(a, 1 - (n + 1) / (frames + 1), b, (n + 1) / (frames + 1), 0)
        for n, (a, b) in enumerate(zip(take(old, frames), take(new, frames), strict=True))
    ]


def faded(pictures: Sequence[Picture], out: bool) -> list[Picture]:
    count = len(pictures) + 1
    return [(picture * ((count - n - 1) / count if out else (n + 1) / count)).astype(np.uint8) for n, picture in enumerate(pictures)]


def wipe(old: Iterator[Picture], new: Iterator[Picture], frames: int) -> list[Picture]:
    made = []
    for n, (a, b) in enumerate(zip(take(old, frames), take(new, frames), strict=True)):
        column = WIDTH * (n + 1) // (frames + 1)
        made.append(np.hstack([b[:, :column], a[:, column:]]))
    return made


def written(lines: Sequence[tuple[str, int, int]], ground: Picture, size: float = 0.5) -> Picture:
    """Lines of text at (left, baseline); a left of -1 is centred."""
    picture = ground.copy()
    for text, left, base in lines:
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, size, 1)
        cv2.putText(
            picture,
            text,
            ((WIDTH - width) // 2 if left < 0 else left, base),
            cv2.FONT_HERSHEY_DUPLEX,
            size,
            (240, 240, 240),
            1,
            cv2.LINE_AA,
        )
    return picture


def tone(seconds: float, level: float = 0.2) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE)).astype(np.float32)


def film(
    path: Path,
    pictures: Iterable[Picture],
    rate: Fraction = RATE,
    *,
    sound: Sequence[NDArray[np.float32]] = (),
    first_pts: int = 0,
    pts: Sequence[int] | None = None,
    interlaced: bool = False,
    container_format: str | None = None,
) -> Path:
    """Encode a clip as large as its first picture; each of `sound` is a track of mono PCM."""
    options = {"preset": "ultrafast", "crf": "16", "x264-params": "keyint=50" + (":tff=1" if interlaced else "")}
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        shown = iter(pictures)
        first = next(shown)
        stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "yuv420p"
        tracks = [container.add_stream("flac" if container_format != "mpegts" else "mp2", SOUND_RATE, layout="mono") for _ in sound]
        if pts is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(chain([first], shown)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame.pts = first_pts + (number if pts is None else pts[number])
            frame.time_base = 1 / rate if pts is None else Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for track, samples in zip(tracks, sound, strict=True):
            frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, round(first_pts / rate * SOUND_RATE), Fraction(1, SOUND_RATE)
            for resampled in av.AudioResampler(track.format.name, "mono", SOUND_RATE).resample(frame):
                container.mux(track.encode(resampled))
            container.mux(track.encode(None))
    return path


def segments(
    path: Path, types: Sequence[str] = ("TECHNICAL_CUE", "SHOT"), filters: Mapping[str, Any] | None = None, workers: int = 0
) -> list[Row]:
    """The rows of a video; in this process, or by so many workers."""
    feature, settings = SegmentDetection(), Settings().of_feature("segments")
    request: dict[str, Any] = {"SegmentTypes": list(types)} | ({"Filters": filters} if filters else {})
    feature.check(request)
    with tempfile.TemporaryDirectory() as folder:
        store = ObservationStore(Path(folder))

        def locate(task: Task) -> Places:
            return Places(path, store.index_path(task.identity, task.limits), {})

        runner = ProcessRunner(locate, workers, 3000, 60) if workers else HereRunner(locate)
        try:
            video = passes.index(ObjectReference("b", path.name), "0" * 64, VideoLimits(), runner, store, lambda: None)
            wanted = observables(feature.demands(request, settings), {}, VERSIONS)
            observed, _ = passes.observe(video, wanted, runner, store, lambda done, total: None, lambda: None)
            return [row for _, row in feature.reduce(Reduction(video.facts, request, settings, {}, observed))]
        finally:
            runner.close()


def spans(rows: Iterable[Row], kind: str = "SHOT") -> list[tuple[int, int]]:
    """First and last frames of the shots, or of the cues of a kind."""
    return [
        (row["StartFrameNumber"], row["EndFrameNumber"])
        for row in rows
        if (row["Type"] == kind == "SHOT") or row.get("TechnicalCueSegment", {}).get("Type") == kind
    ]
