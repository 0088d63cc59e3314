"""Blocks of sound lie where they should, and are the same wherever one begins to listen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from openrek.media import sound as sound_module
from openrek.media.packets import PacketIndex
from openrek.media.probe import probe
from openrek.media.sound import SoundReader

RATE = Fraction(20)


def alive() -> None:
    """Nobody is waiting."""


@dataclass(frozen=True)
class Recipe:
    """A clip with sound."""

    name: str
    video: str
    audio: str
    rate: int
    layout: str = "stereo"
    container: str | None = None
    gain: float = 1.0
    exact: int = 0
    """Blocks after a change of level that may hold some of both: containers round, coders smear."""


RECIPES = (
    Recipe("aac.mp4", "mpeg4", "aac", 44100),
    Recipe("aac.mkv", "mpeg4", "aac", 44100, exact=1),
    Recipe("aac.ts", "mpeg2video", "aac", 48000, container="mpegts"),
    Recipe("mp3.mp4", "mpeg4", "libmp3lame", 44100, gain=0.95, exact=1),
    Recipe("mp3.avi", "mpeg4", "libmp3lame", 44100, gain=0.95, exact=1),
    Recipe("opus.webm", "libvpx", "libopus", 48000, exact=1),
    Recipe("ac3.ts", "mpeg2video", "ac3", 48000, container="mpegts"),
    Recipe("mp2.ts", "mpeg2video", "mp2", 48000, container="mpegts", exact=1),
    Recipe("flac.mkv", "mpeg4", "flac", 22050, layout="mono", exact=1),
    Recipe("pcm16.mov", "mpeg4", "pcm_s16le", 44100),
    Recipe("pcm8.avi", "mpeg4", "pcm_u8", 11025, layout="mono", exact=1),
    Recipe("float.mov", "mpeg4", "pcm_f32le", 32000),
    Recipe("alac.mov", "mpeg4", "alac", 44100, layout="5.1"),
)


def level(second: NDArray[np.int64]) -> NDArray[np.float64]:
    """Every second is of another loudness than its neighbours."""
    return np.array([0.05, 0.5, 0.2])[second % 3]


def encode(path: Path, recipe: Recipe, *, seconds: float = 12, video_from: float = 0, silent: tuple[float, float] = (0, 0)) -> Path:
    """A tone of changing level beside five black frames a second, which begin at `video_from`; no packets of sound in `silent`."""
    with av.open(str(path), "w", format=recipe.container) as container:
        fps = 25 if recipe.video == "mpeg2video" else 5
        video = container.add_stream(recipe.video, rate=fps)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(recipe.audio, rate=recipe.rate, layout=recipe.layout)
        times = np.arange(int(seconds * recipe.rate)) / recipe.rate
        tone = (level(times.astype(np.int64)) * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
        channels = audio.codec_context.layout.nb_channels
        resampler = av.AudioResampler(audio.codec_context.format.name, recipe.layout, recipe.rate, audio.codec_context.frame_size or 0)
        shown = 0

        def mux(frames: Sequence[av.AudioFrame | None]) -> None:
            for frame in frames:
                for packet in audio.encode(frame):
                    if not silent[0] <= float(packet.pts * packet.time_base) < silent[1]:
                        container.mux_one(packet)

        for start in range(0, len(tone), 1000):
            while video_from + shown / fps <= start / recipe.rate:
                picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24").reformat(format="yuv420p")
                picture.pts, picture.time_base = round(video_from * fps) + shown, Fraction(1, fps)
                container.mux(video.encode(picture))
                shown += 1
            piece = np.stack([tone[start : start + 1000]] * channels)
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=recipe.layout)
            frame.sample_rate, frame.pts, frame.time_base = recipe.rate, start, Fraction(1, recipe.rate)
            mux(resampler.resample(frame))
        mux([*resampler.resample(None), None])
        container.mux(video.encode(None))
    return path


def heard(path: Path, packets: PacketIndex, numbers: range, rate: Fraction = RATE) -> list[NDArray[np.float32]]:
    return [block.samples for block in SoundReader(path, packets).blocks(rate, numbers, alive)]


def loudness(blocks: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.array([np.sqrt(np.mean(np.square(block, dtype=np.float64))) for block in blocks])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_sound_lies_where_it_should_wherever_one_begins(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_module, "SEGMENT", 4)
    path = encode(tmp_path / recipe.name, recipe)
    packets = probe(path, alive).packets
    reader = SoundReader(path, packets)
    assert (reader.present, reader.sample_rate) == (True, recipe.rate)
    count = packets.blocks(RATE)
    assert 240 <= count <= 244
    whole = heard(path, packets, range(count))
    assert [len(block) for block in whole] == [-(-(n + 1) * recipe.rate // 20) - -(-n * recipe.rate // 20) for n in range(count)]
    assert {block.shape[1] for block in whole} == {reader.channels}
    assert {block.dtype for block in whole} == {np.dtype(np.float32)}

    expected = level(np.arange(count) // 20) * recipe.gain / np.sqrt(2)
    found = loudness(whole)
    clear = (np.arange(count) % 20 >= recipe.exact) & (np.arange(count) % 20 < 20 - recipe.exact) & (np.arange(count) < 238)
    assert np.abs(found / expected - 1)[clear].max() < 0.1

    for parts in (2, 5, 7):
        edges = np.linspace(0, count, parts + 1).astype(int)
        for first, stop in list(pairwise(edges))[::-1]:
            again = heard(path, packets, range(first, stop))
            assert all(np.array_equal(one, other) for one, other in zip(again, whole[first:stop], strict=True))


def test_sound_before_the_first_frame_is_left_out(tmp_path: Path) -> None:
    path = encode(tmp_path / "late.mkv", RECIPES[1], video_from=2)
    packets = probe(path, alive).packets
    assert packets.start_pts * packets.time_base == 2
    found = loudness(heard(path, packets, range(packets.blocks(RATE))))
    assert found[1:19] == pytest.approx([0.2 / np.sqrt(2)] * 18, rel=0.05)
    assert found[21:39] == pytest.approx([0.05 / np.sqrt(2)] * 18, rel=0.05)


def test_silence_where_there_is_no_sound(tmp_path: Path) -> None:
    path = encode(tmp_path / "gap.mkv", RECIPES[1], silent=(4, 7))
    packets = probe(path, alive).packets
    found = loudness(heard(path, packets, range(packets.blocks(RATE))))
    assert found[82:138].max() < 1e-3
    assert found[141:159] == pytest.approx([0.5 / np.sqrt(2)] * 18, rel=0.05)
    # After the sound has ended, the video goes on.
    path = encode(tmp_path / "short.mp4", RECIPES[0], silent=(8, 99))
    packets = probe(path, alive).packets
    blocks = heard(path, packets, range(packets.blocks(RATE)))
    assert len(blocks) == 240
    assert loudness(blocks)[165:].max() < 1e-3


@pytest.mark.parametrize("rate", [Fraction(20), Fraction(30000, 1001), Fraction(7), Fraction(1, 3)])
def test_blocks_of_any_length(rate: Fraction, tmp_path: Path) -> None:
    path = encode(tmp_path / "sound.mov", RECIPES[9], seconds=6)
    packets = probe(path, alive).packets
    blocks = heard(path, packets, range(packets.blocks(rate)), rate)
    edges = [-(-number * 44100 // rate) for number in range(len(blocks) + 1)]
    assert [len(block) for block in blocks] == [stop - start for start, stop in pairwise(edges)]
    whole = np.concatenate(blocks)
    reference = np.concatenate(heard(path, packets, range(packets.blocks(RATE))))
    shared = min(len(whole), len(reference))
    assert np.array_equal(whole[:shared], reference[:shared])


def test_a_video_without_sound(clip: Callable[[str], Path]) -> None:
    path = clip("h264_closed.mp4")
    packets = probe(path, alive).packets
    reader = SoundReader(path, packets)
    assert not reader.present
    assert list(reader.blocks(RATE, range(10), alive)) == []


def test_damaged_sound_is_silence(tmp_path: Path) -> None:
    path = encode(tmp_path / "sound.ts", RECIPES[6])
    packets = probe(path, alive).packets
    data = bytearray(path.read_bytes())
    chance = np.random.default_rng(3)
    for place in chance.integers(len(data) // 4, len(data) // 2, 400):
        data[place] ^= 1 << int(chance.integers(8))
    path.write_bytes(data)
    blocks = heard(path, packets, range(240))
    assert len(blocks) == 240
    assert loudness(blocks)[201:219] == pytest.approx([level(np.array([10]))[0] / np.sqrt(2)] * 18, rel=0.05)


def test_alive_is_called_and_may_stop_the_reading(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    path = encode(tmp_path / "sound.mp4", RECIPES[0])
    packets = probe(path, alive).packets
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StopError

    with pytest.raises(StopError):
        list(SoundReader(path, packets).blocks(RATE, range(240), stop))
