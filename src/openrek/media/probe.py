"""What a file is: one pass over its packets, and a look at its first pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from openrek.errors import DamagedVideoError, UnsupportedVideoError
from openrek.media import containers, orientation, signatures, timeline
from openrek.media.bitstream import PLAIN
from openrek.media.inspectors import inspector
from openrek.media.packets import CONTINUES, CORRUPT, DISCARD, HIDDEN, KEY, MOST_PACKETS, NO_TIME, PacketIndex
from openrek.media.timeline import FASTEST_RATE, PacketColumns, StreamFacts
from openrek.video import AudioFacts, VideoFacts

ALIVE_EVERY = 256
"""Packets between two signs of life."""
LOOKED_AT = 600
"""Packets among which the first picture must be."""
VERIFIED = 40
"""Pictures whose order is compared with their pts, where pts may be FFmpeg's guess."""
_STATED_TIMES = ("mov,mp4", "matroska,webm")
"""Containers that store every pts."""
_ANIMATIONS = ("gif", "mjpeg")
"""Formats whose single frame is a picture and no video."""
_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What is known of a video once its packets have been read."""

    facts: VideoFacts
    packets: PacketIndex


def probe(path: Path, alive: Callable[[], None], *, seconds: int = 0, frame_pixels: int = 0, strict: bool = False) -> Probe:
    """Demux a video once and decode its first pictures.

    Parameters
    ----------
    alive
        Called now and then; stops the probe by raising.
    seconds, frame_pixels
        The longest video and the largest frame; 0 is no limit.
    strict
        Take H.264 in MP4 or MOV only, as AWS does.

    Raises
    ------
    UnsupportedVideoError
        The file is no video that can be analysed, or it exceeds a limit.
    DamagedVideoError
        No picture can be decoded.
    """
    with containers.open_file(path, frame_pixels) as container:
        stream = _video_stream(container)
        codec, container_format = stream.codec_context.codec, container.format
        if strict and not (codec.canonical_name == "h264" and container_format.name.startswith("mov,mp4")):
            raise UnsupportedVideoError(
                f"The video is {codec.canonical_name} in {container_format.long_name}; only H.264 in MP4 or MOV is accepted."
            )
        _check_size(stream.codec_context.width, stream.codec_context.height, frame_pixels)
        facts = _stream_facts(stream)
        columns, sounds = _demux(container, stream, alive)
        packets = timeline.index(columns, facts)
        stated = container_format.name.startswith(_STATED_TIMES)
        doubtful = packets.usable and (not stated or (stream.codec_context.has_b_frames and timeline.is_ascending(packets)))
        declared = None if stream.duration is None else stream.duration * facts.time_base
        audio = tuple(_audio_facts(container, sounds))
    if not packets.frames:
        raise UnsupportedVideoError("The file has a video stream without pictures. Upload the complete file again.")
    if packets.frames == 1 and container_format.name in _ANIMATIONS:
        raise UnsupportedVideoError(f"The file is a picture ({codec.canonical_name.upper()}), not a video.")
    opening = _open_pictures(path, packets, VERIFIED if doubtful else 1, frame_pixels, alive)
    _check_size(opening.picture.width, opening.picture.height, frame_pixels)
    if not opening.ordered:
        packets = timeline.untimed(packets, facts)
    elif opening.first is not None:
        packets = timeline.opened_at(packets, opening.first)
    if seconds and packets.duration > seconds:
        raise UnsupportedVideoError(f"The video is {_clock(packets.duration)} long; at most {_clock(Fraction(seconds))} is accepted.")
    turned = orientation.of(opening.picture)
    width, height = turned.displayed(opening.picture.width, opening.picture.height)
    full_range = opening.picture.color_range == _FULL_RANGE or opening.picture.format.name.startswith("yuvj")
    video = VideoFacts(
        codec=codec.canonical_name,
        format=container_format.long_name,
        width=width,
        height=height,
        rotation=turned.clockwise,
        time_base=packets.time_base,
        start_pts=packets.start_pts,
        end_pts=int(packets.frame_pts()[-1]),
        frame_rate=packets.frame_rate,
        frames=packets.frames,
        duration_millis=_duration_millis(packets, declared),
        color_range="FULL" if full_range else "LIMITED",
        audio=audio,
    )
    return Probe(video, packets)


def _video_stream(container: InputContainer) -> VideoStream:
    """The stream to analyse: FFmpeg's best one, unless that is no video."""
    if container.metadata.get("major_brand", "").encode() in signatures.HEIF_BRANDS:
        raise UnsupportedVideoError("The file is a picture (HEIF), not a video.")
    candidates = [stream for stream in containers.streams(container, "video") if isinstance(stream, VideoStream)]
    if candidates:
        best = container.streams.best("video")
        if isinstance(best, VideoStream) and best in candidates:
            return best
        return max(candidates, key=lambda stream: (stream.codec_context.width * stream.codec_context.height, -stream.index))
    if any(stream.type == "video" and stream.codec_context is None for stream in container.streams):
        raise UnsupportedVideoError("The video's codec is unknown, or the header that names it is damaged. Convert it to H.264 in MP4.")
    sounds = sorted({stream.codec_context.codec.canonical_name for stream in containers.streams(container, "audio")})
    if sounds:
        raise UnsupportedVideoError(f"The file has no video stream: it holds audio only ({', '.join(sounds)}).")
    raise UnsupportedVideoError("The file has no video stream.")


