"""Sound in blocks, aligned to the first frame that is shown.

Block n holds the samples whose time lies in [n / rate, (n + 1) / rate) seconds after the first frame is shown. Where there is no sound,
there is silence; what is heard before the first frame is left out.

Decoders remember what came before a packet, and the state of the noise that they add. So sound is decoded in segments of a minute, each
with a new decoder that begins a second early, and the samples are the same wherever a chunk begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from numpy.typing import NDArray

from openrek.media import containers
from openrek.media.packets import PacketIndex

SEGMENT = 60
"""Seconds that one decoder decodes."""
PRE_ROLL = Fraction(1)
"""Seconds before a segment from which on packets are decoded: more than MP3's bit reservoir, AAC's overlap and the 80 ms of Opus."""
ANCHOR = Fraction(1, 2)
"""Seconds before a segment from which on samples are counted."""
DRIFT = Fraction(1, 50)
"""Seconds by which pts may differ from the count of samples before they are believed more; containers round them to milliseconds."""
ALIVE_EVERY = 64
"""Packets between two signs of life."""
_EARLIER = (0, 10, 120)
"""Seconds before the pre-roll that are tried as seek targets; then the file is read from its start."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block of sound: its number, and samples of full scale 1.0, shape (samples, channels)."""

    number: int
    samples: Samples


