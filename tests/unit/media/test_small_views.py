"""Chroma and levels of luma, against what they are by definition, for pixels of every kind."""

from __future__ import annotations

import av
import numpy as np
import pytest

from openrek.media.frame import Frame
from openrek.media.orientation import Orientation

RANGES = {"limited": (1, 16, 219, 224), "full": (2, 0, 255, 255)}


def painted(pix_fmt: str, luma: int, blue: int, red: int, color_range: int, size: tuple[int, int] = (64, 36)) -> av.VideoFrame:
    """A picture whose left half has these code values of 8 bits, and whose right half is black."""
    frame = av.VideoFrame(*size, pix_fmt)
    depth = frame.format.components[0].bits
    for plane, value, black in zip(frame.planes, (luma, blue, red), (16 if color_range == 1 else 0, 128, 128), strict=False):
        dtype = np.uint8 if depth == 8 else np.uint16
        lines = np.full((plane.height, plane.line_size // np.dtype(dtype).itemsize), black << depth - 8, dtype)
        lines[:, : plane.width // 2] = value << depth - 8
        plane.update(lines.tobytes())
    frame.color_range = color_range
    return frame


@pytest.mark.parametrize("kind", RANGES)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"])
def test_planar_pictures(pix_fmt: str, kind: str) -> None:
    color_range, black, luma_range, chroma_range = RANGES[kind]
    frame = Frame(0, 0, painted(pix_fmt, 120, 90, 200, color_range))
    chroma = frame.chroma(16, 9)
    assert (chroma.shape, chroma.dtype) == ((9, 16, 2), np.uint8)
    expected = [128 + (value - 128) * 255 / chroma_range for value in (90, 200)]
    assert np.abs(chroma[4, 2] - expected).max() <= 1
    assert chroma[4, 13].tolist() == [128, 128]
    levels = frame.luma_levels()
    assert levels.shape == (256,)
    assert levels.sum() == 64 * 36
    assert levels[0] == 32 * 36
    assert levels[round((120 - black) * 255 / luma_range)] == 32 * 36


@pytest.mark.parametrize("pix_fmt", ["rgb24", "gbrp", "gray"])
def test_other_pictures(pix_fmt: str) -> None:
    colours = np.zeros((36, 64, 3), np.uint8)
    colours[:, :32] = (200, 30, 60) if pix_fmt != "gray" else 77
    frame = Frame(0, 0, av.VideoFrame.from_ndarray(colours, "rgb24").reformat(format=pix_fmt))
    levels = frame.luma_levels()
    expected = 77 if pix_fmt == "gray" else round(0.2126 * 200 + 0.7152 * 30 + 0.0722 * 60)
    assert levels.nonzero()[0].tolist() == [0, pytest.approx(expected, abs=1)]
    blue, red = frame.chroma(16, 9)[4, 2]
    assert (blue == red == 128) if pix_fmt == "gray" else (blue < 128 and red > 200)


def test_large_pictures_are_counted_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = Frame(0, 0, painted("yuv420p", 120, 128, 128, 2, (1920, 1080))).luma_levels()
    assert 200_000 < levels.sum() < 600_000
    assert levels[120] == levels[0] == levels.sum() // 2


def test_chroma_is_turned_with_the_picture() -> None:
    upright = Frame(0, 0, painted("yuv444p", 120, 90, 200, 2)).chroma(16, 9)
    turned = Frame(0, 0, painted("yuv444p", 120, 90, 200, 2), Orientation(mirrored=True)).chroma(16, 9)
    assert np.array_equal(turned, upright[:, ::-1])


def noisy(width: int, height: int) -> tuple[av.VideoFrame, np.ndarray]:
    """A gray picture of full range with detail in every pixel, and its luma."""
    luma = np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.uint8)
    return av.VideoFrame.from_ndarray(luma, "gray"), luma


def test_a_third_of_a_picture_is_the_mean_of_nine_pixels() -> None:
    frame, luma = noisy(1920, 1080)
    means = luma.reshape(360, 3, 640, 3).mean(axis=(1, 3))
    assert np.array_equal(Frame(0, 0, frame).luma(640, 360), np.rint(means))


def test_a_stamp_is_the_mean_of_some_lines_of_a_large_picture() -> None:
    frame, luma = noisy(1920, 1080)
    means = luma[::4].reshape(27, 10, 48, 40).mean(axis=(1, 3))
    assert np.abs(Frame(0, 0, frame).luma(48, 27) - means).max() <= 0.51


def test_a_stamp_is_the_mean_of_all_lines_of_a_small_picture() -> None:
    frame, luma = noisy(480, 270)
    means = luma.reshape(27, 10, 48, 10).mean(axis=(1, 3))
    assert np.abs(Frame(0, 0, frame).luma(48, 27) - means).max() <= 0.51
