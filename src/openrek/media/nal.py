"""Packets of H.264 and HEVC, looked into as far as their first slice header."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from openrek.media.bitstream import Bits, Look

LOOKED_AT = 4096
"""Bytes of a NAL unit that are read at most."""


def units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """The NAL units of a packet, long ones cut; each with a length before it, or with start codes between if `length_bytes` is 0."""
    if length_bytes:
        position = 0
        while position + length_bytes < len(data):
            length = int.from_bytes(data[position : position + length_bytes], "big")
            position += length_bytes
            yield data[position : position + min(length, LOOKED_AT)]
            position += length
        return
    start = data.find(b"\0\0\1")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        yield data[start + 3 : min(end if end >= 0 else len(data), start + 3 + LOOKED_AT)]
        start = end


def unescaped(unit: bytes) -> bytes:
    """A NAL unit without its emulation prevention bytes."""
    return unit.replace(b"\0\0\3", b"\0\0")


@dataclass(frozen=True, slots=True)
class _SequenceParameters:
    fields: bool
    frame_number_bits: int
    separate_planes: bool


@dataclass(frozen=True, slots=True)
class _Field:
    bottom: bool
    frame_number: int


class H264:
    """ITU-T H.264: start points, and pictures that come as two packets, a field each."""

    _HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))

    def __init__(self, extradata: bytes) -> None:
        self._length_bytes = (extradata[4] & 3) + 1 if len(extradata) > 6 and extradata[0] == 1 else 0
        self._parameters: _SequenceParameters | None = None
        self._first_field: _Field | None = None
        if self._length_bytes:
            length = int.from_bytes(extradata[6:8], "big")
            heads = [extradata[8 : 8 + length]] if extradata[5] & 31 else []
        else:
            heads = list(units(extradata, 0))
        for unit in heads:
            self._read_parameters(unit)

    def wants(self, keyframe: bool) -> bool:
        """All packets of a stream that may hold fields, and keyframes."""
        return keyframe or (self._parameters is not None and self._parameters.fields)

    def look(self, data: bytes) -> Look:
        """What the first slice and the SEI messages before it say."""
        recovery: int | None = None
        fields: list[_Field] = []
        starts = slices = False
        for unit in units(data, self._length_bytes):
            if not unit:
                continue
            kind = unit[0] & 31
            if kind == 7:
                self._read_parameters(unit)
            elif kind == 6:
                recovery = _recovery_frames(unit[1:]) if recovery is None else recovery
            elif kind in (1, 5):
                bits = Bits(unescaped(unit[1:64]))
                first_macroblock, slice_type = bits.ue(), bits.ue()
                if not slices:
                    starts = kind == 5 or recovery == 0 or (recovery is None and slice_type % 5 in (2, 4))
                slices = True
                field = self._field(bits) if first_macroblock == 0 else None
                if field is not None:
                    fields.append(field)
                elif self._parameters is None or not self._parameters.fields:
                    break
        if len(fields) != 1:
            self._first_field = None
            return Look(starts=starts)
        first, self._first_field = self._first_field, fields[0]
        if first is not None and first.frame_number == fields[0].frame_number and first.bottom != fields[0].bottom:
            self._first_field = None
            return Look(starts=False, shows=False, continues=True)
        return Look(starts=starts)

    def _field(self, bits: Bits) -> _Field | None:
        """The field that a slice belongs to, from `pic_parameter_set_id` on (7.3.3); None if it belongs to a frame."""
        parameters = self._parameters
        if parameters is None or not parameters.fields:
            return None
        bits.ue()
        if parameters.separate_planes:
            bits.u(2)
        frame_number = bits.u(parameters.frame_number_bits)
        return _Field(bool(bits.u(1)), frame_number) if bits.u(1) else None

    def _read_parameters(self, unit: bytes) -> None:
        """Of a sequence parameter set (7.3.2.1.1) what a slice header needs."""
        if len(unit) < 4 or unit[0] & 31 != 7:
            return
        bits = Bits(unescaped(unit[1:LOOKED_AT]))
        profile = bits.u(8)
        bits.u(16)
        bits.ue()
        separate = False
        if profile in self._HIGH_PROFILES:
            chroma = bits.ue()
            separate = chroma == 3 and bool(bits.u(1))
            bits.ue()
            bits.ue()
            bits.u(1)
            if bits.u(1):
                for index in range(12 if chroma == 3 else 8):
                    if bits.u(1):
                        _skip_scaling_list(bits, 16 if index < 6 else 64)
        frame_number_bits = bits.ue() + 4
        order = bits.ue()
        if order == 0:
            bits.ue()
        elif order == 1:
            bits.u(1)
            bits.se()
            bits.se()
            for _ in range(min(bits.ue(), 255)):
                bits.se()
        bits.ue()
        bits.u(1)
        bits.ue()
        bits.ue()
        self._parameters = _SequenceParameters(not bits.u(1), frame_number_bits, separate)


class Hevc:
    """ITU-T H.265: decoding starts at an intra random access point (7.4.2.2)."""

    def __init__(self, extradata: bytes) -> None:
        self._length_bytes = (extradata[21] & 3) + 1 if len(extradata) > 22 and extradata[0] == 1 else 0

    def wants(self, keyframe: bool) -> bool:
        """Keyframes."""
        return keyframe

    def look(self, data: bytes) -> Look:
        """What kind the first slice is of."""
        kinds = (unit[0] >> 1 & 63 for unit in units(data, self._length_bytes) if unit)
        first = next((kind for kind in kinds if kind < 32), 0)
        return Look(starts=16 <= first <= 23)


def _recovery_frames(messages: bytes) -> int | None:
    """`recovery_frame_cnt` of the recovery point among SEI messages (H.264, D.1.8)."""
    data = unescaped(messages[:LOOKED_AT])
    position = 0
    while position + 2 < len(data):
        values = []
        for _ in range(2):
            value = 0
            while position < len(data) and data[position] == 255:
                value += 255
                position += 1
            value += data[position] if position < len(data) else 0
            position += 1
            values.append(value)
        kind, size = values
        if kind == 6:
            return Bits(data[position : position + size]).ue()
        position += size
    return None


def _skip_scaling_list(bits: Bits, count: int) -> None:
    """7.3.2.1.1.1."""
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.se()) % 256
        last = following or last
