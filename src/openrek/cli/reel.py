"""The demo's reel: slow pans over openly licensed photographs, with cuts, black, colour bars, printed text and a tone.

The photographs come with scikit-image and scikit-learn (the `[demo]` extra); the reel is made when it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

WIDTH, HEIGHT, RATE = 1280, 720, 25
SOUND_RATE = 48_000
_BARS = ((192, 192, 192), (192, 192, 0), (0, 192, 192), (0, 192, 0), (192, 0, 192), (192, 0, 0), (0, 0, 192))
"""75 % colour bars, red, green, blue."""

Image = NDArray[np.uint8]
View = tuple[float, float, float]
"""Centre of the view and its width, as ratios of the photograph's size."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture (height, width, 3; RGB), how long it is seen, from which view to which, and the tone that is heard."""

    picture: Callable[[], Image]
    seconds: float
    start: View = (0.5, 0.5, 1.0)
    end: View = (0.5, 0.5, 1.0)
    hertz: float = 0.0


def scenes() -> tuple[Scene, ...]:
    """The scenes of the reel, 21 seconds."""
    return (
        Scene(_bars, 2, hertz=1000),
        Scene(_black, 1),
        Scene(_photograph("astronaut.png"), 4, (0.48, 0.32, 0.85), (0.45, 0.24, 0.6), 220),
        Scene(_photograph("chelsea.png"), 4, (0.5, 0.5, 1.18), (0.5, 0.5, 1.08), 262),
        Scene(_photograph("coffee.png"), 4, (0.5, 0.5, 1.0), (0.45, 0.5, 0.8), 330),
        Scene(_photograph("motorcycle_left.png"), 3, (0.45, 0.5, 0.95), (0.55, 0.5, 0.95), 392),
        Scene(_photograph("page.png"), 2, (0.5, 0.4, 1.0), (0.5, 0.6, 1.0), 440),
        Scene(_black, 1),
    )


def make_reel(path: Path) -> None:
    """Write the reel as H.264 and AAC in MP4."""
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", RATE, options={"preset": "veryfast", "crf": "20", "x264-params": "keyint=50"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.color_range, video.codec_context.colorspace = 1, 1
        sound = container.add_stream("aac", SOUND_RATE, layout="stereo")
        _write_pictures(container, video)
        _write_sound(container, sound)


def _write_pictures(container: OutputContainer, stream: VideoStream) -> None:
    import av

    number = 0
    for scene in scenes():
        for picture in _frames(scene):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p", dst_colorspace="itu709")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            number += 1
    container.mux(stream.encode(None))


def _frames(scene: Scene) -> Iterator[Image]:
    import cv2

    picture = scene.picture()
    height, width = picture.shape[:2]
    count = round(scene.seconds * RATE)
    for i in range(count):
        x, y, part = (a + (b - a) * i / max(1, count - 1) for a, b in zip(scene.start, scene.end, strict=True))
        view_width = min(part * width, height * WIDTH / HEIGHT)
        scale = WIDTH / view_width
        left = _inside(x, view_width, width)
        top = _inside(y, view_width * HEIGHT / WIDTH, height)
        move = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
        yield np.asarray(cv2.warpAffine(picture, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _inside(centre: float, length: float, whole: int) -> float:
    """Where a view of this length begins, so that it stays inside the picture; in its middle if it is longer."""
    if length >= whole:
        return (whole - length) / 2
    return min(max(centre * whole - length / 2, 0), whole - length)


def _write_sound(container: OutputContainer, stream: AudioStream) -> None:
    import av

    tones = [np.sin(2 * np.pi * s.hertz * np.arange(round(s.seconds * SOUND_RATE)) / SOUND_RATE) * 0.1 for s in scenes()]
    samples = np.concatenate(tones).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([samples, samples]), "fltp", "stereo")
    frame.sample_rate, frame.pts = SOUND_RATE, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _photograph(name: str) -> Callable[[], Image]:
    def load() -> Image:
        from skimage import data, io

        picture = np.asarray(io.imread(Path(data.__file__).with_name(name)))
        if picture.ndim == 2:
            picture = np.stack([picture] * 3, axis=2)
        return np.ascontiguousarray(picture[..., :3], np.uint8)

    return load


def _black() -> Image:
    return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def _bars() -> Image:
    edges = np.linspace(0, WIDTH, len(_BARS) + 1).round().astype(int)
    return np.repeat(np.array(_BARS, np.uint8)[None], HEIGHT, axis=0).repeat(np.diff(edges), axis=1)
