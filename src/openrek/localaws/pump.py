"""Waiting rows are handled, several at once: those that are due now, and the others when they are."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Generic, Protocol, TypeVar

from openrek.localaws.store import Store, Transaction

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds after which a pump looks even if nobody told it of a row."""


class Waiting(Protocol):
    """A row that waits."""

    @property
    def id(self) -> int:
        """Never used again."""
        ...


Row = TypeVar("Row", bound=Waiting)


class Pump(Generic[Row]):
    """Has the waiting rows of one table handled.

    Parameters
    ----------
    store
        Where they wait.
    work
        What `Transaction.work` calls them.
    due
        Rows that are due and not among those that are being handled, so many at most.
    next_due
        When the next row is due that is not due yet, in milliseconds.
    handle
        Handles one row: afterwards it is gone, or due later.
    free
        How many more can be handled, when so many are being handled.
    """

    def __init__(
        self,
        store: Store,
        work: str,
        *,
        due: Callable[[Transaction, Collection[int], int], list[Row]],
        next_due: Callable[[Transaction], int | None],
        handle: Callable[[Row], Awaitable[None]],
        free: Callable[[int], int],
    ) -> None:
        self._store = store
        self._work = work
        self._due = due
        self._next_due = next_due
        self._handle = handle
        self._free = free
        self._running: dict[int, asyncio.Task[None]] = {}
        self._woken: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        store.call(self._wake, work)

    async def run(self) -> None:
        """Work until this task is cancelled."""
        self._loop, self._woken = asyncio.get_running_loop(), asyncio.Event()
        try:
            while True:
                self._woken.clear()
                pause = LOOK_EVERY
                try:
                    pause = await self._turn()
                except Exception:
                    log.exception("could not look for waiting %s", self._work)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._woken.wait()
        finally:
            self._loop = None
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _wake(self) -> None:
        """There is something to do; from any thread."""
        loop, woken = self._loop, self._woken
        if loop is not None and woken is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(woken.set)

    async def _turn(self) -> float:
        """Begin with what can be begun; seconds until it is worth looking again."""
        running = set(self._running)
        free = self._free(len(running))
        if free > 0:
            for row in await self._store.read(lambda tx: self._due(tx, running, free)):
                task = asyncio.create_task(self._do(row))
                self._running[row.id] = task
                task.add_done_callback(partial(self._ended, row.id))
        following = await self._store.read(self._next_due)
        return LOOK_EVERY if following is None else min(LOOK_EVERY, max(0.0, (following - self._store.clock.now()) / 1000))

    async def _do(self, row: Row) -> None:
        try:
            await self._handle(row)
        except Exception:
            log.exception("could not handle one of the waiting %s", self._work)
            await asyncio.sleep(LOOK_EVERY)

    def _ended(self, number: int, _: asyncio.Task[None]) -> None:
        del self._running[number]
        if self._woken is not None:
            self._woken.set()
