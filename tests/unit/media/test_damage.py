"""Damaged files: what can be decoded is, what cannot is counted, and the answer is the same every time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from media_clips import FRAMES, Recipe, encode, number_of

from openrek.errors import DamagedVideoError, VideoError
from openrek.media import frames as frames_module
from openrek.media.frames import VideoReader
from openrek.media.packets import PacketIndex
from openrek.media.probe import probe
from openrek.observations import Damage

Clip = Callable[[str], Path]


def alive() -> None:
    """Nobody is waiting."""


def digests(path: Path, packets: PacketIndex, wanted: Iterable[int], threads: int = 1) -> tuple[dict[int, str], Damage]:
    with VideoReader(path, packets, threads=threads) as video:
        found = {frame.number: hashlib.sha256(frame.bgr().tobytes()).hexdigest() for frame in video.frames(list(wanted), alive)}
        return found, video.damage


def flipped(source: Path, target: Path, seed: int, bits: int = 8) -> Path:
    """A copy with some bits turned over, header and index apart."""
    chance = random.Random(seed)
    data = bytearray(source.read_bytes())
    for _ in range(bits):
        data[chance.randrange(len(data) // 5, len(data) * 4 // 5)] ^= 1 << chance.randrange(8)
    target.write_bytes(data)
    return target


# Decoders that neither report nor mark all damage (HEVC, VP8, WMV2) cannot be held to this.
DAMAGED = (
    "h264_closed.mp4",
    "h264_open.mp4",
    "h264_open.mkv",
    "h264_open.ts",
    "h264.flv",
    "h264.h264",
    "mpeg2.ts",
    "mpeg2.mxf",
    "mpeg4.mp4",
    "vp9.webm",
    "av1.mp4",
    "mjpeg.avi",
    "prores.mov",
)


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaged_file_gives_the_same_frames_however_it_is_read(name: str, seed: int, clip: Clip, tmp_path: Path) -> None:
    path = flipped(clip(name), tmp_path / name, seed)
    try:
        packets = probe(path, alive).packets
    except VideoError:
        return
    whole, damage = digests(path, packets, range(packets.frames))
    assert len(whole) > packets.frames / 4
    assert digests(path, packets, range(packets.frames)) == (whole, damage)
    cuts = [*packets.keyframe_pts().tolist(), packets.end_pts]
    apart: dict[int, str] = {}
    for start, end in zip(cuts[-2::-1], cuts[:0:-1], strict=True):
        apart |= digests(path, packets, packets.between(start, end))[0]
    assert apart == whole
    for wanted in (range(3, packets.frames, 7), range(0, packets.frames, 2)):
        assert digests(path, packets, wanted)[0] == {number: whole[number] for number in wanted if number in whole}
    assert digests(path, packets, range(packets.frames), threads=3)[0] == whole


def test_frames_after_the_damage_are_right(shared: Path) -> None:
    path = shared / "media/formats/generated/bitflips.mp4"
    packets = probe(path, alive).packets
    found, damage = digests(path, packets, range(packets.frames))
    assert len(found) == 42
    assert damage.packets == 9
    assert damage.messages == ("Part of a picture was damaged and has been repaired by the decoder.",)


def test_a_group_of_pictures_that_is_lost_costs_no_other(clip: Clip, tmp_path: Path) -> None:
    source = clip("h264_closed.mp4")
    packets = probe(source, alive).packets
    data = bytearray(source.read_bytes())
    # The sizes of all packets of the second group, one after the other from the start of mdat on, are noise.
    start = data.index(b"mdat") + 4 + int(packets.size[: packets.starts[1]].sum())
    end = start + int(packets.size[packets.starts[1] : packets.starts[2]].sum())
    data[start:end] = b"\xff" * (end - start)
    path = tmp_path / "hole.mp4"
    path.write_bytes(data)
    lost = range(int(packets.reached[1]), int(packets.reached[2]))
    packets = probe(path, alive).packets
    assert packets.frames == FRAMES
    with VideoReader(path, packets) as video:
        found = [(frame.number, number_of(frame.bgr())) for frame in video.frames(range(FRAMES), alive)]
        assert video.damage.packets >= len(lost)
    assert found == [(number, number) for number in range(FRAMES) if number not in lost]


def test_too_many_packets_in_a_row_are_too_many(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "long.mp4", Recipe("", "mjpeg", {"q": "4"}, pix_fmt="yuvj420p", frames=60))
    packets = probe(path, alive).packets
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4 + int(packets.size[:5].sum())
    end = start + int(packets.size[5:45].sum())
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    assert list(digests(path, packets, range(60))[0]) == [*range(5), *range(45, 60)]
    monkeypatch.setattr(frames_module, "MOST_FAILURES", 30)
    with pytest.raises(DamagedVideoError, match="30 packets of the video in a row cannot be decoded"):
        digests(path, packets, range(60))


def test_a_file_that_changes_while_it_is_read(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(clip("h264_closed.mp4").read_bytes())
    packets = probe(path, alive).packets
    path.write_bytes(clip("hevc_open.mp4").read_bytes())
    with pytest.raises(DamagedVideoError, match="has changed while it was read"):
        digests(path, packets, range(FRAMES))


def test_a_file_that_ends_early_gives_what_is_there(clip: Clip, tmp_path: Path) -> None:
    for name in ("h264_open.ts", "h264_open.mkv", "h264.flv", "mpeg2.mpg"):
        whole = clip(name).read_bytes()
        path = tmp_path / name
        path.write_bytes(whole[: len(whole) * 2 // 3])
        packets = probe(path, alive).packets
        assert FRAMES / 2 < packets.frames < FRAMES
        with VideoReader(path, packets) as video:
            found = [(frame.number, number_of(frame.bgr())) for frame in video.frames(range(packets.frames - 2), alive)]
        assert found == [(number, number) for number in range(packets.frames - 2)]


@pytest.mark.parametrize("name", ["h264_open.mp4", "h264_open.ts", "hevc_closed.mkv", "vp9.webm", "mpeg4.avi", "mjpeg.avi", "mpeg2.mxf"])
def test_whatever_a_file_holds_its_owner_is_told_or_frames_are_given(name: str, clip: Clip, tmp_path: Path) -> None:
    whole = clip(name).read_bytes()
    path = tmp_path / name
    told: list[str] = []
    for seed in range(12):
        chance = random.Random(seed)
        data = bytearray(whole)
        for _ in range(chance.choice((1, 10, 100))):
            if seed % 3 == 0:
                data[chance.randrange(min(len(data), 3000))] = chance.randrange(256)
            elif seed % 3 == 1:
                data[chance.randrange(len(data))] = chance.randrange(256)
            else:
                source, target = chance.randrange(len(data)), chance.randrange(len(data))
                data[target : target + 500] = data[source : source + 500]
        path.write_bytes(data)
        try:
            packets = PacketIndex.from_bytes(probe(path, alive, seconds=3600, frame_pixels=2**22).packets.to_bytes())
            with VideoReader(path, packets, frame_pixels=2**22) as video:
                numbers = [frame.number for frame in video.frames(range(0, min(packets.frames, 200), 3), alive)]
            assert numbers == sorted(set(numbers))
        except VideoError as error:
            told.append(error.message)
    assert all(message.endswith(".") for message in told)
