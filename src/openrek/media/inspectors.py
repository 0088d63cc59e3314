"""Packets of codecs other than H.264 and HEVC, looked into; and which inspector a codec has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openrek.media.bitstream import PLAIN, Bits, Inspector, Look
from openrek.media.nal import H264, Hevc


class _Keyframes:
    """An inspector that looks at what is called a keyframe only."""

    def wants(self, keyframe: bool) -> bool:
        """Keyframes."""
        return keyframe


class Mpeg2(_Keyframes):
    """ITU-T H.262, 6.2.3: `picture_coding_type` is 1 in an intra picture. MPEG-1 has the same."""

    def look(self, data: bytes) -> Look:
        """Whether the first picture is intra."""
        picture = data.find(b"\0\0\1\0")
        return PLAIN if picture < 0 or picture + 5 >= len(data) else Look(starts=data[picture + 5] >> 3 & 7 == 1)


class Mpeg4(_Keyframes):
    """ISO/IEC 14496-2, 6.2.5: `vop_coding_type` is 0 in an intra picture."""

    def look(self, data: bytes) -> Look:
        """Whether the first picture is intra."""
        picture = data.find(b"\0\0\1\xb6")
        return PLAIN if picture < 0 or picture + 4 >= len(data) else Look(starts=data[picture + 4] >> 6 == 0)


class Av1(_Keyframes):
    """AV1 bitstream specification, 5.3 and 5.9: the first frame header of a random access point is that of a key frame that is shown."""

    def look(self, data: bytes) -> Look:
        """Whether the first frame is a key frame."""
        position = 0
        while position < len(data):
            kind, extended, sized = data[position] >> 3 & 15, data[position] >> 2 & 1, data[position] >> 1 & 1
            position += 1 + extended
            size = len(data) - position
            if sized:
                size = shift = 0
                while position < len(data) and shift < 56:
                    size |= (data[position] & 127) << shift
                    shift += 7
                    position += 1
                    if data[position - 1] < 128:
                        break
            if kind in (3, 6) and position < len(data):
                return Look(starts=data[position] & 0b11110000 == 0b00010000)
            position += size
        return PLAIN


class Vp8:
    """RFC 6386, 9.1."""

    def wants(self, keyframe: bool) -> bool:
        """Every packet."""
        return True

    def look(self, data: bytes) -> Look:
        """The frame's type, and whether it is shown."""
        return Look(starts=not data[0] & 1, shows=bool(data[0] >> 4 & 1))


class Vp9:
    """VP9 bitstream specification, 6.2 and annex B."""

    def wants(self, keyframe: bool) -> bool:
        """Every packet."""
        return True

    def look(self, data: bytes) -> Look:
        """The first frame's type, and whether it is shown; of a superframe one always is."""
        bits = Bits(data[:1])
        bits.u(2)
        profile = bits.u(1) | bits.u(1) << 1
        if profile == 3:
            bits.u(1)
        if bits.u(1):
            return Look(starts=False)
        return Look(starts=not bits.u(1), shows=bool(bits.u(1)) or data[-1] & 0xE0 == 0xC0)


_INSPECTORS: Mapping[str, Callable[[bytes], Inspector]] = {
    "h264": H264,
    "hevc": Hevc,
    "mpeg1video": lambda _: Mpeg2(),
    "mpeg2video": lambda _: Mpeg2(),
    "mpeg4": lambda _: Mpeg4(),
    "vp8": lambda _: Vp8(),
    "vp9": lambda _: Vp9(),
    "av1": lambda _: Av1(),
}
INSPECTED = frozenset(_INSPECTORS)
"""Codecs, by FFmpeg's names, of which the packets are looked into."""


def inspector(codec: str, extradata: bytes) -> Inspector | None:
    """The inspector for the packets of a codec, by FFmpeg's name; None for codecs of which the container says all that is to be known."""
    make = _INSPECTORS.get(codec)
    return make(extradata) if make else None
