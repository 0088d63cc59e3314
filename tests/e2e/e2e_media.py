"""Small videos of real things, made by code."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data, io

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 640, 360
FILM = Fraction(24000, 1001)
TURNED: dict[int, tuple[Callable[[Picture], Picture], tuple[int, int, int, int]]] = {
    90: (np.rot90, (0, 1, -1, 0)),
    180: (lambda picture: np.rot90(picture, 2), (-1, 0, 0, -1)),
    270: (lambda picture: np.rot90(picture, 3), (0, -1, 1, 0)),
}
"""By how much a player turns a video clockwise: how the picture must lie in the file, and the matrix that says so."""


def cat() -> Picture:
    return data.chelsea()


def motorcycle() -> Picture:
    return np.asarray(io.imread(Path(data.__file__).with_name("motorcycle_left.png")))[..., :3]


def nothing() -> Picture:
    return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


def fitted(picture: Picture, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """The whole picture in the middle of a frame."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    small = cv2.resize(picture, (round(picture.shape[1] * scale), round(picture.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    frame = np.zeros((height, width, 3), np.uint8)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    return frame


def slides(path: Path, pictures: Sequence[Picture], frames: int = 48, rate: Fraction = FILM, coding: str = "keyint=24") -> Path:
    """A video in which each picture is shown for so many frames; a file named `.h264` has no times at all."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate, options={"preset": "ultrafast", "crf": "18", "x264-params": coding})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames * len(pictures)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pictures[number // frames]), "rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turn(path: Path, degrees: int) -> Path:
    """Have players turn an MP4 clockwise: writes the matrix of its only track."""
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd")
    assert content[header + 4] == 0  # of the version with 32-bit times
    a, b, c, d = TURNED[degrees][1]
    one = 1 << 16
    struct.pack_into(">9i", content, header + 44, a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path
