"""Start: one token starts one job, and an account has so many open jobs and no more.

Both are settled in the transaction that inserts the job, while nobody else can start one for the same account and region.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, text

from openrek.errors import TokenMismatchError, TooManyJobsError
from openrek.jobs.records import DAY, NewJob, canonical, fingerprint, models_to_json, to_json
from openrek.jobs.schema import jobs, start_tokens
from openrek.jobs.states import State


def lock_account(connection: Connection, account: str, region: str) -> None:
    """Keep other transactions that take this lock out until this one ends. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"openrek {account} {region}"})


@dataclass(frozen=True, slots=True)
class StartToken:
    """A ClientRequestToken and the scope in which it counts."""

    account: str
    region: str
    operation: str
    token: str

    @property
    def row(self) -> ColumnElement[bool]:
        """The condition that finds it."""
        return and_(*(start_tokens.c[name] == value for name, value in asdict(self).items()))


def replayed(connection: Connection, token: StartToken, request: Mapping[str, Any], now: int) -> str | None:
    """The job that a living token has started with the same parameters.

    Raises
    ------
    TokenMismatchError
        It came with other parameters.
    """
    query = select(start_tokens.c.fingerprint, start_tokens.c.job_id).where(token.row, start_tokens.c.expires_at > now)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.fingerprint != fingerprint(canonical(request)):
        raise TokenMismatchError(f"The ClientRequestToken: {token.token} you have supplied is already in use.")
    return str(row.job_id)


def refuse_too_many(connection: Connection, account: str, region: str, limit: int) -> None:
    """Raise `TooManyJobsError` if the account has as many open jobs as it may; a limit of 0 is none."""
    if not limit:
        return
    open_jobs = connection.execute(
        select(func.count()).where(jobs.c.account == account, jobs.c.region == region, jobs.c.completed_at.is_(None))
    ).scalar_one()
    if open_jobs >= limit:
        raise TooManyJobsError(open_jobs, limit)


def insert_job(connection: Connection, new: NewJob, now: int, token_days: float) -> str:
    """Insert the job and remember its token; its id."""
    job_id = secrets.token_hex(32)
    request = canonical(new.request)
    connection.execute(
        insert(jobs).values(
            id=job_id,
            account=new.account,
            region=new.region,
            operation=new.operation,
            request=to_json(request),
            job_tag=new.job_tag,
            topic_arn=new.topic_arn,
            role_arn=new.role_arn,
            object_bucket=new.object.bucket,
            object_name=new.object.name,
            object_version=new.object.version,
            object_etag=new.object_etag,
            object_bytes=new.object_bytes,
            location=fingerprint([new.account, new.region, new.object.bucket, new.object.name, new.object.version]),
            models=models_to_json(new.models),
            settings=to_json(dict(new.settings)),
            state=State.QUEUED,
            created_at=now,
            place=now,
            claimable_at=now,
            token=0,
            attempt=0,
            crashes=0,
            errors=0,
            alone=False,
            chunks_done=0,
            chunks_total=0,
        )
    )
    if new.token is not None:
        token = StartToken(new.account, new.region, new.operation, new.token)
        connection.execute(delete(start_tokens).where(token.row))  # one that has ended
        connection.execute(
            insert(start_tokens).values(
                **asdict(token), fingerprint=fingerprint(request), job_id=job_id, expires_at=now + round(token_days * DAY)
            )
        )
    return job_id