class SoundReader:
    """Reads the sound of a video.

    Parameters
    ----------
    path
        The file.
    packets
        The index of its video stream, which says when the first frame is shown.

    Attributes
    ----------
    present
        Whether there is any sound.
    sample_rate, channels
        Of every block; 0 without sound.
    """

    def __init__(self, path: Path, packets: PacketIndex) -> None:
        self._path = path
        self._packets = packets
        self.present, self.sample_rate, self.channels = False, 0, 0
        with containers.open_file(path) as container:
            stream = self._stream(container)
            if stream is not None and stream.codec_context.sample_rate > 0:
                self.present = True
                self.sample_rate = stream.codec_context.sample_rate
                self.channels = max(stream.codec_context.layout.nb_channels, 1)
                self._zero = self._first_frame_time(container, stream)

    def blocks(self, rate: Fraction, numbers: range, alive: Callable[[], None]) -> Iterator[Block]:
        """The blocks of these numbers, of which there are `rate` a second; none without sound.

        Parameters
        ----------
        numbers
            Consecutive; `PacketIndex.blocks_between` gives those of a chunk.
        alive
            Called now and then; stops the reading by raising.
        """
        if not self.present or not len(numbers):
            return
        edges = [self._sample(number / rate) for number in range(numbers.start, numbers.stop + 1)]
        pieces = self._between(edges[0], edges[-1], alive)
        rest = np.zeros((0, self.channels), np.float32)
        for number, start, stop in zip(numbers, edges, edges[1:], strict=False):
            parts, count = [rest], len(rest)
            while count < stop - start:
                parts.append(next(pieces))
                count += len(parts[-1])
            whole = np.concatenate(parts)
            rest = whole[stop - start :]
            yield Block(number, whole[: stop - start])

    def _sample(self, seconds: Fraction) -> int:
        """The first sample at or after an instant."""
        return -(-seconds * self.sample_rate // 1)

    def _between(self, start: int, stop: int, alive: Callable[[], None]) -> Iterator[Samples]:
        """All samples from `start` to `stop`, in order, with silence where there are none, in pieces of some thousands."""
        length = SEGMENT * self.sample_rate
        cursor = start
        for segment in range(start // length, -(-stop // length)):
            for position, samples in self._segment(segment, alive):
                end = min(position + len(samples), stop, (segment + 1) * length)
                if end <= cursor:
                    continue
                yield from self._silence(position - cursor)
                cursor = max(cursor, position)
                yield samples[cursor - position : end - position]
                cursor = end
                if cursor >= stop:
                    return
            end = min(stop, (segment + 1) * length)
            yield from self._silence(end - cursor)
            cursor = end

    def _silence(self, count: int) -> Iterator[Samples]:
        for start in range(0, count, self.sample_rate):
            yield np.zeros((min(self.sample_rate, count - start), self.channels), np.float32)

    def _segment(self, segment: int, alive: Callable[[], None]) -> Iterator[tuple[int, Samples]]:
        """Positions and samples of what a segment holds, from before its start to after its end, in order and apart."""
        start = Fraction(segment * SEGMENT)
        tolerance = int(DRIFT * self.sample_rate)
        following: int | None = None
        for frame in self._decoded(start, alive):
            samples = self._fitting(frame)
            stated = self._time(frame)
            if following is None and (stated is None or (segment and stated < start - ANCHOR)):
                continue
            position = following if stated is None else (stated * self.sample_rate + Fraction(1, 2)) // 1
            if position is None or (following is not None and abs(position - following) <= tolerance):
                position = following
            if position is None:
                continue
            if following is not None and position < following:
                samples, position = samples[following - position :], following
            if position >= (segment + 1) * SEGMENT * self.sample_rate:
                return
            following = position + len(samples)
            yield position, samples

    def _decoded(self, start: Fraction, alive: Callable[[], None]) -> Iterator[AudioFrame]:
        """What a new decoder makes of the packets from a pre-roll before `start` on."""
        begin = start - PRE_ROLL
        with containers.open_file(self._path) as container:
            stream = self._stream(container)
            if stream is None:
                return
            context = stream.codec_context
            begun = start == 0
            for count, packet in enumerate(self._packets_from(container, stream, begin if start else None)):
                if count % ALIVE_EVERY == 0:
                    alive()
                begun = begun or (packet.pts is not None and self._seconds(packet.pts, stream) >= begin)
                if begun:
                    yield from _decode(context, packet)
            yield from _decode(context, None)

    def _packets_from(self, container: InputContainer, stream: AudioStream, begin: Fraction | None) -> Iterator[Packet[Any]]:
        """The packets of the sound, from one at or before `begin` on."""
        if begin is None:
            yield from containers.packets(container, (stream,), lambda _: None)
            return
        time_base = stream.time_base or Fraction(1)
        for earlier in _EARLIER:
            try:
                container.seek(int((begin - earlier + self._zero) / time_base), stream=stream)
            except FFmpegError:
                continue
            source = containers.packets(container, (stream,), lambda _: None)
            first = next(source, None)
            if first is not None and first.pts is not None and self._seconds(first.pts, stream) <= begin:
                yield first
                yield from source
                return
        with containers.open_file(self._path) as again:
            whole = self._stream(again)
            if whole is not None:
                yield from containers.packets(again, (whole,), lambda _: None)

    def _stream(self, container: InputContainer) -> AudioStream | None:
        """FFmpeg's best audio stream for the video."""
        if self._packets.stream >= len(container.streams):
            return None
        best = container.streams.best("audio", related=container.streams[self._packets.stream])
        return best if isinstance(best, AudioStream) and best in containers.streams(container, "audio") else None

    def _first_frame_time(self, container: InputContainer, stream: AudioStream) -> Fraction:
        """When the first frame is shown, on the container's clock."""
        video = container.streams[self._packets.stream]
        if self._packets.usable and video.time_base == self._packets.time_base:
            return self._packets.start_pts * self._packets.time_base
        first = video if video.start_time is not None else stream
        return (first.start_time or 0) * (first.time_base or Fraction(1))

    def _seconds(self, pts: int, stream: AudioStream) -> Fraction:
        return pts * (stream.time_base or Fraction(1)) - self._zero

    def _time(self, frame: AudioFrame) -> Fraction | None:
        """Seconds from the first frame of the video to a frame of sound, if it says."""
        return None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base - self._zero

    def _fitting(self, frame: AudioFrame) -> Samples:
        """A frame's samples, with the rate and channels that the others have."""
        samples = _floats(frame)
        if frame.sample_rate != self.sample_rate and frame.sample_rate > 0:
            count = len(samples) * self.sample_rate // frame.sample_rate
            samples = samples[np.arange(count) * frame.sample_rate // self.sample_rate]
        if samples.shape[1] != self.channels:
            samples = np.repeat(samples.mean(axis=1, keepdims=True), self.channels, axis=1)
        return samples


def _decode(context: AudioCodecContext, packet: Packet[Any] | None) -> list[AudioFrame]:
    """What a packet gives; of one that fails, silence is left."""
    try:
        return context.decode(packet)
    except FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return []


def _floats(frame: AudioFrame) -> Samples:
    """Samples of full scale 1.0, shape (samples, channels)."""
    array: NDArray[Any] = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(frame.samples, -1)
    if samples.dtype.kind == "f":
        return samples.astype(np.float32)
    if samples.dtype.kind == "u":
        return ((samples.astype(np.float32) - 128) / 128).astype(np.float32)
    return (samples / 2.0 ** (8 * samples.dtype.itemsize - 1)).astype(np.float32)
