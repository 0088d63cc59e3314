"""The time of day, injected, so that a test decides when a lease or a token ends."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Anything that knows the time."""

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: int = 1_700_000_000_000) -> None:
        self._now = start

    def now(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self._now

    def advance(self, *, milliseconds: int = 0, seconds: float = 0, days: float = 0) -> None:
        """Move the clock forward."""
        self._now += milliseconds + round((seconds + days * 86_400) * 1000)
