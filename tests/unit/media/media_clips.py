"""Clips made by code: every frame carries its number as a pattern of black and white bars, over a picture that moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

BITS = 12
WIDTH, HEIGHT = 192, 112
FRAMES = 48
RATE = 25


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """The frame of that number, BGR."""
    rng = np.random.default_rng(3)
    ground = cv2.resize(rng.integers(40, 216, (8, 24, 3), dtype=np.uint8), (2 * width, height))
    shift = (number * 5) % width
    image = np.ascontiguousarray(ground[:, shift : shift + width])
    bar = width // BITS
    for bit in range(BITS):
        image[: height // 2, bit * bar : (bit + 1) * bar] = 235 if number >> bit & 1 else 16
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """The number that a decoded frame carries."""
    height, width = image.shape[:2]
    bar = width / BITS
    number = 0
    for bit in range(BITS):
        middle = image[height // 8 : height * 3 // 8, int((bit + 0.25) * bar) : int((bit + 0.75) * bar) + 1]
        number |= int(middle.mean() > 125) << bit
    return number


@dataclass(frozen=True)
class Recipe:
    """How a clip is encoded and wrapped."""

    name: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    container: str | None = None
    frames: int = FRAMES
    first_pts: int = 0
    usable: bool = True
    starts: int = 2
    """Places, at least, at which decoding can start."""


X264 = {"g": "12", "bf": "3", "sc_threshold": "0", "preset": "veryfast", "crf": "18"}
X265 = "keyint=12:min-keyint=12:bframes=3:scenecut=0:log-level=none"

RECIPES = (
    Recipe("h264_closed.mp4", "libx264", X264),
    Recipe("h264_open.mp4", "libx264", X264 | {"x264-params": "open-gop=1:b-pyramid=normal"}),
    Recipe("h264_open.mkv", "libx264", X264 | {"x264-params": "open-gop=1:b-pyramid=normal"}),
    Recipe("h264_open.ts", "libx264", X264 | {"x264-params": "open-gop=1"}, container="mpegts"),
    Recipe("h264.flv", "libx264", X264),
    Recipe("h264.nut", "libx264", X264),
    Recipe("h264_mbaff.ts", "libx264", X264 | {"x264-params": "tff=1"}, container="mpegts"),
    Recipe("h264_intra_refresh.mp4", "libx264", X264 | {"intra-refresh": "1"}, starts=1),
    Recipe("h264_one_keyframe.mkv", "libx264", X264 | {"g": "1000"}, starts=1),
    Recipe("h264_late.mkv", "libx264", X264, first_pts=10 * RATE),
    Recipe("h264.avi", "libx264", X264, usable=False, starts=1),
    Recipe("h264.h264", "libx264", X264, usable=False, starts=1),
    Recipe("hevc_open.mp4", "libx265", {"x265-params": X265 + ":open-gop=1"}),
    Recipe("hevc_closed.mkv", "libx265", {"x265-params": X265 + ":open-gop=0"}),
    Recipe("hevc_radl.mp4", "libx265", {"x265-params": X265 + ":open-gop=0:radl=2"}),
    Recipe("vp8.webm", "libvpx", {"g": "12", "deadline": "realtime", "auto-alt-ref": "1", "lag-in-frames": "12"}),
    Recipe("vp9.webm", "libvpx-vp9", {"g": "12", "cpu-used": "8", "deadline": "realtime", "auto-alt-ref": "1", "lag-in-frames": "12"}),
    Recipe("av1.mkv", "libsvtav1", {"g": "12", "preset": "13"}),
    Recipe("av1.mp4", "libsvtav1", {"g": "12", "preset": "13"}),
    Recipe("mpeg2.mpg", "mpeg2video", {"g": "12", "bf": "2", "b": "2M"}, container="vob"),
    Recipe("mpeg2.ts", "mpeg2video", {"g": "12", "bf": "2", "b": "2M"}, container="mpegts"),
    Recipe("mpeg2.mxf", "mpeg2video", {"g": "12", "bf": "2", "b": "2M"}),
    Recipe("mpeg2.m2v", "mpeg2video", {"g": "12", "bf": "2", "b": "2M"}),
    Recipe("mpeg4.avi", "mpeg4", {"g": "12", "bf": "2", "b": "2M"}),
    Recipe("mpeg4.mp4", "mpeg4", {"g": "12", "bf": "2", "b": "2M"}),
    Recipe("wmv2.asf", "wmv2", {"g": "12", "b": "2M"}),
    Recipe("mjpeg.avi", "mjpeg", {"q": "4"}, pix_fmt="yuvj420p"),
    Recipe("prores.mov", "prores_ks", {}, pix_fmt="yuv422p10le"),
    Recipe("ffv1.mkv", "ffv1", {"g": "12"}),
    Recipe("animation.gif", "gif", {}, pix_fmt="rgb8", starts=1),
)


def encode(
    path: Path,
    recipe: Recipe,
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, RATE),
    image: Callable[[int, int, int], NDArray[np.uint8]] = picture,
) -> Path:
    """Make a clip; `pts` of its frames in `time_base`, one after the other if they are not given."""
    with av.open(str(path), "w", format=recipe.container) as container:
        stream = container.add_stream(recipe.codec, rate=RATE, options=recipe.options)
        stream.width, stream.height = size
        stream.pix_fmt = recipe.pix_fmt
        stream.codec_context.time_base = time_base
        for number in range(recipe.frames):
            frame = av.VideoFrame.from_ndarray(image(number, *size), format="bgr24")
            frame.pts = pts[number] if pts is not None else recipe.first_pts + number
            frame.time_base = time_base
            container.mux(stream.encode(frame.reformat(format=recipe.pix_fmt)))
        container.mux(stream.encode(None))
    return path


def remux(source: Path, target: Path, change: Callable[[Any, int], bool] = lambda packet, place: True, **options: Any) -> Path:
    """Copy the packets of a video stream into another file; `change` may alter each, and says whether it stays."""
    with av.open(str(source)) as reading, av.open(str(target), "w", **options) as writing:
        stream = reading.streams.video[0]
        copy = writing.add_stream_from_template(stream)
        place = 0
        for packet in reading.demux(stream):
            if packet.size:
                if change(packet, place):
                    packet.stream = copy
                    writing.mux_one(packet)
                place += 1
    return target


class BitWriter:
    """Writes bits, most significant first."""

    def __init__(self) -> None:
        self._bits: list[int] = []

    def u(self, value: int, count: int) -> BitWriter:
        self._bits += [value >> place & 1 for place in range(count - 1, -1, -1)]
        return self

    def ue(self, value: int) -> BitWriter:
        length = (value + 1).bit_length()
        return self.u(0, length - 1).u(value + 1, length)

    def se(self, value: int) -> BitWriter:
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def align(self) -> BitWriter:
        self._bits += [0] * (-len(self._bits) % 8)
        return self

    def data(self, raw: bytes) -> BitWriter:
        assert len(self._bits) % 8 == 0
        for byte in raw:
            self.u(byte, 8)
        return self

    def unit(self, header: int) -> bytes:
        """A NAL unit with these bits, in Annex B form."""
        bits = [*self._bits, 1]
        bits += [0] * (-len(bits) % 8)
        raw = np.packbits(np.array(bits, np.uint8)).tobytes()
        safe = bytearray()
        zeros = 0
        for byte in raw:
            if zeros == 2 and byte <= 3:
                safe.append(3)
                zeros = 0
            safe.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([header]) + bytes(safe)


def field_pairs(frames: int, group: int, *, high: bool = False) -> list[tuple[bytes, bool]]:
    """Access units of an H.264 stream whose pictures are pairs of fields, each an access unit; and whether it is a keyframe.

    192 x 64 pixels. The top field carries the frame's number in bars, the bottom field the opposite of them. All macroblocks are I_PCM.
    """
    columns, rows = 12, 2
    sps = BitWriter().u(100 if high else 77, 8).u(0, 8).u(30, 8).ue(0)
    if high:
        # With a scaling matrix, of which the first list is coded, and the second is coded to be the default.
        sps.ue(1).ue(0).ue(0).u(0, 1).u(1, 1).u(1, 1)
        for _ in range(16):
            sps.se(1)
        sps.u(1, 1).se(-8).u(0, 6)
    sps.ue(0).ue(2).ue(1).u(0, 1).ue(columns - 1).ue(rows - 1).u(0, 1).u(0, 1).u(1, 1).u(0, 1).u(0, 1)
    pps = BitWriter().ue(0).ue(0).u(0, 2).ue(0).ue(0).ue(0).u(0, 3).se(0).se(0).se(0).u(1, 1).u(0, 2)
    parameters = sps.unit(0x67) + pps.unit(0x68)
    units = []
    for number in range(frames):
        in_group = number % group
        for bottom in (0, 1):
            first = in_group == 0 and not bottom
            bits = BitWriter().ue(0).ue(7).ue(0).u(in_group % 16, 4).u(1, 1).u(bottom, 1)
            if first:
                bits.ue(number // group % 2).u(0, 2)
            else:
                bits.u(0, 1)
            bits.se(0).ue(1)
            for _ in range(rows):
                for column in range(columns):
                    bright = bool(number >> column & 1) != bool(bottom)
                    bits.ue(25).align().data(bytes([235 if bright else 16]) * 256 + bytes([128]) * 128)
            units.append(((parameters if first else b"") + bits.unit(0x65 if first else 0x61), first))
    return units


def encode_field_pairs(path: Path, frames: int, group: int, *, container: str | None = None, high: bool = False) -> Path:
    """A clip of `field_pairs` with 25 frames and 50 packets a second."""
    raw = path.with_suffix(".raw.h264")
    units = field_pairs(frames, group, high=high)
    raw.write_bytes(b"".join(unit for unit, _ in units))
    keys = [key for _, key in units]

    def stamp(packet: Any, place: int) -> bool:
        packet.time_base = Fraction(1, 2 * RATE)
        packet.pts = packet.dts = place
        packet.duration = 1
        packet.is_keyframe = keys[place]
        return True

    return remux(raw, path, stamp, format=container)
