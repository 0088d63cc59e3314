"""Page tokens: where a listing goes on, signed, so that nobody else can say so."""

from __future__ import annotations

import base64
import hmac
import secrets
import struct

from sqlalchemy import Connection, insert, select

from openrek.clock import Clock
from openrek.db import Database
from openrek.errors import InvalidPageTokenError
from openrek.jobs.records import Job, to_json
from openrek.jobs.schema import signing_keys
from openrek.jobs.starting import lock_account
from openrek.settings import LimitSettings

_PAYLOAD = struct.Struct(">QQ")
_HOUR = 3_600_000


class PageTokens:
    """Makes tokens and reads them.

    A token is 64 characters of `[A-Za-z0-9_-]`: the offset, the end of its life, and an HMAC-SHA-256 over both and the listing: account,
    region, operation, job, table and order.
    Each account has its key in each region; the database keeps it, so that every server reads every server's tokens.

    Parameters
    ----------
    limits
        How long a token may be used.
    """

    def __init__(self, database: Database, clock: Clock, limits: LimitSettings) -> None:
        self._database = database
        self._clock = clock
        self._life = round(limits.page_token_hours * _HOUR)
        self._keys: dict[tuple[str, str], bytes] = {}

    def issue(self, job: Job, table: str, order: str, offset: int) -> str:
        """A token for the page of this listing that begins at row number `offset`."""
        return self._token(job, table, order, _PAYLOAD.pack(offset, self._clock.now() + self._life))

    def read(self, job: Job, table: str, order: str, token: str) -> int:
        """The offset.

        Raises
        ------
        InvalidPageTokenError
            The token was not issued for this listing, or its life is over.
        """
        try:
            payload = base64.urlsafe_b64decode(token)[: _PAYLOAD.size]
        except ValueError:
            raise InvalidPageTokenError from None
        if not hmac.compare_digest(self._token(job, table, order, payload), token):
            raise InvalidPageTokenError
        offset, ends_at = _PAYLOAD.unpack(payload)
        if ends_at <= self._clock.now():
            raise InvalidPageTokenError
        return int(offset)

    def _token(self, job: Job, table: str, order: str, payload: bytes) -> str:
        scope = to_json([job.account, job.region, job.operation, job.id, table, order]).encode()
        owner = (job.account, job.region)
        if owner not in self._keys:
            self._keys[owner] = _key(self._database, *owner)
        return base64.urlsafe_b64encode(payload + hmac.digest(self._keys[owner], scope + payload, "sha256")).decode()


def _key(database: Database, account: str, region: str) -> bytes:
    def stored(connection: Connection) -> bytes | None:
        query = select(signing_keys.c.key).where(signing_keys.c.account == account, signing_keys.c.region == region)
        return connection.execute(query).scalar()

    with database.read() as connection:
        key = stored(connection)
    if key is not None:
        return key
    with database.write() as connection:
        lock_account(connection, account, region)
        key = stored(connection)
        if key is None:
            key = secrets.token_bytes(32)
            connection.execute(insert(signing_keys).values(account=account, region=region, key=key))
        return key
