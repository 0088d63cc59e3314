"""What a worker holds: a job under the fencing token of its claim, for as long as nobody else has taken it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, select

from openrek.errors import LeaseLostError
from openrek.jobs.records import Job
from openrek.jobs.schema import jobs
from openrek.jobs.states import State


@dataclass(frozen=True, slots=True)
class Claim:
    """A job as it was when a worker took it, and the fencing token of that moment."""

    job: Job
    token: int


def held(connection: Connection, claims: Iterable[Claim]) -> list[tuple[Claim, RowMapping]]:
    """The claims that still hold, with what counts of their jobs, which nobody else changes before the transaction ends."""
    claims = list(claims)
    found = connection.execute(
        select(jobs.c.id, jobs.c.token, jobs.c.state, jobs.c.crashes, jobs.c.errors)
        .where(jobs.c.id.in_([claim.job.id for claim in claims]), jobs.c.state == State.RUNNING)
        .order_by(jobs.c.id)  # always in the same order, so that no two transactions wait for each other
        .with_for_update()
    ).mappings()
    running = {(row["id"], row["token"]): row for row in found}
    return [(claim, running[key]) for claim in claims if (key := (claim.job.id, claim.token)) in running]


def hold(connection: Connection, claim: Claim) -> RowMapping:
    """What `held` gives for a claim that must hold.

    Raises
    ------
    LeaseLostError
        It does not.
    """
    found = held(connection, [claim])
    if not found:
        raise LeaseLostError
    return found[0][1]
