"""From a decoded picture to the arrays that networks and measures look at.

Colour pictures are turned to BGR by swscale at full size and scaled by OpenCV's bilinear interpolation: to the bit what a loop around
OpenCV's `VideoCapture` sees, which is what people compare with, and what networks were trained on. It costs a millisecond for a picture
of 1080 lines. Luma is scaled as it is coded, without a detour through colours.

- The matrix is the one that the stream names, BT.601 where it names none, as FFmpeg has it; the range is limited where it names none,
  but full of gray.
- Transfer functions are left alone: a picture in PQ or HLG looks flat, and its boxes are where they are.
- Alpha is ignored: colours are those that are stored.
- Sample aspect ratio is ignored: boxes are ratios of the frame, whatever the shape of its pixels.
- An interlaced picture that is shown at no more than half its height is taken from its top field, which does away with combing; larger
  views show both fields woven.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Plane = NDArray[np.uint8] | NDArray[np.uint16]

_PLANAR = re.compile(r"(?:yuv|yuvj|yuva)4\d\dp(?:(\d+)le)?")
_GRAY = re.compile(r"gray(?:(\d+)le)?")
_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""
_YCGCO = 8
"""AVCOL_SPC_YCGCO."""
_BT2020 = (0.2627, 0.0593)
"""Shares of red and blue in luma."""
_SWSCALE_KNOWS = frozenset((0, 1, 2, 4, 5, 6, 7, 9, 10))
_MANY_PIXELS = 256 * 1024
"""Of a picture of which every line is counted."""
_LINES = 10
"""Lines of a picture that go into the mean of one pixel at least, if so many lie in it: of a much larger picture not all are looked at."""
_BT709_BGR = np.array([[0.0722, 0.7152, 0.2126]])


def stored_bgr(picture: VideoFrame, width: int, height: int) -> Image:
    """Blue, green, red, full range, scaled to `width` x `height`, in the orientation that is stored; shape (height, width, 3)."""
    planes = _planes(picture, height)
    if planes is None or (len(planes) == 3 and picture.colorspace in _SWSCALE_KNOWS):
        whole = _through_swscale(picture)
        same_size = (width, height) == (picture.width, picture.height)
        return whole if same_size else _scaled(_one_field(picture, whole, height), width, height)
    depth = _depth(picture)
    small = [_scaled(plane, width, height) for plane in planes]
    if len(small) == 1:
        luma = _full_range(small[0], depth, _is_full(picture))
        return np.repeat(luma[:, :, None], 3, axis=2)
    matrix = _matrix(picture.colorspace, _is_full(picture), depth)
    turned: Any = cv2.transform(cv2.merge(small), matrix)
    image: Image = turned if depth == 8 else np.minimum(turned, 255).astype(np.uint8)
    return image


def stored_luma(picture: VideoFrame, width: int, height: int) -> Image:
    """Luma, full range, each pixel the mean of what it covers, in the orientation that is stored; shape (height, width).

    Where a pixel covers twenty lines or more, every so manieth of them is averaged, ten at least. Of a stream that is coded as luma and
    chroma it is the coded luma; else BT.709's.
    """
    planes = _planes(picture, height)
    if planes is None:
        whole = _one_field(picture, _through_swscale(picture), height)
        small: Any = cv2.transform(_averaged(whole, width, height), _BT709_BGR)
        return np.ascontiguousarray(small.reshape(height, width))
    return _full_range(_averaged(planes[0], width, height), _depth(picture), _is_full(picture))


def stored_chroma(picture: VideoFrame, width: int, height: int) -> Image:
    """Blue and red differences, full range about 128, each the mean of what it covers as of luma; shape (height, width, 2)."""
    planes = _planes(picture, height)
    if planes is None:
        small: Any = cv2.cvtColor(_averaged(_through_swscale(picture), width, height), cv2.COLOR_BGR2YCrCb)
        return np.ascontiguousarray(small[:, :, :0:-1])
    if len(planes) == 1:
        return np.full((height, width, 2), 128, np.uint8)
    depth, full = _depth(picture), _is_full(picture)
    scale = (255 if full else 255 / 224 * 256) / (2**depth - 1 if full else 2**depth)
    middle = 2 ** (depth - 1)
    pair = np.stack([_averaged(plane, width, height) for plane in planes[1:]], axis=2).astype(np.float32)
    chroma: Image = np.clip(np.rint((pair - middle) * scale + 128), 0, 255).astype(np.uint8)
    return chroma


def luma_levels(picture: VideoFrame) -> NDArray[np.int64]:
    """How many pixels have each of the 256 levels of full-range luma, unscaled; of a large picture every so manieth line is counted."""
    planes = _planes(picture, picture.height)
    if planes is None:
        whole: Any = cv2.transform(_through_swscale(picture), _BT709_BGR)
        rows, depth, full = whole, 8, True
    else:
        rows, depth, full = planes[0], _depth(picture), _is_full(picture)
    rows = rows[:: max(1, rows.shape[0] * rows.shape[1] // _MANY_PIXELS)]
    if depth > 8:
        rows, full = _full_range(rows, depth, full), True
    counts: Any = cv2.calcHist([rows], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    if full:
        exact: NDArray[np.int64] = counts
        return exact
    levels = _full_range(np.arange(256, dtype=np.uint8)[None], 8, False)[0]
    return np.bincount(levels, counts, 256).astype(np.int64)


def _planes(picture: VideoFrame, height: int) -> list[Plane] | None:
    """The planes of a planar YUV or gray picture that is to be shown at `height`: three or one; None of any other."""
    name = picture.format.name
    count = 3 if _PLANAR.fullmatch(name) else 1 if _GRAY.fullmatch(name) else 0
    if not count or (count == 3 and picture.colorspace == 0 and name.startswith("yuv444")):
        return None
    dtype: np.dtype[Any] = np.dtype(np.uint8 if _depth(picture) == 8 else np.uint16)
    planes: list[Plane] = []
    for plane in picture.planes[:count]:
        rows = np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)[:, : plane.width]
        # A picture that is stored bottom-up has lines of negative length.
        planes.append(_one_field(picture, rows if plane.line_size > 0 else np.ascontiguousarray(rows[::-1]), height))
    return planes


def _one_field(picture: VideoFrame, rows: Any, height: int) -> Any:
    """The top field's rows of an interlaced picture whose height is at least halved; else all rows."""
    return rows[::2] if picture.interlaced_frame and 2 * height <= picture.height else rows