def _check_size(width: int, height: int, most: int) -> None:
    if most and width * height > most:
        raise UnsupportedVideoError(
            f"The video's frames have {width} x {height} = {width * height:,} pixels; at most {most:,} are accepted."
        )


def _stream_facts(stream: VideoStream) -> StreamFacts:
    rates = (stream.average_rate, stream.guessed_rate)
    codec = stream.codec_context.codec
    return StreamFacts(
        stream.index,
        stream.time_base or Fraction(1, 1000),
        tuple(rate for rate in rates if rate is not None and 0 < rate <= FASTEST_RATE),
        codec.intra_only,
        codec.reorder,
    )


def _demux(container: InputContainer, stream: VideoStream, alive: Callable[[], None]) -> tuple[PacketColumns, dict[int, tuple[int, int]]]:
    """Every packet of the video, and first and last pts of the sound whose length the container does not state."""
    columns = PacketColumns()
    sounds: dict[int, tuple[int, int]] = {}
    codec = stream.codec_context
    inspect = inspector(codec.codec.canonical_name, bytes(codec.extradata or b""))
    unmeasured = [sound for sound in containers.streams(container, "audio") if sound.duration is None]
    video = stream.index
    for count, packet in enumerate(containers.packets(container, (stream, *unmeasured), lambda _: None)):
        if count % ALIVE_EVERY == 0:
            alive()
        if packet.stream_index != video:
            if packet.pts is not None:
                first, last = sounds.get(packet.stream_index, (packet.pts, packet.pts))
                sounds[packet.stream_index] = min(first, packet.pts), max(last, packet.pts + (packet.duration or 0))
            continue
        if not columns.pts and packet.has_sidedata("encryption_info"):
            raise UnsupportedVideoError("The video is encrypted. Upload a copy that is not.")
        if len(columns.pts) == MOST_PACKETS:
            raise UnsupportedVideoError(f"The video has more than {MOST_PACKETS:,} frames.")
        keyframe = packet.is_keyframe
        look = inspect.look(bytes(packet)) if inspect is not None and inspect.wants(keyframe) else PLAIN
        columns.pts.append(NO_TIME if packet.pts is None else packet.pts)
        columns.dts.append(NO_TIME if packet.dts is None else packet.dts)
        columns.duration.append(packet.duration or 0)
        columns.size.append(packet.size)
        columns.flags.append(
            (KEY if keyframe and look.starts else 0)
            | (DISCARD if packet.is_discard else 0)
            | (0 if look.shows else HIDDEN)
            | (CONTINUES if look.continues else 0)
            | (CORRUPT if packet.is_corrupt else 0)
        )
    return columns, sounds


def _audio_facts(container: InputContainer, sounds: dict[int, tuple[int, int]]) -> Iterator[AudioFacts]:
    for stream in containers.streams(container, "audio"):
        context = stream.codec_context
        if isinstance(context, AudioCodecContext) and stream.time_base is not None:
            first, last = sounds.get(stream.index, (0, 0))
            length = (last - first if stream.duration is None else stream.duration) * stream.time_base
            yield AudioFacts(context.codec.canonical_name, context.sample_rate, context.layout.nb_channels, int(length * 1000))


@dataclass(frozen=True, slots=True)
class _Opening:
    """The first picture, its frame number if pts tell it, and whether the pictures came in the order of their pts."""

    picture: VideoFrame
    first: int | None
    ordered: bool


def _open_pictures(path: Path, packets: PacketIndex, pictures: int, frame_pixels: int, alive: Callable[[], None]) -> _Opening:
    """Decode the first pictures of the file, with frame numbers in place of pts."""
    came: list[int | None] = []
    first: VideoFrame | None = None
    reason = "there is none"
    with containers.open_file(path, frame_pixels) as container:
        stream = container.streams[packets.stream]
        decoder = containers.decoder(stream, frame_pixels)
        source = containers.packets(container, (stream,), lambda _: None)
        for number, packet in zip(packets.numbers[:LOOKED_AT].tolist(), source, strict=False):
            alive()
            packet.pts = number if packets.usable and number >= 0 else None
            try:
                decoded = decoder.decode(packet)
            except FFmpegError as error:
                reason = error.strerror or str(error)
                continue
            first = first or next(iter(decoded), None)
            came += [picture.pts for picture in decoded]
            if len(came) >= pictures:
                break
        else:
            try:
                decoded = decoder.decode(None)
            except FFmpegError as error:
                decoded, reason = [], error.strerror or str(error)
            first = first or next(iter(decoded), None)
            came += [picture.pts for picture in decoded]
    if first is None:
        raise DamagedVideoError(f"No picture at the beginning of the video can be decoded ({reason}). Upload the file again.")
    numbers = [number for number in came if number is not None]
    ordered = not packets.usable or (bool(numbers) and numbers == sorted(set(numbers)))
    return _Opening(first, numbers[0] if ordered and numbers else None, ordered)


def _duration_millis(packets: PacketIndex, declared: Fraction | None) -> int:
    """What the container says that the stream lasts, if its packets bear that out to within one frame."""
    if packets.usable and declared is not None and abs(declared - packets.duration) <= 1 / packets.frame_rate:
        return int(declared * 1000)
    return int(packets.duration * 1000)


def _clock(seconds: Fraction) -> str:
    """Hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
