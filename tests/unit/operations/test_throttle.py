"""How often a job may be asked for."""

from __future__ import annotations

import pytest

from openrek.clock import ManualClock
from openrek.operations import throttle
from openrek.operations.throttle import Throttle


def admitted(throttle: Throttle, key: str, calls: int) -> int:
    return sum(throttle.admit(key) for _ in range(calls))


@pytest.mark.parametrize(("per_second", "at_once"), [(5, 10), (1, 2), (0.25, 2)])
def test_some_at_once_and_then_so_many_a_second(per_second: float, at_once: int, clock: ManualClock) -> None:
    throttle = Throttle(per_second, clock)
    assert admitted(throttle, "job", 100) == at_once
    clock.advance(seconds=4)
    assert admitted(throttle, "job", 100) == min(at_once, 4 * per_second)
    clock.advance(days=1)
    assert admitted(throttle, "job", 100) == at_once


def test_who_asks_steadily_is_always_admitted(clock: ManualClock) -> None:
    throttle = Throttle(5, clock)
    for _ in range(1000):
        assert throttle.admit("job")
        clock.advance(milliseconds=200)


def test_refusals_cost_nothing(clock: ManualClock) -> None:
    throttle = Throttle(1, clock)
    admitted(throttle, "job", 1000)
    clock.advance(seconds=1)
    assert throttle.admit("job")


def test_keys_do_not_mind_each_other(clock: ManualClock) -> None:
    throttle = Throttle(1, clock)
    assert [admitted(throttle, f"job {number}", 5) for number in range(20)] == [2] * 20


def test_a_clock_that_goes_back_does_no_harm(clock: ManualClock) -> None:
    throttle = Throttle(1, clock)
    admitted(throttle, "job", 5)
    clock.advance(seconds=-3600)
    assert admitted(throttle, "job", 5) == 0
    clock.advance(seconds=1)
    assert throttle.admit("job")


def test_0_is_no_limit(clock: ManualClock) -> None:
    assert admitted(Throttle(0, clock), "job", 10_000) == 10_000


def test_whoever_asks_for_many_jobs_takes_no_room(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "MOST_KEYS", 10)
    limit = Throttle(1, clock)
    for number in range(1000):
        limit.admit(number)
    assert len(limit._buckets) == 10
