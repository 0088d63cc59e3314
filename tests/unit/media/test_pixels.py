"""Colours, sizes and orientation of what observers see."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from media_clips import Recipe, encode, encode_field_pairs
from numpy.typing import NDArray

from openrek.geometry import Letterbox
from openrek.media.frames import Frame, VideoReader
from openrek.media.orientation import Orientation
from openrek.media.probe import probe

Clip = Callable[[str], Path]
BARS = {"white": (255, 255, 255), "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "teal": (30, 120, 140), "black": (0, 0, 0)}
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
SPACES = {"bt601": 5, "bt709": 1, "bt2020": 9}


def alive() -> None:
    """Nobody is waiting."""


def ycc(rgb: tuple[int, int, int], matrix: str, full: bool, depth: int = 8) -> tuple[int, int, int]:
    """ITU-T H.273: code values of a colour."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = (value / 255 for value in rgb)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    pb, pr = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    step = 2 ** (depth - 8)
    if full:
        top = 2**depth - 1
        return round(luma * top), *(min(round(c * top) + 128 * step, top) for c in (pb, pr))
    return round((16 + 219 * luma) * step), *(round((128 + 224 * c) * step) for c in (pb, pr))


def bars(pix_fmt: str, matrix: str, full: bool) -> av.VideoFrame:
    """Six bars of 32 pixels, as code values."""
    frame = av.VideoFrame(192, 64, pix_fmt)
    depth = frame.format.components[0].bits
    codes = [ycc(rgb, matrix, full, depth) for rgb in BARS.values()]
    for place, plane in enumerate(frame.planes):
        dtype = np.uint8 if depth == 8 else np.uint16
        row = np.repeat(np.array([code[place] if place < 3 else 255 for code in codes], dtype), plane.width // 6)
        lines = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        lines[:, : plane.width] = row
        plane.update(lines.tobytes())
    frame.colorspace = SPACES[matrix]
    frame.color_range = 2 if full else 1
    return frame


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", list(WEIGHTS))
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le", "yuva420p"])
@pytest.mark.parametrize("width", [96, 192, 384])
def test_colours_are_right(pix_fmt: str, matrix: str, full: bool, width: int) -> None:
    frame = Frame(0, 0, bars(pix_fmt, matrix, full))
    view = frame.bgr(Letterbox(192, 64, width))
    assert view.shape == (width // 3, width, 3)
    for place, rgb in enumerate(BARS.values()):
        shown = view[view.shape[0] // 2, (2 * place + 1) * width // 12].astype(int)
        assert np.abs(shown - np.array(rgb[::-1])).max() <= 2, list(BARS)[place]
    luma = frame.luma(96, 32)
    for place, rgb in enumerate(BARS.values()):
        kr, kb = WEIGHTS[matrix]
        expected = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2]
        assert abs(int(luma[16, 8 + 16 * place]) - expected) < 1.2


@pytest.mark.parametrize(
    ("matrix", "full", "options"),
    [
        ("bt709", False, {"colorspace": "bt709", "color_range": "tv"}),
        ("bt709", True, {"colorspace": "bt709", "color_range": "pc"}),
        ("bt601", False, {"colorspace": "smpte170m", "color_range": "tv"}),
        ("bt601", False, {}),
    ],
)
def test_the_stream_says_which_matrix_and_range(matrix: str, full: bool, options: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "bars.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4", **options})
        stream.width, stream.height, stream.pix_fmt = 192, 64, "yuv420p"
        frame = bars("yuv420p", matrix, full)
        if not options:
            frame.colorspace, frame.color_range = 2, 0
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    probed = probe(path, alive)
    assert probed.facts.color_range == ("FULL" if full else "LIMITED")
    with VideoReader(path, probed.packets) as video:
        (shown,) = video.frames([0], alive)
        for view in (shown.bgr(), shown.bgr(Letterbox(192, 64, 96))):
            scale = view.shape[1] // 96
            for place, rgb in enumerate(BARS.values()):
                assert np.abs(view[view.shape[0] // 2, (8 + 16 * place) * scale].astype(int) - np.array(rgb[::-1])).max() <= 4


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgra", "gbrp", "yuyv422", "pal8", "gray", "gray10le", "ya8", "rgb565le", "nv12", "yuv440p"])
def test_any_pixel_format_gives_a_picture(pix_fmt: str) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:] = 200
    source = av.VideoFrame.from_ndarray(image, format="bgr24")
    if pix_fmt == "pal8":
        picture = av.VideoFrame(64, 48, "pal8")
        indices = np.zeros((48, picture.planes[0].line_size), np.uint8)
        indices[:, 32:64] = 7
        picture.planes[0].update(indices.tobytes())
        palette = np.zeros((256, 4), np.uint8)
        palette[7] = 200, 200, 200, 255
        picture.planes[1].update(palette.tobytes())
    else:
        picture = source.reformat(format=pix_fmt)
    frame = Frame(0, 0, picture)
    small, large = frame.bgr(Letterbox(64, 48, 32)), frame.bgr()
    assert small.shape == (24, 32, 3)
    assert large.shape == (48, 64, 3)
    for view in (small, large):
        assert np.abs(view[12, 4].astype(int)).max() <= 3
        assert np.abs(view[12, -4].astype(int) - 200).max() <= 6
    luma = frame.luma(16, 12)
    assert luma[6, 2] <= 3
    assert abs(int(luma[6, 13]) - 200) <= 6


@pytest.mark.parametrize("colorspace", [0, 4, 6, 7, 8, 10, 11, 14])
@pytest.mark.parametrize("size", [(64, 48), (32, 24)])
def test_any_matrix_gives_a_picture(colorspace: int, size: tuple[int, int]) -> None:
    frame = bars("yuv444p" if colorspace == 0 else "yuv420p", "bt601", False)
    frame.colorspace = colorspace
    assert Frame(0, 0, frame).bgr(Letterbox(192, 64, size[0])).shape[1] == size[0]
    assert Frame(0, 0, frame).bgr().shape == (64, 192, 3)


def plain(frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """What a loop with OpenCV sees: all of the frame as BGR, then scaled."""
    return cv2.resize(frame.reformat(format="bgr24", interpolation="BICUBIC").to_ndarray(), (width, height), interpolation=cv2.INTER_LINEAR)


@pytest.mark.parametrize(
    ("clip", "mean", "most"),
    [
        ("clips/pyscenedetect/counter.mp4", 0.4, 1),
        ("clips/bigbuckbunny.mp4", 0.8, 4),
        ("clips/store-aisle-detection.mp4", 0.8, 4),
        ("composed/dev_labels_slides.mp4", 0.8, 6),
        ("clips/aws_mie/sample-video.mp4", 0.8, 6),
        ("formats/generated/uhd_3840x2160.mp4", 0.5, 3),
        ("formats/torchcodec/testsrc2_odd_height_and_width_444.mp4", 1.0, 3),
    ],
)
def test_small_pictures_are_what_scaling_the_whole_picture_gives(clip: str, mean: float, most: int, shared: Path) -> None:
    path = shared / "media" / clip
    packets = probe(path, alive).packets
    differences = []
    with VideoReader(path, packets) as video:
        for frame in video.frames(range(0, packets.frames, packets.frames // 4), alive):
            letterbox = Letterbox(frame.width, frame.height, 416)
            expected = plain(frame._picture, *letterbox.scaled)
            differences.append(np.abs(frame.bgr(letterbox).astype(int) - expected))
    all_of_them = np.concatenate([difference.ravel() for difference in differences])
    assert all_of_them.mean() < mean
    assert np.percentile(all_of_them, 99) <= most


def test_views_are_made_once_and_cannot_be_written_to(clip: Clip) -> None:
    path = clip("h264_closed.mp4")
    with VideoReader(path, probe(path, alive).packets) as video:
        (frame,) = video.frames([3], alive)
    letterbox = Letterbox(frame.width, frame.height, 96)
    for make in (lambda: frame.bgr(letterbox), frame.bgr, lambda: frame.luma(32, 18)):
        assert make() is make()
        with pytest.raises(ValueError, match="read-only"):
            make()[0, 0] = 0


def corner_marked(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Gray, white at the left of the top edge."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[: height // 4, : width // 4] = 250
    return image


def with_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The MP4 with another display matrix in its track header."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in matrix)
    data[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "rotation", "corner"),
    [
        ((1, 0, 0, 1), 0, (0, 0)),
        ((0, 1, -1, 0), 90, (0, 1)),
        ((-1, 0, 0, -1), 180, (1, 1)),
        ((0, -1, 1, 0), 270, (1, 0)),
        ((-1, 0, 0, 1), 0, (0, 1)),
        ((1, 0, 0, -1), 180, (1, 0)),
        ((0, 1, 1, 0), 90, (0, 0)),
        ((0, -1, -1, 0), 90, (1, 1)),
    ],
)
def test_frames_are_shown_upright(matrix: tuple[int, int, int, int], rotation: int, corner: tuple[int, int], tmp_path: Path) -> None:
    recipe = Recipe("", "libx264", {"crf": "10"}, frames=3)
    path = with_matrix(encode(tmp_path / "turned.mp4", recipe, size=(160, 96), image=corner_marked), matrix)
    probed = probe(path, alive)
    size = (96, 160) if matrix[0] == 0 else (160, 96)
    assert (probed.facts.rotation, probed.facts.width, probed.facts.height) == (rotation, *size)
    with VideoReader(path, probed.packets) as video:
        for frame in video.frames(range(3), alive):
            assert (frame.width, frame.height) == size
            for view in (frame.bgr()[..., 0], frame.bgr(Letterbox(*size, 80))[..., 0], frame.luma(40, 40)):
                height, width = view.shape
                bright = [
                    (row, column)
                    for row in (0, 1)
                    for column in (0, 1)
                    if view[height // 8 if row == 0 else -height // 8, width // 8 if column == 0 else -width // 8] > 180
                ]
                assert bright == [corner]


def test_turning_a_small_picture_is_the_same_as_scaling_a_turned_one() -> None:
    image = np.random.default_rng(1).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    for orientation in (Orientation(True, True, False), Orientation(True, False, True), Orientation(False, True, True)):
        turned = orientation.apply(image)
        width, height = orientation.displayed(64, 36)
        scaled = orientation.apply(cv2.resize(image, (64, 36), interpolation=cv2.INTER_LINEAR))
        assert np.abs(cv2.resize(turned, (width, height), interpolation=cv2.INTER_LINEAR).astype(int) - scaled).max() <= 1


def test_a_small_view_of_an_interlaced_frame_shows_one_field(tmp_path: Path) -> None:
    path = encode_field_pairs(tmp_path / "fields.ts", 6, 8, container="mpegts")
    packets = probe(path, alive).packets
    with VideoReader(path, packets) as video:
        (frame,) = video.frames([5], alive)
    # Bars 0 and 2 are white in the top field, and black in the bottom field.
    small = frame.bgr(Letterbox(192, 64, 96))
    assert [int(small[16, 4 + 8 * bar, 0]) for bar in range(4)] == pytest.approx([255, 0, 255, 0], abs=3)
    assert [int(frame.luma(96, 32)[16, 4 + 8 * bar]) for bar in range(4)] == pytest.approx([255, 0, 255, 0], abs=3)
    whole = frame.bgr()
    assert int(whole[10, 8, 0]) == pytest.approx(255, abs=3)
    assert int(whole[11, 8, 0]) == pytest.approx(0, abs=3)


def test_a_size_that_changes_within_the_video(tmp_path: Path) -> None:
    parts = []
    for size in ((192, 112), (128, 96)):
        part = encode(tmp_path / f"{size[0]}.ts", Recipe("", "mpeg2video", {"g": "5"}, container="mpegts", frames=10), size=size)
        parts.append(part)
    # The second part's clock goes on where the first one's ends.
    path = tmp_path / "both.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = None
        for number, part in enumerate(parts):
            with av.open(str(part)) as reading:
                for packet in reading.demux(video=0):
                    if packet.size:
                        stream = stream or container.add_stream_from_template(packet.stream)
                        packet.pts += number * 36_000
                        packet.dts += number * 36_000
                        packet.stream = stream
                        container.mux_one(packet)
    probed = probe(path, alive)
    assert (probed.facts.width, probed.facts.height, probed.facts.frames) == (192, 112, 20)
    with VideoReader(path, probed.packets) as video:
        sizes = [
            (frame.width, frame.height, frame.bgr(Letterbox(frame.width, frame.height, 64)).shape[1])
            for frame in video.frames(range(20), alive)
        ]
    assert sizes == [(192, 112, 64)] * 10 + [(128, 96, 64)] * 10
    assert probed.packets.duration == Fraction(20, 25)
