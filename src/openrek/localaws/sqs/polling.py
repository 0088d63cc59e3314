"""Receivers that wait for messages: no thread and no polling of the database, however many they are.

The receivers of a queue stand in line at one desk. A single task looks for messages on behalf of all of them, hands these out in the
order of the line, and sleeps until something touches the queue, the next hidden message is due, or someone has waited long enough.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from openrek.localaws.sqs import mailbox
from openrek.localaws.sqs.mailbox import Received, Wanted
from openrek.localaws.sqs.queues import by_id
from openrek.localaws.store import Store


@dataclass(eq=False, slots=True)
class _Receiver:
    wanted: Wanted
    deadline: float
    answer: asyncio.Future[list[Received]]


class Polling:
    """The lines of all queues; to be used from one event loop at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._desks: dict[int, _Desk] = {}
        store.listen(self._touched)

    async def receive(self, queue_id: int, wanted: Wanted, wait: float) -> list[Received]:
        """Receive messages; if there is none, wait up to `wait` seconds for the first.

        Whoever is cancelled while waiting takes nothing away: what was meant for them is visible again at once.
        """
        loop = asyncio.get_running_loop()
        receiver = _Receiver(wanted, loop.time() + wait, loop.create_future())
        desk = self._desks.get(queue_id)
        if desk is None:
            desk = self._desks[queue_id] = _Desk(self._store, queue_id, loop)
            desk.line.append(receiver)
            desk.task = loop.create_task(self._serve(desk))
        else:
            desk.line.append(receiver)
            desk.look()
        try:
            return await receiver.answer
        except asyncio.CancelledError:
            if receiver.answer.done() and not receiver.answer.cancelled() and receiver.answer.exception() is None:
                received = receiver.answer.result()
                self._store.submit(lambda tx: mailbox.release(tx, received))
            desk.look()
            raise

    def dismiss(self) -> None:
        """Send everyone in line away with nothing, so that a server can stop at once."""
        for desk in self._desks.values():
            for receiver in desk.line:
                if not receiver.answer.done():
                    receiver.answer.set_result([])
            desk.look()

    async def _serve(self, desk: _Desk) -> None:
        try:
            await desk.serve()
        except Exception as error:
            desk.fail(error)
        finally:
            del self._desks[desk.queue_id]

    def _touched(self, queue_ids: set[int]) -> None:
        for queue_id in queue_ids:
            desk = self._desks.get(queue_id)
            if desk is not None:
                with contextlib.suppress(RuntimeError):  # its loop has just been closed
                    desk.loop.call_soon_threadsafe(desk.look)


class _Desk:
    def __init__(self, store: Store, queue_id: int, loop: asyncio.AbstractEventLoop) -> None:
        self.queue_id = queue_id
        self.loop = loop
        self.line: list[_Receiver] = []
        self.task: asyncio.Task[None] | None = None
        self._store = store
        self._woken = asyncio.Event()

    def look(self) -> None:
        """Look again."""
        self._woken.set()

    def fail(self, error: Exception) -> None:
        """Tell everyone in line what went wrong."""
        for receiver in self.line:
            if not receiver.answer.done():
                receiver.answer.set_exception(error)

    async def serve(self) -> None:
        """Serve the line until nobody stands in it."""
        while self._tidy():
            self._woken.clear()
            due = await self._hand_out(list(self.line))
            if self._tidy():
                await self._sleep(due)

    async def _hand_out(self, line: list[_Receiver]) -> int | None:
        wanted = [receiver.wanted for receiver in line]
        given, due = await self._store.write(lambda tx: mailbox.receive(tx, by_id(tx, self.queue_id), wanted))
        unclaimed: list[Received] = []
        for receiver, received in zip(line, given, strict=True):
            if receiver.answer.done():
                unclaimed += received
            elif received or receiver.deadline <= self.loop.time():
                receiver.answer.set_result(received)
        if unclaimed:
            await self._store.write(lambda tx: mailbox.release(tx, unclaimed))
        return due

    async def _sleep(self, due: int | None) -> None:
        seconds = min(receiver.deadline for receiver in self.line) - self.loop.time()
        if due is not None:
            seconds = min(seconds, (due - self._store.clock.now()) / 1000)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await self._woken.wait()

    def _tidy(self) -> bool:
        self.line = [receiver for receiver in self.line if not receiver.answer.done()]
        return bool(self.line)
