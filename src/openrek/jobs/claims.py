"""Claims: which worker has which job, for how long, and how it lets go of it.

A claim takes a lease and raises the job's fencing token. Whatever the worker writes afterwards holds only while the job is running
under that token, and is refused with `LeaseLostError` otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, case, func, select, update

from openrek.clock import Clock
from openrek.db import Database
from openrek.jobs import outbox
from openrek.jobs.leases import Claim, held, hold
from openrek.jobs.messages import sentence
from openrek.jobs.records import DAY, job_from_row, video_to_json
from openrek.jobs.schema import generations, jobs, listings
from openrek.jobs.states import State, transition
from openrek.settings import LimitSettings
from openrek.video import VideoFacts

__all__ = ["Claim", "Claims"]

GROUP = 50
"""Jobs that share a pass, at most."""
CRASHES = 3
"""Crashes of a child that fail a job."""
ERRORS = 5
"""Exceptions that fail a job."""
BACK_OFF = (5_000, 20_000, 80_000, 300_000)
"""Milliseconds that a job waits after its first, second, … exception."""
PATIENCE = 5
"""Attempts after which a job that goes down with its worker waits behind the others."""


class Claims:
    """Takes jobs for workers, and takes back what they did.

    Parameters
    ----------
    limits
        How long results are kept.
    lease_seconds
        How long a worker that fell silent keeps its jobs.
    """

    def __init__(self, database: Database, clock: Clock, limits: LimitSettings, lease_seconds: float) -> None:
        self._database = database
        self._clock = clock
        self._retention = round(limits.retention_days * DAY)
        self._lease = round(lease_seconds * 1000)

    def claim(self, worker: str) -> list[Claim]:
        """Take the job that has waited longest, and with it those that wait for the same object; empty if none waits."""
        with self._database.read() as connection:  # an idle worker takes no write lock
            if connection.execute(_claimable(self._clock.now()).limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            now = self._clock.now()
            waiting = _claimable(now).order_by(jobs.c.place, jobs.c.id).with_for_update(skip_locked=True)
            group = connection.execute(waiting.limit(1)).mappings().all()
            if group and not group[0]["alone"]:
                mates = waiting.where(jobs.c.location == group[0]["location"], jobs.c.id != group[0]["id"], jobs.c.alone.is_(False))
                group = [*group, *connection.execute(mates.limit(GROUP - 1)).mappings()]
            for row in group:
                transition(State(row["state"]), State.RUNNING)
            ids = [row["id"] for row in group]
            went_down = (jobs.c.state == State.RUNNING) & (jobs.c.attempt >= PATIENCE)
            connection.execute(
                update(jobs)
                .where(jobs.c.id.in_(ids))
                .values(
                    state=State.RUNNING,
                    worker=worker,
                    claimable_at=now + self._lease,
                    place=case((went_down, now), else_=jobs.c.place),
                    token=jobs.c.token + 1,
                    attempt=jobs.c.attempt + 1,
                    started_at=func.coalesce(jobs.c.started_at, now),
                )
            )
            taken = connection.execute(select(jobs).where(jobs.c.id.in_(ids)).order_by(jobs.c.place, jobs.c.id)).mappings()
            return [Claim(job_from_row(row), row["token"]) for row in taken]

    def heartbeat(self, claims: Iterable[Claim]) -> list[Claim]:
        """Renew the leases; the claims that still hold."""
        with self._database.write() as connection:
            holding = [claim for claim, _ in held(connection, claims)]
            _set(connection, holding, claimable_at=self._clock.now() + self._lease)
        return holding

    def progress(self, claim: Claim, done: int, total: int) -> None:
        """Note how many chunks of how many have been observed.

        Raises
        ------
        LeaseLostError
            The claim no longer holds.
        """
        with self._database.write() as connection:
            hold(connection, claim)
            _set(connection, [claim], chunks_done=done, chunks_total=total)

    def release(self, claims: Iterable[Claim]) -> None:
        """Give jobs back because the worker stops. Claims that no longer hold are passed over."""
        with self._database.write() as connection:
            for claim, row in held(connection, claims):
                self._queue_again(connection, claim, row, 0)

    def release_worker(self, prefix: str) -> None:
        """End the leases of workers whose name begins so, because they are known to be dead."""
        named = func.substr(jobs.c.worker, 1, len(prefix)) == prefix
        with self._database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.completed_at.is_(None), named).values(claimable_at=self._clock.now()))

    def retry_later(self, claim: Claim, reason: str, *, alone: bool = False) -> State:
        """Try the job again after a while because of an exception, or fail it after too many; where it stands now.

        Parameters
        ----------
        alone
            Whether it shares no pass from now on, because what it asks for may have broken this one.

        Raises
        ------
        LeaseLostError
            The claim no longer holds.
        """
        with self._database.write() as connection:
            row = hold(connection, claim)
            errors = row["errors"] + 1
            noted = {"errors": errors, "last_error": sentence(reason)} | ({"alone": True} if alone else {})
            if errors < ERRORS:
                return self._queue_again(connection, claim, row, BACK_OFF[errors - 1], **noted)
            message = f"{errors} attempts failed, the last one with: {reason}"
            return self._end(connection, claim, row, State.FAILED, status_message=sentence(message), **noted)

    def record_crash(self, claims: Iterable[Claim], message: str) -> None:
        """Take note that the child of this pass crashed: its jobs go on one by one, and one that crashes too often fails with the message.

        Claims that no longer hold are passed over.
        """
        with self._database.write() as connection:
            for claim, row in held(connection, claims):
                crashes = row["crashes"] + 1
                noted = {"crashes": crashes, "last_error": sentence(message)}
                if crashes < CRASHES:
                    self._queue_again(connection, claim, row, 0, alone=True, **noted)
                else:
                    self._end(connection, claim, row, State.FAILED, status_message=sentence(message), **noted)

    def fail(self, claim: Claim, message: str) -> None:
        """End the job without a result; the message is for its owner.

        Raises
        ------
        LeaseLostError
            The claim no longer holds.
        """
        with self._database.write() as connection:
            self._end(connection, claim, hold(connection, claim), State.FAILED, status_message=sentence(message))

    def complete(self, claim: Claim, generation: int, video: VideoFacts) -> None:
        """End the job and make its rows visible.

        Raises
        ------
        LeaseLostError
            The claim no longer holds.
        ValueError
            The generation is another claim's, or not written to its end.
        """
        with self._database.write() as connection:
            row = hold(connection, claim)
            _require_whole(connection, claim, generation)
            self._end(connection, claim, row, State.SUCCEEDED, generation=generation, video=video_to_json(video))

    def _queue_again(self, connection: Connection, claim: Claim, row: RowMapping, after: int, **noted: Any) -> State:
        state = transition(State(row["state"]), State.QUEUED)
        _set(connection, [claim], state=state, worker=None, claimable_at=self._clock.now() + after, **noted)
        return state

    def _end(self, connection: Connection, claim: Claim, row: RowMapping, state: State, **outcome: Any) -> State:
        now = self._clock.now()
        expires_at = now + self._retention
        state = transition(State(row["state"]), state)
        _set(connection, [claim], state=state, worker=None, completed_at=now, expires_at=expires_at, **outcome)
        outbox.enqueue(connection, claim.job, state, now, expires_at)
        return state


def _claimable(now: int) -> Select[Any]:
    return select(jobs).where(jobs.c.completed_at.is_(None), jobs.c.claimable_at <= now)


def _set(connection: Connection, claims: Iterable[Claim], **values: Any) -> None:
    connection.execute(update(jobs).where(jobs.c.id.in_([claim.job.id for claim in claims])).values(**values))


def _require_whole(connection: Connection, claim: Claim, generation: int) -> None:
    written, finished = connection.execute(
        select(func.count(), func.count(listings.c.row_count))
        .select_from(generations.join(listings))
        .where(generations.c.id == generation, generations.c.job_id == claim.job.id, generations.c.token == claim.token)
    ).one()
    if not written or written > finished:
        raise ValueError(f"{finished} of {written} listings of generation {generation} are whole for the job {claim.job.id}")
