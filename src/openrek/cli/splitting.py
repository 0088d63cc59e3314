"""Cutting a file at shots without coding anything anew.

A piece can begin only with a keyframe that nothing before it leans on. Encoders put one at most cuts; where there is none, the shot stays
in one piece with those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.stream import Stream

from openrek.errors import OpenrekError
from openrek.media import containers
from openrek.media.packets import PacketIndex
from openrek.media.probe import probe


@dataclass(frozen=True, slots=True)
class Split:
    """What was written, and the first frames of shots at which the file could not be cut."""

    files: tuple[Path, ...]
    uncut: tuple[int, ...]


def split(video: Path, starts: Sequence[int], folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Split:
    """Write the pieces of a video, with all its sound, into a folder: `NAME-001.mp4`, and so on.

    Parameters
    ----------
    starts
        First frames of shots, ascending.
    progress
        Called with the packets that are done and the packets there are.

    Raises
    ------
    OpenrekError
        The file does not say when its frames are shown, or its container cannot be written.
    """
    packets = probe(video, lambda: None).packets
    if not packets.usable:
        raise OpenrekError(f"{video.name} does not say when its frames are shown: convert it to MP4 first.")
    clean = _clean_starts(packets)
    wanted = [frame for frame in starts if frame > 0]
    cuts = [0, *(frame for frame in wanted if frame in clean)]
    writer = _Pieces(video, folder, packets, cuts)
    try:
        with containers.open_file(video) as source:
            writer.copy(source, progress)
    except (av.FFmpegError, ValueError) as error:
        raise OpenrekError(f"{video.name} cannot be cut without coding it anew ({error}): convert it to MP4 first.") from error
    finally:
        writer.close()
    return Split(tuple(writer.files), tuple(frame for frame in wanted if frame not in clean))


def _clean_starts(packets: PacketIndex) -> set[int]:
    """Frames that can begin a piece: keyframes such that all packets after them are shown after them, and all before them before."""
    numbers = np.where(packets.numbers < 0, packets.frames, packets.numbers)
    least_after = np.minimum.accumulate(numbers[::-1])[::-1]
    return {
        int(frame)
        for packet, frame in zip(packets.starts.tolist(), packets.reached.tolist(), strict=True)
        if packets.numbers[packet] == frame and least_after[packet] >= frame
    }


class _Pieces:
    """Writes packets into the piece that they belong to."""

    def __init__(self, video: Path, folder: Path, packets: PacketIndex, cuts: Sequence[int]) -> None:
        self.files = [folder / f"{video.stem}-{number:03d}{video.suffix}" for number in range(1, len(cuts) + 1)]
        self._packets = packets
        pts = packets.frame_pts()
        self._times = [Fraction(int(pts[frame])) * packets.time_base for frame in cuts]
        self._starts = [int(packets.frame_packets[frame]) for frame in cuts]
        self._open: dict[int, tuple[Any, dict[int, Stream]]] = {}

    def copy(self, source: Any, progress: Callable[[int, int], None]) -> None:
        """Copy the video and all sound; sound goes with the pictures that it is heard with."""
        video = source.streams[self._packets.stream]
        sounds = [stream for stream in containers.streams(source, "audio") if stream.time_base]
        seen = 0
        for packet in containers.packets(source, (video, *sounds), lambda _: None):
            if packet.stream is video or packet.stream_index == video.index:
                piece = int(np.searchsorted(self._starts, seen, side="right")) - 1
                seen += 1
                if piece < 0:
                    continue
                if seen % 256 == 0:
                    progress(seen, len(self._packets.pts))
            else:
                if packet.pts is None:
                    continue
                piece = int(np.searchsorted([float(t) for t in self._times], float(packet.pts * packet.time_base), side="right")) - 1
                if piece < 0:
                    continue
            self._write(piece, packet, video, sounds)
            for done in [number for number in self._open if number < piece - 1]:
                self._finish(done)

    def close(self) -> None:
        """Finish the files that are open."""
        for number in list(self._open):
            self._finish(number)

    def _write(self, piece: int, packet: Packet[Any], video: Stream, sounds: Sequence[Stream]) -> None:
        if piece not in self._open:
            container = av.open(str(self.files[piece]), "w")
            copies = {stream.index: container.add_stream_from_template(stream) for stream in (video, *sounds)}
            self._open[piece] = container, copies
        container, copies = self._open[piece]
        offset = int(self._times[piece] / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - offset
        packet.dts = None if packet.dts is None else packet.dts - offset
        packet.stream = copies[packet.stream_index]
        container.mux_one(packet)

    def _finish(self, number: int) -> None:
        container, _ = self._open.pop(number)
        container.close()
