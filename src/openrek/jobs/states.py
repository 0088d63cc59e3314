"""The states of a job and the ways between them. docs/explanation/jobs.md draws them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from openrek.errors import IllegalTransitionError

ApiStatus = Literal["IN_PROGRESS", "SUCCEEDED", "FAILED"]


class State(StrEnum):
    """Where a job stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING}),
    State.RUNNING: frozenset({State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
}
"""A running job runs again when its lease is over and another worker takes it; it queues again when it is given back or retried."""

OPEN = frozenset(state for state, following in TRANSITIONS.items() if following)
"""The states of a job that has not ended."""


def transition(old: State, new: State) -> State:
    """`new`, if a job may go there from `old`.

    Raises
    ------
    IllegalTransitionError
        It may not.
    """
    if new not in TRANSITIONS[old]:
        raise IllegalTransitionError(f"a job that is {old} cannot become {new}")
    return new


def api_status(state: State) -> ApiStatus:
    """`JobStatus` on the wire."""
    match state:
        case State.SUCCEEDED:
            return "SUCCEEDED"
        case State.FAILED:
            return "FAILED"
        case _:
            return "IN_PROGRESS"
