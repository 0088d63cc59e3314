"""What a function prints and logs, taken apart into log events.

Printed text ends with its line. Records of Python's logging come framed from the runtime client: a word that begins with a55a00, the
length in four bytes, microseconds since 1970 in eight, the text (awslambdaric, `FramedTelemetryLogSink`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from openrek.localaws.logs.events import Event

LARGEST = 262_144
"""Bytes of one event; longer lines are cut."""
_FRAME = b"\xa5\x5a\x00"
_HEAD = 16
_LARGEST_FRAME = 6 * 1024 * 1024


class Output:
    """The output of one process, as it comes out of its pipe.

    Parameters
    ----------
    now
        Dates what is printed, in milliseconds.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete with these bytes."""
        self._rest += data
        return list(self._complete())

    def end(self) -> list[Event]:
        """What is left, though its line has no end."""
        rest, self._rest = self._rest, b""
        return list(self._cut(rest))

    def _complete(self) -> Iterator[Event]:
        position, data = 0, self._rest
        while position < len(data):
            if data.startswith(_FRAME, position) and (frame := self._frame(data, position)) is not None:
                end, event = frame
                if event is None:
                    break
                position = end
                yield from event
                continue
            end = data.find(b"\n", position) + 1
            frame_at = data.find(_FRAME, position + 1, end or None)
            if frame_at > 0:
                end = frame_at
            elif not end:
                if len(data) - position < LARGEST:
                    break
                end = position + LARGEST
            yield from self._cut(data[position:end])
            position = end
        self._rest = data[position:]

    def _frame(self, data: bytes, position: int) -> tuple[int, list[Event] | None] | None:
        """Where the frame ends, and its events; no events if it is not complete yet, None if it is no frame."""
        if len(data) - position < _HEAD:
            return len(data), None
        length = int.from_bytes(data[position + 4 : position + 8], "big")
        if length > _LARGEST_FRAME:
            return None
        start = position + _HEAD
        if len(data) < start + length:
            return len(data), None
        at = int.from_bytes(data[position + 8 : start], "big") // 1000
        return start + length, list(self._cut(data[start : start + length], at))

    def _cut(self, text: bytes, at: int | None = None) -> Iterator[Event]:
        when = self._now() if at is None else at
        for start in range(0, len(text), LARGEST):
            yield when, text[start : start + LARGEST].decode("utf-8", "replace")
