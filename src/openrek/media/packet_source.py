"""The packets of a stream by their places in the index: sought where a container can be sought in, else read from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from openrek.errors import DamagedVideoError
from openrek.media import containers
from openrek.media.packets import NO_TIME, PacketIndex

ALIVE_EVERY = 16
"""Packets between two signs of life."""
NEAR = 4_000_000
"""Bytes that are read and passed over rather than sought past."""
LOST = 300
"""Packets that may come after a seek before one of them is recognised."""
_CHANGED = "The video has changed while it was read. Start again."


class OutOfStepError(Exception):
    """The packets that come after a seek are not those of the index."""


class PacketSource:
    """An open file from which packets are read by their places.

    A seek is believed only when a packet that follows it is found in the index, at or before the place where it should have led; and every
    packet that is read is compared with the index. Times that FFmpeg guesses, which change with where reading began, thus do no harm.

    Attributes
    ----------
    stream
        The stream, of the container that is open now. A decoder that was taken from it outlives it.
    """

    def __init__(self, path: Path, packets: PacketIndex, frame_pixels: int) -> None:
        self._path = path
        self._packets = packets
        self._frame_pixels = frame_pixels
        self._by_pts = np.argsort(packets.pts, kind="stable")
        self._container, self.stream = self._open()
        self._waiting = self._following()
        self._position = 0
        # An index without the container's times cannot tell where a seek has led.
        self._seekable = packets.usable and self.stream.time_base == packets.time_base

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def rewind(self) -> None:
        """Stand at the start of the file, which is opened again; `stream` is another one then."""
        self._container.close()
        self._container, self.stream = self._open()
        self._waiting = self._following()
        self._position = 0

    def give_up_seeking(self) -> None:
        """Read from the start from now on.

        Raises
        ------
        DamagedVideoError
            That is what was done already.
        """
        if not self._seekable:
            raise DamagedVideoError(_CHANGED)
        self._seekable = False

    def read(self, first: int, last: int, alive: Callable[[], None]) -> Iterator[tuple[int, Packet[Any]]]:
        """Packets `first` to `last` with their places.

        Raises
        ------
        OutOfStepError
            Something else came; give up seeking and try again.
        """
        self._go_to(first, alive)
        index = self._packets
        for packet in self._waiting:
            position = self._position
            if position >= len(index.size) or not self._is(packet, position):
                raise OutOfStepError
            self._position += 1
            if position % ALIVE_EVERY == 0:
                alive()
            if position >= first:
                yield position, packet
            if position >= last:
                return

    def _is(self, packet: Packet[Any], position: int) -> bool:
        """Whether a packet that was read can be the one at that place."""
        index = self._packets
        if packet.size != index.size[position]:
            return False
        return not self._seekable or packet.pts is None or packet.pts == index.pts[position]

    def _go_to(self, first: int, alive: Callable[[], None]) -> None:
        """Stand at or before packet `first`, not far from it if the file can be sought in."""
        ahead = self._position <= first
        if ahead and (not self._seekable or int(self._packets.size[self._position : first].sum()) <= NEAR):
            return
        if self._seekable:
            for time in self._times_near(first):
                alive()
                try:
                    self._container.seek(time, stream=self.stream)
                except FFmpegError:
                    continue
                self._waiting = self._following()
                if self._recognised(first):
                    return
        self.rewind()

    def _times_near(self, first: int) -> list[int]:
        """Where a seek may lead to packet `first`: containers index their packets by dts or by pts."""
        pts, dts = int(self._packets.pts[first]), int(self._packets.dts[first])
        times = [pts, dts] if "matroska" in self._container.format.name else [dts, pts]
        times = [time for time in times if time != NO_TIME]
        second = int(1 / self._packets.time_base)
        return [*times, *(min(times) - seconds * second for seconds in (1, 10) if times)]

    def _recognised(self, first: int) -> bool:
        """Find out where a seek has led: whether to a packet at or before `first`."""
        index = self._packets
        for count, packet in enumerate(self._waiting):
            if packet.pts is not None:
                near = np.searchsorted(index.pts, [packet.pts, packet.pts + 1], sorter=self._by_pts)
                places = self._by_pts[near[0] : near[1]]
                places = places[index.size[places] == packet.size]
                if len(places):
                    self._position = int(places.min())
                    self._waiting = chain([packet], self._waiting)
                    return self._position <= first
            if count == LOST:
                break
        return False

    def _open(self) -> tuple[InputContainer, Stream]:
        container = containers.open_file(self._path, self._frame_pixels)
        if self._packets.stream >= len(container.streams):
            container.close()
            raise DamagedVideoError(_CHANGED)
        return container, container.streams[self._packets.stream]

    def _following(self) -> Iterator[Packet[Any]]:
        return containers.packets(self._container, (self.stream,), lambda _: None)