def _through_swscale(picture: VideoFrame) -> Image:
    """The whole picture as swscale turns it to BGR, as OpenCV's VideoCapture does."""
    try:
        turned = picture.reformat(format="bgr24", interpolation=Interpolation.BICUBIC, threads=1)
    except (FFmpegError, ValueError):
        turned = picture.reformat(format="bgr24", interpolation=Interpolation.BICUBIC, threads=1, src_colorspace="ITU601")
    plane = turned.planes[0]
    rows: Image = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : 3 * plane.width].reshape(plane.height, plane.width, 3)


def _scaled(rows: Any, width: int, height: int) -> Any:
    return cv2.resize(rows, (width, height), interpolation=cv2.INTER_LINEAR)


def _averaged(rows: Any, width: int, height: int) -> Any:
    rows = rows[:: max(1, rows.shape[0] // (_LINES * height))]
    if rows.shape == (3 * height, 3 * width) and rows.dtype == np.uint8:
        # The same to the bit, in half the time: no sum of nine lies in the middle between two levels.
        return np.ascontiguousarray(cv2.blur(rows, (3, 3), anchor=(0, 0))[::3, ::3])
    return cv2.resize(rows, (width, height), interpolation=cv2.INTER_AREA)


def _depth(picture: VideoFrame) -> int:
    """Bits of a sample."""
    return picture.format.components[0].bits


def _is_full(picture: VideoFrame) -> bool:
    """Whether black is 0. FFmpeg makes and takes gray that says nothing as full range."""
    name = picture.format.name
    return picture.color_range == _FULL_RANGE or name.startswith("yuvj") or (not picture.color_range and name.startswith("gray"))


def _full_range(luma: Plane, depth: int, full: bool) -> Image:
    """Luma with black at 0 and white at 255."""
    if depth == 8 and full:
        return luma.astype(np.uint8, copy=False)
    low, high = (0, 2**depth - 1) if full else (16 << depth - 8, 235 << depth - 8)
    expanded: Any = cv2.convertScaleAbs(np.maximum(luma, low), alpha=255 / (high - low), beta=-255 * low / (high - low))
    return np.asarray(expanded, np.uint8)


@lru_cache(maxsize=32)
def _matrix(colorspace: int, full: bool, depth: int) -> NDArray[np.float64]:
    """From (Y, U, V, 1) of `depth` bits to full-range 8-bit (B, G, R), shape (3, 4); ITU-T H.273, 8.3."""
    if colorspace == _YCGCO:
        weights = np.array([[1.0, -1.0, -1.0], [1.0, 1.0, 0.0], [1.0, -1.0, 1.0]])
    else:
        red, blue = _BT2020
        green = 1 - red - blue
        weights = np.array(
            [
                [1.0, 2 * (1 - blue), 0.0],
                [1.0, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
                [1.0, 0.0, 2 * (1 - red)],
            ]
        )
    step = 2 ** (depth - 8)
    low, luma, chroma = (0, 2**depth - 1, 2**depth - 1) if full else (16 * step, 219 * step, 224 * step)
    if colorspace == _YCGCO:
        chroma *= 2
        weights = weights * np.array([1.0, 2.0, 2.0])
    matrix = weights * np.array([255 / luma, 255 / chroma, 255 / chroma])
    offset = matrix @ np.array([low, 128 * step, 128 * step])
    return np.column_stack([matrix, -offset])
