"""The database of the embedded services: one thread writes, a few read.

A single writer never waits for SQLite's lock, and whatever has queued up behind one transaction goes into the next one together,
so that a crowd of callers costs one `fsync`. Each piece of work has a savepoint of its own: one that fails undoes itself alone.
Nothing is acknowledged before it is on disk.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import OperationalError

from openrek.awsmodel.calls import Caller, Operation, Params
from openrek.clock import Clock
from openrek.db import Database
from openrek.localaws.schema import secrets

T = TypeVar("T")
_TOGETHER = 64
_READERS = 4
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Transaction:
    """What a piece of work may use.

    Attributes
    ----------
    sql
        The open connection.
    now
        The time of the work, in milliseconds.
    touched
        Ids of queues whose receivers should look again once the work is on disk.
    work
        Names of tables in which there is something to do once it is on disk.
    """

    sql: Connection
    now: int
    touched: set[int] = field(default_factory=set)
    work: set[str] = field(default_factory=set)

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Return the key of that name; made and kept on its first use."""
        found = self.known_secret(name)
        if found is None:
            found = make()
            self.sql.execute(insert(secrets).values(name=name, value=found))
        return found

    def known_secret(self, name: str) -> bytes | None:
        """Return the key of that name if it has been made."""
        found: bytes | None = self.sql.execute(select(secrets.c.value).where(secrets.c.name == name)).scalar()
        return found


Work = Callable[[Transaction], T]
Handler = Callable[[Transaction, Caller, Params], Params]
"""An operation as a plain function inside one transaction."""


class Store:
    """The embedded services' database and its threads.

    Parameters
    ----------
    database
        Migrated; nobody else writes to it. Closed with the store.
    clock
        Decides visibility, delays, retention and expiry.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.clock = clock
        self._waiting: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._listeners: list[Callable[[set[int]], None]] = []
        self._workers: dict[str, Callable[[], None]] = {}
        self._closed = False
        self._closing = threading.Lock()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="localaws-reader")
        self._writer = threading.Thread(target=self._run, name="localaws-writer", daemon=True)
        self._writer.start()

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue work that may write. The result is there once it is on disk; cancelled before its turn, it never runs."""
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise RuntimeError("The store of the embedded services is closed.")
            self._waiting.put((work, future))
        return future

    async def write(self, work: Work[T]) -> T:
        """Run work that may write; the event loop stays free."""
        return await asyncio.wrap_future(self.submit(work))

    async def read(self, work: Work[T]) -> T:
        """Run work that only reads; the event loop stays free, and no writer is waited for."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, work)

    def read_now(self, work: Work[T]) -> T:
        """Run work that only reads, in this thread."""
        with self._database.read() as connection:
            return work(Transaction(connection, self.clock.now()))

    def writing(self, handler: Handler) -> Operation:
        """Make an operation of a handler that may write."""

        async def operation(caller: Caller, params: Params) -> Params:
            return await self.write(lambda tx: handler(tx, caller, params))

        return operation

    def reading(self, handler: Handler) -> Operation:
        """Make an operation of a handler that only reads."""

        async def operation(caller: Caller, params: Params) -> Params:
            return await self.read(lambda tx: handler(tx, caller, params))

        return operation

    def listen(self, listener: Callable[[set[int]], None]) -> None:
        """Have `listener` called, in the writing thread, with the queues that a commit touched."""
        self._listeners.append(listener)

    def call(self, worker: Callable[[], None], work: str) -> None:
        """Have `worker` called, in the writing thread, after commits that left work of that name."""
        self._workers[work] = worker

    def close(self) -> None:
        """Finish what was submitted, stop the threads, close the database."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._waiting.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None:
            batch = [item]
            last = False
            while len(batch) < _TOGETHER and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._commit([(work, future) for work, future in batch if future.set_running_or_notify_cancel()])
            if last:
                return

    def _commit(self, batch: list[tuple[Work[Any], Future[Any]]]) -> None:
        outcomes: list[tuple[Future[Any], Any, Exception | None]] = []
        touched: set[int] = set()
        left: set[str] = set()
        try:
            with self._database.write() as connection:
                for work, future in batch:
                    transaction = Transaction(connection, self.clock.now())
                    try:
                        with connection.begin_nested():
                            result = work(transaction)
                    except OperationalError:
                        # A full disk may have rolled everything back, also what went before in this batch.
                        raise
                    except Exception as error:
                        outcomes.append((future, None, error))
                    else:
                        outcomes.append((future, result, None))
                        touched |= transaction.touched
                        left |= transaction.work
        except Exception as error:
            for _, future in batch:
                future.set_exception(error)
            return
        for future, result, failure in outcomes:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)
        calls: list[Callable[[], None]] = [worker for name, worker in self._workers.items() if name in left]
        if touched:
            calls += [partial(listener, touched) for listener in self._listeners]
        for call in calls:
            try:
                call()
            except Exception:
                _logger.exception("A listener of the embedded services' store failed.")
