"""Results: rows in compressed blocks under a generation, and the pages that are cut from them.

A block is a thousand rows, already serialised, one a line, compressed; a page is cut from two of them at most, and no JSON is read
on the way. zlib's fastest level: on rows of labels (391 bytes each) it takes 2.2 ms a block and makes it 3.7 times smaller; level 6
takes three times as long for 4.2, and Zstandard would take a third and make it 4.9 times smaller, which is not worth a dependency.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

from sqlalchemy import Connection, Table, and_, delete, insert, select, tuple_, update

from openrek.db import Database
from openrek.errors import JobNotFoundError
from openrek.jobs.leases import Claim, hold
from openrek.jobs.records import Job
from openrek.jobs.schema import blocks, generations, jobs, listings

BLOCK_ROWS = 1000
"""Rows of a block, and of the longest page."""
_WRITTEN = 4
"""Blocks that one transaction writes."""
_DROPPED = 16
"""Blocks that one transaction drops."""
_PAUSE = 0.005
"""Seconds between two such transactions: whoever waits to write into SQLite looks only now and then whether it is his turn."""


@dataclass(frozen=True, slots=True)
class Page:
    """Serialised rows, and where the next page begins if there is one."""

    rows: Sequence[bytes]
    next_offset: int | None


class ResultWriter:
    """Writes the rows of a job under a new generation, which `Claims.complete` makes visible.

    Every transaction is short and proves the claim. Leaving the `with` by an exception discards what was written, unless it has
    become visible; what a dead worker leaves behind is swept.

    Raises
    ------
    LeaseLostError
        The claim no longer holds (also `write`).
    """

    def __init__(self, database: Database, claim: Claim) -> None:
        self._database = database
        self._claim = claim
        with database.write() as connection:
            hold(connection, claim)
            self.generation: int = _insert(connection, generations, **self._owner(), job_id=claim.job.id, token=claim.token)

    def write(self, table: str, order: str, rows: Iterable[bytes]) -> int:
        """Write all rows of a table in one of its orders, in which they come; how many there were.

        Parameters
        ----------
        rows
            JSON without line breaks.
        """
        with self._database.write() as connection:
            hold(connection, self._claim)
            listing = _insert(connection, listings, **self._owner(), generation=self.generation, rows_of=table, sorted_by=order)
        number = total = 0
        packed = _packed(rows)
        while batch := list(islice(packed, _WRITTEN)):
            values = [{**self._owner(), "listing": listing, "number": number + i, "data": data} for i, (_, data) in enumerate(batch)]
            with self._database.write() as connection:
                hold(connection, self._claim)
                connection.execute(insert(blocks), values)
            number += len(batch)
            total += sum(count for count, _ in batch)
        with self._database.write() as connection:
            hold(connection, self._claim)
            connection.execute(update(listings).where(listings.c.id == listing).values(row_count=total))
        return total

    def discard(self) -> None:
        """Drop what was written, unless it has become visible."""
        with self._database.read() as connection:
            visible = connection.execute(select(jobs.c.id).where(jobs.c.generation == self.generation, jobs.c.id == self._claim.job.id))
            if visible.first() is not None:
                return
        drop_generation(self._database, self.generation)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.discard()

    def _owner(self) -> dict[str, str]:
        return {"account": self._claim.job.account, "region": self._claim.job.region}


class ResultReader:
    """Cuts pages from the visible rows of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, job: Job, table: str, order: str, offset: int, limit: int) -> Page:
        """At most `limit` rows, and never more than `BLOCK_ROWS`, from the row number `offset` on; none of a job that has no result.

        Raises
        ------
        JobNotFoundError
            The rows have expired since the job was looked up.
        """
        if job.generation is None:
            return Page([], None)
        first = offset // BLOCK_ROWS
        last = (offset + min(limit, BLOCK_ROWS) - 1) // BLOCK_ROWS
        query = (
            select(listings.c.row_count, blocks.c.data)
            .select_from(listings.outerjoin(blocks, and_(blocks.c.listing == listings.c.id, blocks.c.number.between(first, last))))
            .where(listings.c.generation == job.generation, listings.c.rows_of == table, listings.c.sorted_by == order)
            .where(listings.c.account == job.account, listings.c.region == job.region)
            .order_by(blocks.c.number)
        )
        with self._database.read() as connection:
            found = connection.execute(query).all()
        if not found:
            raise JobNotFoundError
        total = found[0].row_count
        end = min(offset + min(limit, BLOCK_ROWS), total)
        lines = [line for row in found if row.data is not None for line in zlib.decompress(row.data).split(b"\n")]
        rows = lines[offset - first * BLOCK_ROWS : end - first * BLOCK_ROWS]
        if len(rows) < end - offset:
            raise JobNotFoundError
        return Page(rows, end if end < total else None)


def drop_generation(database: Database, generation: int) -> None:
    """Drop all rows of a generation that is not visible, in short transactions; its own row goes last."""
    while _drop_some(database, generation):
        time.sleep(_PAUSE)


def _drop_some(database: Database, generation: int) -> bool:
    some = select(blocks.c.listing, blocks.c.number).join(listings).where(listings.c.generation == generation).limit(_DROPPED)
    with database.write() as connection:
        # Whoever drops the same generation elsewhere waits here, and then sees what is left.
        connection.execute(select(generations.c.id).where(generations.c.id == generation).with_for_update())
        if connection.execute(delete(blocks).where(tuple_(blocks.c.listing, blocks.c.number).in_(some))).rowcount:
            return True
        connection.execute(delete(listings).where(listings.c.generation == generation))
        connection.execute(delete(generations).where(generations.c.id == generation))
        return False


def _insert(connection: Connection, table: Table, **values: Any) -> int:
    key = connection.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _packed(rows: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    remaining = iter(rows)
    while block := list(islice(remaining, BLOCK_ROWS)):
        text = b"\n".join(block)
        if text.count(b"\n") != len(block) - 1:
            raise ValueError("a serialised row contains a line break")
        yield len(block), zlib.compress(text, 1)
