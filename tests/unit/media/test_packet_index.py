"""The packet index: numbers in, numbers out."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from openrek.errors import ObservationError
from openrek.media.packets import CONTINUES, DISCARD, HIDDEN, KEY, NO_TIME, PacketIndex
from openrek.observations import EVERY_FRAME, KEYFRAMES, Sampling


def make(pts: list[int], flags: list[int] | None = None, *, end: int | None = None, time_base: Fraction = Fraction(1, 100)) -> PacketIndex:
    count = len(pts)
    return PacketIndex(
        stream=0,
        time_base=time_base,
        frame_rate=Fraction(25),
        usable=True,
        independent=False,
        end_pts=max(pts) + 4 if end is None else end,
        pts=np.array(pts, np.int64),
        dts=np.array(pts, np.int64) - 8,
        size=np.full(count, 100, np.int64),
        flags=np.array(flags or [KEY] + [0] * (count - 1), np.uint8),
    )


# Two open groups of pictures: I0 P3 B1 B2 | I6 B4 B5 P9 B7 B8, four ticks a frame, from pts 40.
ORDER = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
OPEN = make([40 + 4 * number for number in ORDER], [KEY, 0, 0, 0, KEY, 0, 0, 0, 0, 0])


def test_frames_are_numbered_in_display_order() -> None:
    assert OPEN.frames == 10
    assert OPEN.numbers.tolist() == ORDER
    assert OPEN.frame_pts().tolist() == list(range(40, 80, 4))
    assert [ORDER[packet] for packet in OPEN.frame_packets] == list(range(10))
    assert (OPEN.start_pts, OPEN.end_pts, OPEN.duration) == (40, 80, Fraction(2, 5))


def test_a_chunk_can_begin_with_a_keyframe_that_others_lead_over_to() -> None:
    assert (OPEN.starts.tolist(), OPEN.reached.tolist()) == ([0, 4], [0, 6])
    assert OPEN.keyframe_pts().tolist() == [40, 64]
    assert OPEN.between(40, 64) == range(6)
    assert OPEN.between(64, 80) == range(6, 10)
    assert OPEN.between(41, 44) == range(1, 1)


def test_a_keyframe_that_is_shown_before_what_was_coded_before_it_is_no_start() -> None:
    index = make([0, 4, 20, 8, 12, 24], [KEY, 0, 0, KEY, 0, KEY])
    assert index.starts.tolist() == [0, 5]


def test_packets_that_show_nothing_have_no_number() -> None:
    index = make([-8, -4, 0, 4, 8], [KEY | DISCARD, DISCARD, 0, HIDDEN, HIDDEN | CONTINUES])
    assert index.numbers.tolist() == [-1, -1, 0, -1, -1]
    assert (index.frames, index.start_pts, index.starts.tolist(), index.reached.tolist()) == (1, 0, [0], [0])


def test_what_comes_before_the_first_keyframe_is_left_out_if_it_shows_nothing() -> None:
    index = make([0, 4, 8, 12], [HIDDEN, HIDDEN, KEY, 0])
    assert (index.starts.tolist(), index.reached.tolist()) == ([2], [0])


def test_without_usable_pts_frames_follow_each_other() -> None:
    unknown = np.full(4, NO_TIME)
    index = replace(
        OPEN, usable=False, time_base=Fraction(1, 25), end_pts=4, pts=unknown, dts=unknown, size=unknown * 0, flags=OPEN.flags[:4]
    )
    assert index.frame_pts().tolist() == [0, 1, 2, 3]
    assert (index.keyframe_pts().tolist(), index.duration) == ([0], Fraction(4, 25))


@pytest.mark.parametrize(("milliseconds", "number"), [(0, 0), (39, 0), (40, 1), (Fraction(4999, 125), 0), (399, 9), (1000, 9)])
def test_the_frame_for_an_instant_is_the_last_one_at_or_before_it(milliseconds: Fraction, number: int) -> None:
    assert OPEN.frame_at(Fraction(milliseconds) / 1000) == number


rates = st.fractions(Fraction(1, 50), 240).map(lambda rate: rate.limit_denominator(1001)).filter(lambda rate: rate > 0)


@given(
    steps=st.lists(st.integers(1, 10**6), min_size=1, max_size=40),
    start=st.integers(-(10**12), 10**12),
    time_base=st.sampled_from([Fraction(1, 90_000), Fraction(1001, 30_000), Fraction(1, 10**9), Fraction(1, 1000)]),
    rate=rates,
)
@settings(max_examples=60, deadline=None)
def test_samples_and_blocks_are_what_rational_arithmetic_says(steps: list[int], start: int, time_base: Fraction, rate: Fraction) -> None:
    pts = (start + np.cumsum([0, *steps[:-1]])).tolist()
    scale = Fraction(20) / (sum(steps) * time_base)
    index = make(pts, end=start + sum(steps), time_base=(time_base * scale).limit_denominator(2**31))
    instants = []
    while len(instants) / rate < index.duration:
        instants.append(len(instants) / rate)
    assert index.blocks(rate) == len(instants)
    shown = [max(n for n in range(index.frames) if (pts[n] - start) * index.time_base <= instant) for instant in instants]
    assert index.sampled(Sampling("rate", rate)).tolist() == sorted(set(shown))
    assert [index.frame_at(instant) for instant in instants] == shown
    # Blocks belong to the chunk in which they begin, whatever the chunks.
    cuts = sorted({start, *pts[::3], index.end_pts})
    parts = [index.blocks_between(a, b, rate) for a, b in pairwise(cuts)]
    assert [number for part in parts for number in part] == list(range(len(instants)))
    for (a, b), part in zip(pairwise(cuts), parts, strict=True):
        assert all(a - start <= number / rate / index.time_base < b - start for number in part)
        assert all(a <= index.block_pts(number, rate) < b for number in part)


def test_samplings_of_frames() -> None:
    assert OPEN.sampled(EVERY_FRAME).tolist() == list(range(10))
    assert OPEN.sampled(KEYFRAMES).tolist() == [0, 6]
    with pytest.raises(ValueError, match="blocks"):
        OPEN.sampled(Sampling("blocks", Fraction(20)))


def test_six_hours_at_sixty_frames_a_second_take_little_room() -> None:
    frames = 6 * 3600 * 60
    order = (np.arange(frames) // 4 * 4 + np.tile([3, 1, 0, 2], frames // 4)) * 1001
    flags = np.zeros(frames, np.uint8)
    flags[::120] = KEY
    size = np.random.default_rng(1).integers(500, 60_000, frames)
    index = replace(
        OPEN, time_base=Fraction(1, 60_000), end_pts=frames * 1001, pts=order, dts=np.arange(frames) * 1001, size=size, flags=flags
    )
    data = index.to_bytes()
    assert len(data) < 4_000_000
    again = PacketIndex.from_bytes(data)
    assert np.array_equal(again.frame_pts(), np.arange(frames) * 1001)


def test_bytes_and_back() -> None:
    unknown = replace(OPEN, dts=np.where(np.arange(10) < 3, NO_TIME, OPEN.dts))
    for index in (OPEN, unknown, make([0]), make([2**60, 2**60 + 1])):
        again = PacketIndex.from_bytes(index.to_bytes())
        for name in ("stream", "time_base", "frame_rate", "usable", "independent", "end_pts"):
            assert getattr(again, name) == getattr(index, name)
        for name in ("pts", "dts", "size", "flags"):
            assert np.array_equal(getattr(again, name), getattr(index, name))


FACTS = {"stream": 0, "time_base": "1/100", "frame_rate": "25", "usable": True, "independent": False, "end_pts": 12}


def packed(facts: object = FACTS, **changes: object) -> bytes:
    arrays = {
        "pts": np.array([0, 4, 4], np.int64),
        "dts": np.array([0, 4, 4], np.int64),
        "size": np.array([5, 5, 5], np.int64),
        "flags": np.array([1, 0, 0], np.uint8),
    }
    arrays |= {name: value for name, value in changes.items() if value is not None}
    for name, value in changes.items():
        if value is None:
            del arrays[name]
    return zlib.compress(save(arrays, metadata={"facts": json.dumps(facts)}))


def test_what_is_packed_by_hand_is_read() -> None:
    assert PacketIndex.from_bytes(packed()).frame_pts().tolist() == [0, 4, 8]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        zlib.compress(b""),
        zlib.compress(b"\xff" * 100),
        packed()[:-6],
        zlib.compress(save({"pts": np.zeros(1)})),
        packed(facts=[1, 2]),
        packed(facts=FACTS | {"time_base": "1/0"}),
        packed(facts=FACTS | {"time_base": "-1/100"}),
        packed(facts=FACTS | {"time_base": None}),
        packed(facts=FACTS | {"time_base": "1/99999999999999"}),
        packed(facts=FACTS | {"frame_rate": "nan"}),
        packed(facts=FACTS | {"stream": -1}),
        packed(facts=FACTS | {"stream": "0"}),
        packed(facts=FACTS | {"stream": True}),
        packed(facts=FACTS | {"usable": 1}),
        packed(facts=FACTS | {"end_pts": 8}),
        packed(facts=FACTS | {"end_pts": 2**61}),
        packed(facts=FACTS | {"end_pts": 1.5}),
        packed(facts={}),
        packed(pts=None),
        packed(more=np.zeros(3)),
        packed(pts=np.array([0, 4], np.int64)),
        packed(pts=np.array([0, 4, 4], np.int32)),
        packed(pts=np.array([[0, 4, 4]], np.int64)),
        packed(pts=np.array([0, 4, 2**62], np.int64)),
        packed(pts=np.array([NO_TIME, 4, 4], np.int64)),
        packed(size=np.array([5, -5, 5], np.int64)),
        packed(size=np.array([5, 2**40, 5], np.int64)),
        packed(flags=np.array([DISCARD] * 3, np.uint8)),
        zlib.compress(bytes(300_000_000), 9),
    ],
    ids=range(31),
)
def test_an_index_from_an_untrusted_process_is_checked(data: bytes) -> None:
    with pytest.raises(ObservationError):
        PacketIndex.from_bytes(data)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_no_damaged_bytes_do_harm(data: st.DataObject) -> None:
    raw = bytearray(zlib.decompress(OPEN.to_bytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        index = PacketIndex.from_bytes(zlib.compress(bytes(raw)))
    except ObservationError:
        return
    assert index.frames > 0
    assert len(index.keyframe_pts()) > 0
    assert index.end_pts > index.frame_pts()[-1]


def test_the_worker_can_use_it_without_what_reads_videos() -> None:
    modules = "openrek.media.packets, openrek.media.stage, openrek.media.stage_folder, openrek.media.stage_s3"
    unwanted = "{'av', 'cv2', 'botocore', 'boto3'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"import sys, {modules}; sys.exit(bool({unwanted}))"], check=True)
