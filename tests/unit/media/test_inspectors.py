"""What packets say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_clips import RECIPES, BitWriter, Recipe, field_pairs

from openrek.media.bitstream import Bits, Look
from openrek.media.inspectors import INSPECTED, Av1, Mpeg2, Vp8, Vp9, inspector
from openrek.media.nal import H264, Hevc, units


def test_numbers_of_variable_length() -> None:
    writer = BitWriter().ue(0).ue(1).ue(6).ue(254).se(-3).se(4).u(5, 3)
    bits = Bits(writer.unit(0)[5:])
    assert [bits.ue() for _ in range(4)] == [0, 1, 6, 254]
    assert (bits.se(), bits.se(), bits.u(3)) == (-3, 4, 5)
    assert Bits(b"").u(9) == 0


@pytest.mark.parametrize("high", [False, True])
def test_a_pair_of_fields_is_one_picture(high: bool) -> None:
    fields = [unit for unit, _ in field_pairs(5, 4, high=high)]
    look = H264(b"")
    assert not look.wants(False)
    first, second = Look(), Look(starts=False, shows=False, continues=True)
    assert [look.look(unit) for unit in fields] == [first, second] * 5
    assert look.wants(False)
    # A field whose partner has been lost is a picture; so is a packet that holds both.
    look = H264(b"")
    assert [look.look(unit) for unit in (fields[0], fields[2], fields[3])] == [first, first, second]
    assert look.look(fields[4] + fields[5]) == first
    assert look.look(fields[6]) == first


def test_units_with_lengths() -> None:
    data = b"\0\0\0\3\x65ab\0\0\0\2\x06c\0\0\0\x09\x01d"
    assert list(units(data, 4)) == [b"\x65ab", b"\x06c", b"\x01d"]
    assert list(units(b"", 4)) == []
    assert list(units(b"\0\0\1\x65ab\0\0\0\1\x06", 0)) == [b"\x65ab\0", b"\x06"]


@pytest.mark.parametrize(("frames", "starts"), [(0, True), (1, False), (12, False)])
def test_decoding_starts_at_a_recovery_point_only_if_it_recovers_at_once(frames: int, starts: bool) -> None:
    sei = BitWriter().u(6, 8).u(2, 8).ue(frames).u(8, 4).align().unit(6)
    slice_of_p = BitWriter().ue(0).ue(5).ue(0).u(3, 4).unit(0x41)
    assert H264(b"").look(sei + slice_of_p).starts is starts
    assert not H264(b"").look(slice_of_p).starts


def test_random_access_points_of_hevc() -> None:
    assert [kind for kind in range(32) if Hevc(b"").look(b"\0\0\1" + bytes([kind << 1, 1, 0])).starts] == list(range(16, 24))


def test_frames_of_vp8_and_vp9_that_are_not_shown() -> None:
    assert Vp8().look(bytes([0b0001_0000])) == Look()
    assert Vp8().look(bytes([0b0000_0001])) == Look(starts=False, shows=False)
    key, hidden, again = bytes([0b1000_0010, 0]), bytes([0b1000_0100, 0]), bytes([0b1000_1000, 0])
    assert Vp9().look(key) == Look()
    assert Vp9().look(hidden) == Look(starts=False, shows=False)
    assert Vp9().look(again) == Look(starts=False)
    assert Vp9().look(hidden[:1] + bytes([0b1100_0001])) == Look(starts=False)


def test_key_frames_of_av1() -> None:
    delimiter, sequence = bytes([0x12, 0]), bytes([0x0A, 2, 0, 0])
    key, inter, again = (bytes([0x32, 2, first, 0]) for first in (0b0001_0000, 0b0011_0000, 0b1000_0000))
    assert Av1().look(delimiter + sequence + key).starts
    assert not Av1().look(delimiter + sequence + inter).starts
    assert not Av1().look(delimiter + again).starts


@pytest.mark.parametrize("recipe", [r for r in RECIPES if r.name.startswith(("h26", "hevc", "vp", "av1", "mpeg"))], ids=lambda r: r.name)
def test_encoders_keyframes_are_believed(recipe: Recipe, clip: Callable[[str], Path]) -> None:
    path = clip(recipe.name)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        look = inspector(stream.codec_context.codec.canonical_name, bytes(stream.codec_context.extradata or b""))
        assert look is not None
        looks = [(packet.is_keyframe, look.look(bytes(packet))) for packet in container.demux(stream) if packet.size]
    assert all(found.shows for _, found in looks)
    if "refresh" not in path.name:
        assert all(found.starts for keyframe, found in looks if keyframe)
    else:
        assert [found.starts for keyframe, found in looks if keyframe] == [True] + [False] * (sum(key for key, _ in looks) - 1)


@given(st.sampled_from(sorted(INSPECTED)), st.binary(max_size=60), st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4))
@settings(max_examples=400, deadline=None)
def test_whatever_a_packet_holds_an_inspector_says_something(codec: str, extradata: bytes, packets: list[bytes]) -> None:
    look = inspector(codec, extradata)
    assert look is not None
    for packet in packets:
        assert isinstance(look.look(packet), Look)
        assert isinstance(look.look(b"\0\0\1" + packet), Look)
        look.wants(True)


def test_a_picture_header_that_is_cut_off() -> None:
    assert Mpeg2().look(b"\0\0\1\0\0") == Look()
