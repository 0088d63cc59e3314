"""Frames of a video, decoded once, each exactly the one that its number names.

A frame's pixels depend on the file alone. Decoding starts afresh at every keyframe that no wanted frame leads over, so what comes before
a chunk, what else is wanted, and how many threads there are change nothing; not even after damage, unless a decoder says nothing of it.

Packets that nobody wants are decoded with `skip_frame` NONREF, set per packet; packets after the last wanted one of a group of pictures
are not decoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from openrek.errors import DamagedVideoError
from openrek.media import containers, orientation
from openrek.media.frame import Frame
from openrek.media.inspectors import INSPECTED
from openrek.media.orientation import Orientation
from openrek.media.packet_source import OutOfStepError, PacketSource
from openrek.media.packets import CONTINUES, Numbers, PacketIndex
from openrek.observations import Damage

__all__ = ["Frame", "VideoReader"]

MOST_FAILURES = 300
"""Packets in a row, ten seconds or so, that may fail to decode before the video counts as too damaged."""
MOST_MESSAGES = 8
"""Different complaints of the decoder that are kept."""
_BUILDS_ON_OTHERS = (PictureType.P, PictureType.B)
_REPAIRED = "Part of a picture was damaged and has been repaired by the decoder."


class VideoReader:
    """Gives wanted frames of a video. Keep it open for as many chunks as one likes; close it, or use it with `with`.

    Parameters
    ----------
    path
        The file.
    packets
        Its index.
    threads
        Of the decoder; no pixel depends on them.
    frame_pixels
        Pixels of the largest picture that is decoded; 0 is no limit of the caller's.

    Attributes
    ----------
    damage
        What could not be decoded so far.

    Raises
    ------
    UnsupportedVideoError, DamagedVideoError
        The file cannot be opened, or is not the one that the index was made of.
    """

    def __init__(self, path: Path, packets: PacketIndex, *, threads: int = 1, frame_pixels: int = 0) -> None:
        self.damage = Damage()
        self._packets = packets
        self._threads = threads
        self._frame_pixels = frame_pixels
        self._in_a_row = 0
        self._orientations: dict[int, Orientation] = {}
        # The highest number among the frames that are decoded up to each frame.
        self._settled = np.maximum.accumulate(packets.numbers)[packets.frame_packets]
        self._source = PacketSource(path, packets, frame_pixels)
        self._decoder = self._new_decoder(threads, strict=True)
        self._inspected = packets.independent or self._decoder.codec.canonical_name in INSPECTED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Frames stay valid."""
        self._source.close()

    def frames(self, wanted: Sequence[int] | Numbers, alive: Callable[[], None]) -> Iterator[Frame]:
        """The wanted frames in display order; a frame that is lost to damage, or that the decoder never shows, is left out.

        Parameters
        ----------
        wanted
            Frame numbers, ascending, each once.
        alive
            Called now and then; stops the reading by raising.

        Raises
        ------
        DamagedVideoError
            `MOST_FAILURES` packets in a row cannot be decoded.
        """
        numbers = np.asarray(wanted, np.int64)
        if len(numbers) and not (numbers[0] >= 0 and numbers[-1] < self._packets.frames and (np.diff(numbers) > 0).all()):
            raise ValueError("the wanted frames are not ascending, or not of this video")
        frames = self._told_by_pts(numbers, alive) if self._packets.usable else self._counted(numbers, alive)
        pts = self._packets.frame_pts()
        for number, picture in frames:
            yield Frame(number, int(pts[number]), picture, self._orientation(picture))

    def _orientation(self, picture: VideoFrame) -> Orientation:
        """How a picture is turned. PyAV ties a picture whose side data is looked at into a cycle, which keeps its memory: so rarely."""
        turned = self._orientations.get(picture.rotation)
        if turned is None:
            turned = self._orientations[picture.rotation] = orientation.of(picture)
        return turned

    def _told_by_pts(self, wanted: Numbers, alive: Callable[[], None]) -> Iterator[tuple[int, VideoFrame]]:
        """Run after run of packets, fast; and where that gives a reason to doubt, once more with care."""
        at = 0
        while at < len(wanted):
            run = self._run(wanted, at)
            damage = self.damage
            try:
                for number, picture in self._fast(run, wanted[at : run.stop], alive):
                    at += 1
                    yield number, picture
            except OutOfStepError:
                self._source.give_up_seeking()
            except _DoubtError:
                self.damage = damage
                at = yield from self._careful(wanted, at, alive)

    def _fast(self, run: _Run, wanted: Numbers, alive: Callable[[], None]) -> Iterator[tuple[int, VideoFrame]]:
        """The wanted frames of a run if all is well.

        A frame is held back until every picture that was decoded before it has come out whole: a damaged one may be shown after those that
        build on it.

        Raises
        ------
        _DoubtError
            A packet failed, a picture is damaged or did not come. The frames that came before are as they should be.
        """
        damage = self.damage
        held: deque[tuple[int, VideoFrame]] = deque()
        at = 0
        for number, picture in self._decoded(run, wanted, alive):
            if picture.is_corrupt or self.damage is not damage:
                raise _DoubtError
            if at < len(wanted) and number >= wanted[at]:
                if number > wanted[at]:
                    raise _DoubtError
                held.append((number, picture))
                at += 1
            while held and self._settled[held[0][0]] <= number:
                yield held.popleft()
        if self.damage is not damage:
            raise _DoubtError
        yield from held
        if at < len(wanted):
            raise _DoubtError

    def _careful(self, wanted: Numbers, at: int, alive: Callable[[], None]) -> Generator[tuple[int, VideoFrame], None, int]:
        """What a decoder of its own, with one thread, makes of the group of pictures of `wanted[at]`; returns where the group ends."""
        back = 0
        while True:
            run = self._group(wanted, at, back)
            self._renew(threads=1, strict=False)
            damage, came = self.damage, False
            try:
                for number, picture in self._decoded(run, wanted[at : run.stop], alive, careful=True):
                    if not came and number > wanted[at] and self._may_start_earlier(run, damage):
                        break
                    came = True
                    at += int(np.searchsorted(wanted[at : run.stop], number))
                    if at < run.stop and wanted[at] == number:
                        at += 1
                        yield number, picture
                    if picture.is_corrupt:
                        self._count_damage(_REPAIRED)
            except OutOfStepError:
                self._source.give_up_seeking()
                continue
            if came or not self._may_start_earlier(run, damage):
                break
            back = max(1, 2 * back)
        self._renew(self._threads)
        return run.stop

    def _may_start_earlier(self, run: _Run, damage: Damage) -> bool:
        """Whether nothing came though nothing failed: perhaps the keyframe is none, and decoding must start at one before it."""
        return self.damage is damage and not self._packets.independent and run.first > int(self._packets.starts[0])

    def _run(self, wanted: Numbers, at: int) -> _Run:
        """The packets to decode for the next wanted frames, up to where decoding can start afresh."""
        index = self._packets
        if index.independent:
            packets = index.frame_packets[wanted[at:]]
            return _Run(int(packets.min()), int(packets.max()), 0, len(wanted))
        run = self._group(wanted, at)
        while run.stop < len(wanted):
            following = self._group(wanted, run.stop)
            # Unless a wanted frame is shown before the next keyframe but comes after it, that is a start of its own.
            if following.first > run.last:
                break
            run = _Run(run.first, max(run.last, following.last), run.lead, following.stop)
        return run

    def _group(self, wanted: Numbers, at: int, back: int = 0) -> _Run:
        """The packets to decode for those of the next wanted frames that one keyframe leads to.

        `back` says how many keyframes earlier to start; keyframes are not believed any more then, and the group goes to the end.
        """
        index = self._packets
        if index.independent:
            packet = int(index.frame_packets[wanted[at]])
            return _Run(packet, packet, 0, at + 1)
        group = int(np.searchsorted(index.reached, wanted[at], side="right")) - 1
        stop = len(wanted)
        if back == 0 and group + 1 < len(index.starts):
            stop = int(np.searchsorted(wanted, index.reached[group + 1]))
        group = max(0, group - back)
        last = int(index.frame_packets[wanted[at:stop]].max())
        if last + 1 < len(index.flags) and index.flags[last + 1] & CONTINUES:
            last += 1
        return _Run(int(index.starts[group]), last, int(index.reached[group]), stop)

    def _decoded(self, run: _Run, wanted: Numbers, alive: Callable[[], None], *, careful: bool = False) -> Iterator[tuple[int, VideoFrame]]:
        """Numbers and pictures that come out of a run, decoded from a fresh start; with care, nothing is left out.

        Nothing comes if the keyframe turns out to be none, of a codec of which the packets have not been looked into.
        """
        index = self._packets
        span = slice(run.first, run.last + 1)
        numbers = index.numbers[span].copy()
        is_wanted = np.zeros(len(numbers), bool)
        is_wanted[index.frame_packets[wanted] - run.first] = True
        for second in np.flatnonzero(index.flags[span] & CONTINUES):
            if second:
                numbers[second], is_wanted[second] = numbers[second - 1], is_wanted[second - 1]
        useless = (numbers >= 0) & (numbers < run.lead)
        if index.independent:
            useless |= ~is_wanted
        own = -1 if self._inspected or run.first == index.starts[0] else int(numbers[0])
        try:
            for position, packet in self._source.read(run.first, run.last, alive):
                place = position - run.first
                if useless[place]:
                    continue
                number = int(numbers[place])
                packet.pts = number if number >= 0 else None
                self._decoder.skip_frame = "DEFAULT" if careful or is_wanted[place] else "NONREF"
                for picture in self._decode(packet):
                    if picture.pts is None:
                        continue
                    if picture.pts == own and picture.pict_type in _BUILDS_ON_OTHERS:
                        return
                    yield picture.pts, picture
            for picture in self._decode(None):
                if picture.pts is not None:
                    yield picture.pts, picture
        finally:
            self._decoder.flush_buffers()

    def _counted(self, wanted: Numbers, alive: Callable[[], None]) -> Iterator[tuple[int, VideoFrame]]:
        """The wanted frames of a video without usable pts: every packet from the start is decoded, and what comes out is counted."""
        at, damage = 0, self.damage
        for threads in sorted({self._threads, 1}, reverse=True):
            self._renew(threads, strict=threads > 1)
            self.damage = damage
            for number, picture in enumerate(self._everything(alive)):
                if threads > 1 and (picture.is_corrupt or self.damage is not damage):
                    break
                if at == len(wanted):
                    return
                if number == wanted[at]:
                    at += 1
                    yield number, picture
                if picture.is_corrupt:
                    self._count_damage(_REPAIRED)
            else:
                if self.damage is damage:
                    return

    def _everything(self, alive: Callable[[], None]) -> Iterator[VideoFrame]:
        """All pictures in the order in which they come."""
        for _, packet in self._source.read(0, len(self._packets.pts) - 1, alive):
            packet.pts = None
            yield from self._decode(packet)
        yield from self._decode(None)

    def _renew(self, threads: int, *, strict: bool = True) -> None:
        """Stand at the start of the file, with a new decoder: one that has been used repairs pictures with what it remembers."""
        self._source.rewind()
        self._decoder = self._new_decoder(threads, strict)

    def _new_decoder(self, threads: int, strict: bool) -> VideoCodecContext:
        try:
            return containers.decoder(self._source.stream, self._frame_pixels, threads, strict=strict)
        except DamagedVideoError:
            if not strict:
                raise
            self._source.rewind()
            return containers.decoder(self._source.stream, self._frame_pixels, threads)

    def _decode(self, packet: Packet[Any] | None) -> list[VideoFrame]:
        """What the decoder gives out for a packet, or at the end; nothing if it fails, which is counted."""
        try:
            pictures = self._decoder.decode(packet)
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self._failed(error)
            return []
        if pictures:
            self._in_a_row = 0
        return pictures

    def _failed(self, error: FFmpegError) -> None:
        self._count_damage(error.strerror or str(error))
        self._in_a_row += 1
        if self._in_a_row >= MOST_FAILURES:
            raise DamagedVideoError(f"{self._in_a_row} packets of the video in a row cannot be decoded. Upload the file again.")

    def _count_damage(self, message: str) -> None:
        messages = self.damage.messages
        if message not in messages and len(messages) < MOST_MESSAGES:
            messages = (*messages, message)
        self.damage = Damage(self.damage.packets + 1, messages)


@dataclass(frozen=True, slots=True)
class _Run:
    """Packets to decode in one go.

    Attributes
    ----------
    first, last
        Packets.
    lead
        The first frame that can be decoded from `first`.
    stop
        How many of the wanted frames are done afterwards.
    """

    first: int
    last: int
    lead: int
    stop: int


class _DoubtError(Exception):
    """What was decoded fast may differ from what would have been decoded with care."""
