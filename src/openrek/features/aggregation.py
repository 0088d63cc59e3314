"""From what is present at each sampled instant to the spans in which it is there without a break."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """Something that was seen at every sampled instant from `start` to `end`.

    Attributes
    ----------
    start, end
        Milliseconds of the first and of the last instant.
    confidence
        The highest on the way.
    """

    name: str
    start: int
    end: int
    confidence: float


@dataclass
class Spans:
    """Takes instant after instant and gives back every span once it is over. Remembers only what is present."""

    _running: dict[str, Span] = field(default_factory=dict)

    def advance(self, milliseconds: int, present: Mapping[str, float]) -> list[Span]:
        """What ended before this instant, by name.

        Parameters
        ----------
        milliseconds
            The instant, after all those before.
        present
            Confidence of everything that is present, by name.
        """
        over = [self._running.pop(name) for name in sorted(self._running.keys() - present.keys())]
        for name, confidence in present.items():
            before = self._running.get(name)
            if before is None:
                self._running[name] = Span(name, milliseconds, milliseconds, confidence)
            else:
                self._running[name] = Span(name, before.start, milliseconds, max(before.confidence, confidence))
        return over

    def finish(self) -> list[Span]:
        """What lasted to the end, by name."""
        return self.advance(0, {})
