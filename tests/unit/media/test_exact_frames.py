"""Every frame is the one that its number names: whatever the codec, the container, the cuts, the samples and the threads."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from media_clips import FRAMES, RATE, RECIPES, X264, Recipe, encode, encode_field_pairs, number_of, remux

from openrek.geometry import Letterbox
from openrek.media import packet_source
from openrek.media.frames import Frame, VideoReader
from openrek.media.packets import PacketIndex
from openrek.media.probe import probe
from openrek.observations import KEYFRAMES, Damage, Sampling

Clip = Callable[[str], Path]


def alive() -> None:
    """Nobody is waiting."""


def index_of(path: Path) -> PacketIndex:
    return probe(path, alive).packets


def digest(frame: Frame) -> str:
    return hashlib.sha256(frame.bgr().tobytes()).hexdigest()


def digests(path: Path, packets: PacketIndex, wanted: Iterable[int], threads: int = 1) -> dict[int, str]:
    with VideoReader(path, packets, threads=threads) as video:
        return {frame.number: digest(frame) for frame in video.frames(list(wanted), alive)}


@pytest.fixture
def always_seek(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips are so short that reading on would be nearer than any seek."""
    monkeypatch.setattr(packet_source, "NEAR", 0)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
@pytest.mark.usefixtures("always_seek")
def test_each_frame_is_the_one_it_should_be(recipe: Recipe, clip: Clip) -> None:
    path = clip(recipe.name)
    packets = index_of(path)
    assert (packets.usable, packets.frames) == (recipe.usable, FRAMES)
    assert len(packets.starts) >= recipe.starts

    whole: dict[int, str] = {}
    with VideoReader(path, packets) as video:
        for frame in video.frames(range(FRAMES), alive):
            assert number_of(frame.bgr()) == frame.number
            assert abs((frame.pts - packets.start_pts) * packets.time_base - Fraction(frame.number, RATE)) <= Fraction(1, 1000)
            whole[frame.number] = digest(frame)
        assert video.damage == Damage()
    assert list(whole) == list(range(FRAMES))

    # Chunk by chunk, from the last to the first, each with a seek; by one reader, and by one for each.
    cuts = [*packets.keyframe_pts().tolist(), packets.end_pts] if recipe.usable else [packets.start_pts, packets.end_pts]
    chunks = [packets.between(start, end) for start, end in pairwise(cuts)][::-1]
    with VideoReader(path, packets) as video:
        assert {frame.number: digest(frame) for chunk in chunks for frame in video.frames(chunk, alive)} == whole
    if recipe.usable and len(chunks) > 1:
        apart: dict[int, str] = {}
        for chunk in (chunks[0], chunks[len(chunks) // 2]):
            apart |= digests(path, packets, chunk)
        assert apart == {number: whole[number] for number in apart}

    # Few frames, so that most packets are decoded without their pictures or not at all.
    for wanted in (range(7, FRAMES, 13), range(1, FRAMES, 2), [FRAMES - 1], [30, 31]):
        assert digests(path, packets, wanted) == {number: whole[number] for number in wanted}

    assert digests(path, packets, range(FRAMES), threads=3) == whole
    assert digests(path, packets, range(5, FRAMES, 7), threads=3) == {number: whole[number] for number in range(5, FRAMES, 7)}


@pytest.mark.parametrize("cuts", range(1, 8))
def test_frames_do_not_depend_on_how_a_real_video_is_cut(cuts: int, shared: Path) -> None:
    path = shared / "media/clips/bottle-detection.mp4"
    packets = index_of(path)
    wanted = packets.sampled(Sampling("rate", Fraction(2)))
    keys = packets.keyframe_pts()
    places = [*keys[np.linspace(0, len(keys), cuts, endpoint=False).astype(int)].tolist(), packets.end_pts]
    found: dict[int, str] = {}
    for start, end in pairwise(places):
        chunk = packets.between(start, end)
        found |= digests(path, packets, [number for number in wanted.tolist() if number in chunk])
    assert found == digests(path, packets, wanted.tolist())
    assert list(found) == wanted.tolist()


@pytest.mark.parametrize("container", ["mpegts", "matroska", "mp4"])
@pytest.mark.usefixtures("always_seek")
def test_two_packets_that_are_the_fields_of_one_frame(container: str, tmp_path: Path) -> None:
    path = encode_field_pairs(tmp_path / "fields", 26, 8, container=container, high=container == "mp4")
    probed = probe(path, alive)
    packets = probed.packets
    assert (len(packets.pts), packets.frames, probed.facts.frames, packets.frame_rate) == (52, 26, 26, 25)
    with VideoReader(path, packets) as video:
        # A small view of an interlaced frame shows the top field, a large one both.
        assert [number_of(frame.bgr()[::2]) for frame in video.frames(range(26), alive)] == list(range(26))
        small = [number_of(frame.luma(192, 32)) for frame in video.frames([3, 8, 17, 25], alive)]
    assert small == [3, 8, 17, 25]


def test_variable_frame_rate(tmp_path: Path) -> None:
    pts = np.cumsum(np.random.default_rng(5).integers(1, 400, FRAMES)).tolist()
    path = encode(tmp_path / "vfr.mp4", Recipe("", "libx264", X264), pts=pts, time_base=Fraction(1, 1000))
    packets = index_of(path)
    scale = 1 / (1000 * packets.time_base)
    assert packets.frame_pts().tolist() == [(time - pts[0]) * scale + packets.start_pts for time in pts]
    with VideoReader(path, packets) as video:
        for milliseconds in range(0, pts[-1] - pts[0], 333):
            number = packets.frame_at(Fraction(milliseconds, 1000))
            assert pts[number] - pts[0] <= milliseconds < pts[number + 1] - pts[0]
        assert [number_of(frame.bgr()) for frame in video.frames(range(FRAMES), alive)] == list(range(FRAMES))


def test_a_single_keyframe_in_ten_minutes(tmp_path: Path) -> None:
    recipe = Recipe("", "libx264", {"g": "100000", "bf": "2", "preset": "ultrafast", "sc_threshold": "0"}, frames=600)
    path = encode(tmp_path / "long.mp4", recipe, pts=range(600), time_base=Fraction(1))
    packets = index_of(path)
    assert (packets.duration, len(packets.starts), packets.frames) == (600, 1, 600)
    wanted = packets.sampled(Sampling("rate", Fraction(1, 30)))
    assert wanted.tolist() == list(range(0, 600, 30))
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    with VideoReader(path, packets) as video:
        assert [number_of(frame.bgr()) for frame in video.frames(wanted, count)] == wanted.tolist()
    assert calls > 20


def test_two_frames_with_the_same_pts_are_both_given(tmp_path: Path, clip: Clip) -> None:
    def same(packet: av.Packet, place: int) -> bool:
        if place == 20:
            packet.pts -= 40
            packet.dts = packet.pts
        return True

    path = remux(clip("vp9.webm"), tmp_path / "twice.mkv", same)
    packets = index_of(path)
    assert packets.usable
    assert packets.frame_pts()[19] == packets.frame_pts()[20]
    with VideoReader(path, packets) as video:
        assert [number_of(frame.bgr()) for frame in video.frames([18, 19, 20, 21], alive)] == [18, 19, 20, 21]


def test_a_clock_that_jumps_back_makes_times_useless_but_loses_nothing(tmp_path: Path, clip: Clip) -> None:
    path = tmp_path / "joined.ts"
    path.write_bytes(clip("h264_open.ts").read_bytes() * 3)
    packets = index_of(path)
    assert not packets.usable
    assert (packets.frames, packets.frame_rate, packets.time_base) == (3 * FRAMES, RATE, Fraction(1, RATE))
    assert packets.keyframe_pts().tolist() == [0]
    with VideoReader(path, packets) as video:
        found = [(frame.number, frame.pts, number_of(frame.bgr())) for frame in video.frames([0, 47, 48, 100], alive)]
    assert found == [(0, 0, 0), (47, 47, 47), (48, 48, 0), (100, 100, 4)]


def test_a_recording_that_begins_within_a_group_of_pictures_begins_with_its_first_picture(tmp_path: Path, clip: Clip) -> None:
    path = remux(clip("h264_open.ts"), tmp_path / "cut.ts", lambda packet, place: place >= 5)
    packets = index_of(path)
    with VideoReader(path, packets) as video:
        found = [(frame.number, number_of(frame.bgr())) for frame in video.frames(range(packets.frames), alive)]
    first = found[0][1]
    assert 9 <= first <= 12
    assert found == [(number, number + first) for number in range(FRAMES - first)]


def test_frames_before_an_edit_are_decoded_but_not_shown(shared: Path) -> None:
    path = shared / "media/clips/aws_mie/sample-video.mp4"
    packets = index_of(path)
    assert (len(packets.pts), packets.frames, packets.start_pts) == (274, 271, 0)
    with av.open(str(path)) as container:
        reference = [frame.reformat(format="bgr24").to_ndarray() for frame, _ in zip(container.decode(video=0), range(4), strict=False)]
    with VideoReader(path, packets) as video:
        for frame, expected in zip(video.frames(range(4), alive), reference, strict=True):
            assert np.array_equal(frame.bgr(), expected)


def test_keyframes_only(clip: Clip) -> None:
    path = clip("mpeg2.ts")
    packets = index_of(path)
    wanted = packets.sampled(KEYFRAMES)
    with VideoReader(path, packets) as video:
        assert [number_of(frame.bgr()) for frame in video.frames(wanted, alive)] == wanted.tolist()
    assert len(wanted) == 5


def test_flags_that_call_every_packet_a_keyframe_are_not_believed(tmp_path: Path, clip: Clip) -> None:
    def key(packet: av.Packet, place: int) -> bool:
        packet.is_keyframe = True
        return True

    for name in ("h264_closed.mp4", "hevc_closed.mkv", "mpeg4.mp4", "vp8.webm", "vp9.webm", "mpeg2.ts"):
        path = remux(clip(name), tmp_path / name, key)
        packets = index_of(path)
        assert 4 <= len(packets.starts) <= 5

    # Where the bytes are not looked into, frames that do not come are decoded from an earlier keyframe.
    path = remux(clip("wmv2.asf"), tmp_path / "wmv2.asf", key)
    packets = index_of(path)
    assert len(packets.starts) > 40
    whole = digests(clip("wmv2.asf"), index_of(clip("wmv2.asf")), range(FRAMES))
    assert digests(path, packets, range(FRAMES)) == whole
    assert digests(path, packets, [17, 30]) == {17: whole[17], 30: whole[30]}


def test_wanted_frames_are_checked(clip: Clip) -> None:
    path = clip("h264_closed.mp4")
    with VideoReader(path, index_of(path)) as video:
        for wrong in ([-1], [3, 3], [4, 2], [FRAMES]):
            with pytest.raises(ValueError, match="not ascending, or not of this video"):
                list(video.frames(wrong, alive))
        assert list(video.frames([], alive)) == []


def test_a_reader_goes_on_after_its_user_has_stopped_looking(clip: Clip) -> None:
    path = clip("h264_open.mp4")
    with VideoReader(path, index_of(path)) as video:
        for frame in video.frames(range(FRAMES), alive):
            if frame.number == 9:
                break
        assert [number_of(frame.bgr()) for frame in video.frames([3, 30], alive)] == [3, 30]


def test_memory_stays_flat(shared: Path) -> None:
    path = shared / "media/clips/bottle-detection.mp4"
    packets = index_of(path)
    process = psutil.Process()
    gc.disable()
    try:
        with VideoReader(path, packets) as video:
            grown = []
            for chunk in (range(0, 300), range(300, packets.frames, 2)):
                for frame in video.frames(chunk, alive):
                    frame.bgr(Letterbox(frame.width, frame.height, 416))
                    frame.luma(320, 180)
                grown.append(process.memory_info().rss)
    finally:
        gc.enable()
    # The frames of the second chunk take 150 MB, their views 200 MB.
    assert grown[1] - grown[0] < 20_000_000
