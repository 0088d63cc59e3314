"""The processes of all functions: one that is warm if there is one, a new one otherwise, and never too many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.errors import stopping, throttled
from openrek.localaws.functions.sandbox import Invocation, Outcome, Sandbox, StaleSandboxError

_OLDEST = 6 * 3600
"""Seconds after which a process gets no further events: its credentials end some time."""


class Pool:
    """Sandboxes by function.

    Parameters
    ----------
    limit
        Processes at once, of all functions together.
    idle_seconds
        How long a process is kept that has nothing to do.
    make, start
        A sandbox, and its process.
    """

    def __init__(
        self,
        limit: int,
        idle_seconds: float,
        make: Callable[[Function], Sandbox],
        start: Callable[[Sandbox], Awaitable[None]],
    ) -> None:
        self.limit = limit
        self._idle_seconds = idle_seconds
        self._make = make
        self._start = start
        self._idle: list[Sandbox] = []
        self._busy: set[Sandbox] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def free(self) -> int:
        """How many more events can be taken now."""
        return self.limit - len(self._busy)

    @property
    def packages(self) -> set[str]:
        """The digests of the packages that some process was started from."""
        return {sandbox.function.configuration.sha256 for sandbox in (*self._busy, *self._idle)}

    def find(self, secret: str) -> Sandbox | None:
        """The sandbox that has this secret."""
        return next((sandbox for sandbox in (*self._busy, *self._idle) if sandbox.secret == secret), None)

    async def run(self, function: Function, invocation: Invocation) -> Outcome:
        """Have a function take an event.

        Raises
        ------
        ServiceError
            As many run as may run at once, or the server is being stopped.
        OSError
            No process could be started.
        """
        while True:
            sandbox = await self._take(function)
            try:
                outcome = await sandbox.invoke(invocation)
            except StaleSandboxError:
                continue
            finally:
                self._put_back(sandbox)
            if self._stopping and outcome.failed:
                raise stopping()
            return outcome

    def retire(self, function_id: int) -> None:
        """End the processes of a function, which is no longer what it was, as soon as they have nothing to do."""
        for sandbox in self._busy:
            sandbox.retired = sandbox.retired or sandbox.function.id == function_id
        self._end([sandbox for sandbox in self._idle if sandbox.function.id == function_id])

    def expire(self) -> None:
        """End processes that have had nothing to do for long."""
        since = time.monotonic() - self._idle_seconds
        self._end([sandbox for sandbox in self._idle if sandbox.idle_since <= since or not sandbox.alive])

    def stop(self) -> None:
        """End all processes: the server is about to stop, and could not hear of what they do."""
        self._stopping = True
        for sandbox in (*self._busy, *self._idle):
            sandbox.kill()

    async def close(self) -> None:
        """End all processes; what runs fails."""
        self._end(list(self._idle))
        tasks = [asyncio.create_task(sandbox.close()) for sandbox in self._busy]
        await asyncio.gather(*tasks, *self._closing, return_exceptions=True)

    async def _take(self, function: Function) -> Sandbox:
        """A sandbox for one event; it is busy from now on."""
        if self._stopping:
            raise stopping()
        for sandbox in reversed(self._idle):
            if _fits(sandbox, function):
                self._idle.remove(sandbox)
                self._busy.add(sandbox)
                return sandbox
        if self.free <= 0:
            raise throttled()
        if len(self._idle) >= self.free:
            self._end([self._idle[0]])
        sandbox = self._make(function)
        self._busy.add(sandbox)  # the process asks for its secret to be known as soon as it runs
        try:
            await self._start(sandbox)
        except BaseException:
            self._busy.discard(sandbox)
            raise
        return sandbox

    def _put_back(self, sandbox: Sandbox) -> None:
        """A sandbox has nothing to do any more."""
        self._busy.discard(sandbox)
        self._idle.append(sandbox)
        if sandbox.retired or not sandbox.alive:
            self._end([sandbox])

    def _end(self, sandboxes: list[Sandbox]) -> None:
        for sandbox in sandboxes:
            self._idle.remove(sandbox)
            task = asyncio.create_task(sandbox.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def _fits(sandbox: Sandbox, function: Function) -> bool:
    mine = sandbox.function
    return (
        sandbox.alive
        and (mine.id, mine.number, mine.configuration) == (function.id, function.number, function.configuration)
        and time.monotonic() - sandbox.born < _OLDEST
    )
