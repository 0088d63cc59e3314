"""Retention: what has expired goes, and what no job will ever show. In small transactions, so that nobody waits."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, and_, delete, or_, select, tuple_

from openrek.clock import Clock
from openrek.db import Database
from openrek.jobs.records import DAY
from openrek.jobs.results import drop_generation
from openrek.jobs.schema import generations, jobs, notifications, start_tokens
from openrek.jobs.states import State
from openrek.settings import LimitSettings

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep has removed."""

    jobs: int
    generations: int
    tokens: int
    notifications: int


class Retention:
    """Removes expired jobs with their rows, orphaned generations, tokens whose life is over, and settled notifications.

    A notification that could not be published stays visible for as long again as its job did.
    """

    def __init__(self, database: Database, clock: Clock, limits: LimitSettings) -> None:
        self._database = database
        self._clock = clock
        self._retention = round(limits.retention_days * DAY)

    def sweep(self) -> Swept:
        """Remove everything whose time is over. Safe beside any number of servers and workers."""
        now = self._clock.now()
        settled = and_(notifications.c.published_at.is_not(None), notifications.c.expires_at <= now)
        return Swept(
            jobs=self._delete(jobs, jobs.c.expires_at <= now),
            generations=self._drop_orphans(),
            tokens=self._delete(start_tokens, start_tokens.c.expires_at <= now),
            notifications=self._delete(notifications, or_(settled, notifications.c.expires_at <= now - self._retention)),
        )

    def _delete(self, table: Table, over: ColumnElement[bool]) -> int:
        key = table.primary_key.columns.values()
        some = select(*key).where(over).limit(_BATCH).with_for_update(skip_locked=True)
        total = 0
        while True:
            with self._database.write() as connection:
                dropped = connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount
            total += dropped
            if dropped < _BATCH:
                return total

    def _drop_orphans(self) -> int:
        """Drop generations that no job shows and no running claim writes, among them those of jobs that are gone."""
        unseen = jobs.c.generation.is_distinct_from(generations.c.id)
        unheld = or_(jobs.c.state != State.RUNNING, jobs.c.token != generations.c.token)
        query = (
            select(generations.c.id)
            .select_from(generations.outerjoin(jobs, jobs.c.id == generations.c.job_id))
            .where(or_(jobs.c.id.is_(None), and_(unseen, unheld)))
        )
        with self._database.read() as connection:
            orphans = connection.execute(query).scalars().all()
        for orphan in orphans:
            drop_generation(self._database, orphan)
        return len(orphans)
