"""Videos made by code: a small one of several chunks with sound, and hours of it by repeating encoded packets."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet

WIDTH, HEIGHT, RATE, GOP = 320, 180, 25, 50
SOUND_RATE = 16_000


def small_clip(source: Path, path: Path, seconds: int = 42) -> Path:
    """The beginning of a real video, small, with keyframes every two seconds, and its sound."""
    with av.open(str(source)) as original, av.open(str(path), "w") as clip:
        video = clip.add_stream("libx264", RATE, options={"preset": "veryfast", "crf": "26", "g": str(GOP), "sc_threshold": "0"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = clip.add_stream("aac", SOUND_RATE, layout="mono")
        resampler = av.AudioResampler("fltp", "mono", SOUND_RATE, frame_size=1024)
        number = samples = 0
        for frame in original.decode(original.streams.video[0], original.streams.audio[0]):
            if isinstance(frame, av.AudioFrame):
                for block in resampler.resample(frame):
                    if samples < seconds * SOUND_RATE:
                        block.pts, block.time_base = samples, Fraction(1, SOUND_RATE)
                        samples += block.samples
                        clip.mux(sound.encode(block))
            elif number < seconds * RATE:
                picture = frame.reformat(WIDTH, HEIGHT, "yuv420p")
                picture.pts, picture.time_base = number, Fraction(1, RATE)
                number += 1
                clip.mux(video.encode(picture))
            elif samples >= seconds * SOUND_RATE:
                break
        clip.mux(video.encode(None))
        clip.mux(sound.encode(None))
    return path


def long_clip(source: Path, path: Path, seconds: int, piece_seconds: int = 20) -> Path:
    """A video of this length at 25 frames/s: a piece of a real one, encoded once, its packets repeated with later timestamps."""
    piece = path.with_name("piece.mp4")
    small_clip(source, piece, piece_seconds)
    with av.open(str(piece)) as original, av.open(str(path), "w") as clip:
        packets = {stream.index: _packets(original, stream) for stream in (original.streams.video[0], original.streams.audio[0])}
        streams = {index: clip.add_stream_from_template(original.streams[index]) for index in packets}
        for repetition in range(seconds // piece_seconds):
            for index, held in packets.items():
                later = repetition * piece_seconds * held[0].time_base.denominator // held[0].time_base.numerator
                for packet in held:
                    clip.mux(_copy(packet, later, streams[index]))
    piece.unlink()
    return path


def _packets(container: av.container.InputContainer, stream: av.stream.Stream) -> list[Packet]:
    container.seek(0)
    usual = [packet for packet in container.demux(stream) if packet.size]
    # What a decoder of sound is warmed up with lies before the beginning, and would overlap with the repetition before.
    return [packet for packet in usual if stream.type == "video" or packet.pts >= 0]


def _copy(packet: Packet, later: int, stream: av.stream.Stream) -> Packet:
    copy = Packet(bytes(packet))
    copy.time_base, copy.stream = packet.time_base, stream
    copy.pts, copy.dts, copy.duration, copy.is_keyframe = packet.pts + later, packet.dts + later, packet.duration, packet.is_keyframe
    return copy
