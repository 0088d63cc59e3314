"""The outbox: a notification is stored in the transaction that ends its job, and published afterwards until that has worked."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Row, func, insert, select, update

from openrek.clock import Clock
from openrek.db import Database
from openrek.jobs.messages import completion, sentence
from openrek.jobs.records import Job
from openrek.jobs.schema import notifications
from openrek.jobs.states import State

log = logging.getLogger(__name__)

FIRST_BACK_OFF = 1_000
LONGEST_BACK_OFF = 600_000


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to one topic. It may come again, after a crash, with the same id and the same bytes.

    Attributes
    ----------
    id
        A UUID by which the publisher recognises what it has published before.
    role_arn
        The role that openrek takes to publish.
    message
        JSON.
    """

    id: str
    account: str
    region: str
    topic_arn: str
    role_arn: str
    message: str


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A notification that failed to be published at least once.

    Attributes
    ----------
    next_try
        Milliseconds since 1970; None if the relay has given up because the job's results have expired.
    """

    publication: Publication
    job_id: str
    attempts: int
    last_error: str
    next_try: int | None


class Publisher(Protocol):
    """Whoever brings messages to topics: within seconds, or with an exception."""

    def publish(self, publication: Publication) -> None:
        """Publish it, unless the id says that this has happened already."""
        ...


def enqueue(connection: Connection, job: Job, state: State, completed_at: int, expires_at: int) -> None:
    """Store the notification of a job that ends in this transaction, if it has a channel."""
    if job.topic_arn is None or job.role_arn is None:
        return
    connection.execute(
        insert(notifications).values(
            id=str(uuid.uuid4()),
            account=job.account,
            region=job.region,
            job_id=job.id,
            topic_arn=job.topic_arn,
            role_arn=job.role_arn,
            message=completion(job, state, completed_at),
            expires_at=expires_at,
            due_at=completed_at,
            attempts=0,
        )
    )


def undelivered(database: Database, limit: int = 100) -> Sequence[Undelivered]:
    """Notifications that make trouble, the oldest first."""
    query = (
        select(notifications)
        .where(notifications.c.published_at.is_(None), notifications.c.last_error.is_not(None))
        .order_by(notifications.c.expires_at, notifications.c.id)
        .limit(limit)
    )
    with database.read() as connection:
        return [Undelivered(_publication(row), row.job_id, row.attempts, row.last_error, row.due_at) for row in connection.execute(query)]


class Relay:
    """Publishes what is due.

    Relays on one PostgreSQL share the work: a row is locked while it is being published, and free again the moment that a relay dies.
    On SQLite the server runs the only one, and nothing is locked while it publishes.

    Parameters
    ----------
    jitter
        Numbers from 0 to 1: a failed publication waits for between half and all of its back-off.
    """

    def __init__(self, database: Database, publisher: Publisher, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        self._database = database
        self._publisher = publisher
        self._clock = clock
        self._jitter = jitter

    def run_once(self) -> int:
        """Try everything that is due once, what has failed least first; how many were published."""
        published = 0
        while (outcome := self._deliver_next()) is not None:
            published += outcome
        return published

    def next_due(self) -> int | None:
        """When something is due, in milliseconds since 1970; None if nothing waits."""
        with self._database.read() as connection:
            return connection.execute(select(func.min(notifications.c.due_at)).where(notifications.c.due_at.is_not(None))).scalar()

    def _deliver_next(self) -> bool | None:
        if self._database.dialect == "postgresql":
            with self._database.write() as connection:
                row = self._next(connection)
                return self._settle(connection, row, self._attempt(row)) if row is not None else None
        with self._database.read() as connection:
            row = self._next(connection)
        if row is None:
            return None
        outcome = self._attempt(row)
        with self._database.write() as connection:
            return self._settle(connection, row, outcome)

    def _next(self, connection: Connection) -> Row[Any] | None:
        return connection.execute(
            select(notifications)
            .where(notifications.c.due_at <= self._clock.now())
            .order_by(notifications.c.attempts, notifications.c.due_at, notifications.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()

    def _attempt(self, row: Row[Any]) -> dict[str, Any]:
        if row.expires_at <= self._clock.now():
            log.warning("gave up the notification of job %s to %s: its results have expired", row.job_id, row.topic_arn)
            return {"due_at": None, "last_error": row.last_error or "The job's results expired before the notification was tried."}
        try:
            self._publisher.publish(_publication(row))
        except Exception as error:
            reason = sentence(f"{type(error).__name__}: {error}")
            log.warning("could not publish the notification of job %s to %s: %s", row.job_id, row.topic_arn, reason)
            back_off = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(row.attempts, 20))
            due_at = self._clock.now() + round(back_off * (1 + self._jitter()) / 2)
            return {"due_at": due_at, "last_error": reason, "attempts": row.attempts + 1}
        return {"due_at": None, "published_at": self._clock.now(), "attempts": row.attempts + 1}

    @staticmethod
    def _settle(connection: Connection, row: Row[Any], outcome: dict[str, Any]) -> bool:
        connection.execute(update(notifications).where(notifications.c.id == row.id).values(**outcome))
        return "published_at" in outcome


def _publication(row: Row[Any]) -> Publication:
    return Publication(row.id, row.account, row.region, row.topic_arn, row.role_arn, row.message)
