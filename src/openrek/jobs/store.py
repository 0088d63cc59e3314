"""Jobs, as the API's operations see them: start one, look at one, list them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, or_, select, tuple_

from openrek.clock import Clock
from openrek.db import Database
from openrek.errors import JobNotFoundError
from openrek.jobs import starting
from openrek.jobs.records import Job, NewJob, job_from_row
from openrek.jobs.schema import jobs
from openrek.jobs.starting import StartToken
from openrek.jobs.states import State
from openrek.settings import LimitSettings


class JobStore:
    """The jobs of every account and region.

    Parameters
    ----------
    database
        Of the family "jobs", migrated.
    limits
        How many jobs may be open, how long tokens live.
    """

    def __init__(self, database: Database, clock: Clock, limits: LimitSettings) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits

    def find_replay(self, account: str, region: str, operation: str, token: str, request: Mapping[str, Any]) -> str | None:
        """The id of the job that this token has started; None if it has started none.

        The job may have failed, and may be gone.

        Raises
        ------
        TokenMismatchError
            The token came with other parameters.
        """
        with self._database.read() as connection:
            return starting.replayed(connection, StartToken(account, region, operation, token), request, self._clock.now())

    def check_open_jobs(self, account: str, region: str) -> None:
        """Refuse early what `insert` would refuse.

        Raises
        ------
        TooManyJobsError
            As many jobs are open as may be.
        """
        with self._database.read() as connection:
            starting.refuse_too_many(connection, account, region, self._limits.open_jobs)

    def insert(self, new: NewJob) -> str:
        """Start the job, unless its token has started it already; its id either way.

        Raises
        ------
        TokenMismatchError
            The token came with other parameters.
        TooManyJobsError
            As many jobs are open as may be.
        """
        with self._database.write() as connection:
            starting.lock_account(connection, new.account, new.region)
            now = self._clock.now()
            if new.token is not None:
                token = StartToken(new.account, new.region, new.operation, new.token)
                known = starting.replayed(connection, token, new.request, now)
                if known is not None:
                    return known
            starting.refuse_too_many(connection, new.account, new.region, self._limits.open_jobs)
            return starting.insert_job(connection, new, now, self._limits.token_days)

    def get(self, account: str, region: str, job_id: str, operation: str | None = None) -> Job:
        """A job of this account and region, started by this operation ("StartLabelDetection") or by any.

        Raises
        ------
        JobNotFoundError
            There is none, or its results have expired.
        """
        query = select(jobs).where(jobs.c.id == job_id, jobs.c.account == account, jobs.c.region == region, self._alive())
        if operation is not None:
            query = query.where(jobs.c.operation == operation)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise JobNotFoundError
        return job_from_row(row)

    def find(self, prefix: str) -> Job:
        """The job of any account whose id begins so.

        Raises
        ------
        JobNotFoundError
            There is none, or there are several.
        """
        query = select(jobs).where(jobs.c.id.startswith(prefix, autoescape=True), self._alive()).limit(2)
        with self._database.read() as connection:
            found = connection.execute(query).mappings().all()
        if len(found) != 1:
            what = "Several jobs have ids that begin" if found else "No job has an id that begins"
            raise JobNotFoundError(f"{what} with {prefix!r}. `openrek jobs list` shows the newest ones.")
        return job_from_row(found[0])

    def list(
        self,
        account: str | None = None,
        region: str | None = None,
        state: State | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> Sequence[Job]:
        """Jobs that have not expired, the newest first; those older than the job `before` if it is given.

        Raises
        ------
        JobNotFoundError
            The job `before` is gone.
        """
        query = select(jobs).where(self._alive()).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        for column, value in ((jobs.c.account, account), (jobs.c.region, region), (jobs.c.state, state)):
            if value is not None:
                query = query.where(column == value)
        with self._database.read() as connection:
            if before is not None:
                position = connection.execute(select(jobs.c.created_at, jobs.c.id).where(jobs.c.id == before)).one_or_none()
                if position is None:
                    raise JobNotFoundError
                query = query.where(tuple_(jobs.c.created_at, jobs.c.id) < tuple_(*position))
            return [job_from_row(row) for row in connection.execute(query).mappings()]

    def _alive(self) -> ColumnElement[bool]:
        return or_(jobs.c.expires_at.is_(None), jobs.c.expires_at > self._clock.now())
