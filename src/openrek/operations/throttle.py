"""Limits how often something may be done: a token bucket each key."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from openrek.clock import Clock

MOST_KEYS = 10_000


@dataclass
class Throttle:
    """Admits `per_second` calls of a key in the long run, and twice as many (at least two) at once; 0 admits all."""

    per_second: float
    clock: Clock
    _buckets: OrderedDict[Hashable, tuple[float, int]] = field(default_factory=OrderedDict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def admit(self, key: Hashable) -> bool:
        """Whether the key may do it now."""
        if not self.per_second:
            return True
        most, now = max(2.0, 2 * self.per_second), self.clock.now()
        with self._lock:
            left, then = self._buckets.pop(key, (most, now))
            left = min(most, left + max(0, now - then) / 1000 * self.per_second)  # a clock may be set back
            admitted = left >= 1
            self._buckets[key] = (left - admitted, now)
            if len(self._buckets) > MOST_KEYS:
                self._buckets.popitem(last=False)
        return admitted
