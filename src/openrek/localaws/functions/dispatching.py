"""Waiting events are given to their functions, tried again, and given up: the moving part of `events`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.arns import parse_arn
from openrek.localaws.functions import catalogue, events
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.events import Event
from openrek.localaws.functions.pool import Pool
from openrek.localaws.functions.sandbox import Invocation
from openrek.localaws.pump import Pump
from openrek.localaws.sqs import mailbox
from openrek.localaws.sqs.content import Content
from openrek.localaws.sqs.queues import by_arn
from openrek.localaws.store import Store, Transaction

log = logging.getLogger(__name__)

LATER = 5_000
"""Milliseconds after which an event is tried again that could not even be started."""


class Publish(Protocol):
    """Publishes a message to a topic by ARN. Blocks until it is on disk; raises `ServiceError` if there is no such topic."""

    def __call__(self, topic_arn: str, message: str, /, *, attributes: Mapping[str, Mapping[str, str]], publication_id: str) -> object:
        """Publish; once, however often the same publication comes."""
        ...


@dataclass(frozen=True, slots=True)
class _Ended:
    """An event that a function has had in its hands: the error if it failed."""

    function: Function
    failure: bytes | None


class Dispatcher:
    """Gives waiting events to functions.

    Parameters
    ----------
    store
        Where they wait.
    pool
        Runs functions.
    publish
        For those dead letters that go to a topic.
    """

    def __init__(self, store: Store, pool: Pool, publish: Publish) -> None:
        self._store = store
        self._pool = pool
        self._publish = publish
        self._pump = Pump(store, events.WORK, due=events.due, next_due=events.next_due, handle=self._handle, free=self._free)

    async def run(self) -> None:
        """Work until this task is cancelled; what runs then runs again in the next server."""
        await self._pump.run()

    def _free(self, running: int) -> int:
        self._pool.expire()
        return min(self._pool.free, self._pool.limit - running)

    async def _handle(self, event: Event) -> None:
        try:
            ended = await self._run(event)
            if ended is None:
                await self._store.write(lambda tx: events.done(tx, event))
            elif ended.failure is None or not await self._store.write(lambda tx: events.again(tx, event)):
                await self._finish(event, ended)
        except ServiceError as error:  # as many run as may run: those that were asked for directly came first
            log.info("an event for a function waits: %s", error)
            await self._store.write(lambda tx: events.later(tx, event, LATER))
        except Exception:
            log.exception("an event could not be given to its function")
            await self._store.write(lambda tx: events.later(tx, event, LATER))

    async def _run(self, event: Event) -> _Ended | None:
        """Have the function take the event; None if the function is gone."""
        function = await self._store.read(lambda tx: catalogue.by_id(tx, event.function_id, event.number))
        if function is None:
            return None
        outcome = await self._pool.run(function, Invocation(event.request_id, event.arn, event.payload, event.client_context))
        return _Ended(function, outcome.payload if outcome.failed else None)

    async def _finish(self, event: Event, ended: _Ended) -> None:
        """The function has taken the event, or has failed for the last time."""
        target = ended.function.configuration.dead_letters
        if ended.failure is None or not target:
            if ended.failure is not None:
                log.warning("function %s failed %d times with event %s", ended.function.name, event.attempts + 1, event.request_id)
            await self._store.write(lambda tx: events.done(tx, event))
            return
        body, attributes = events.dead_letter(event, ended.failure)
        arn = parse_arn(target)
        if arn is not None and arn.service == "sns":
            try:
                await asyncio.to_thread(self._publish, target, body, attributes=attributes, publication_id=event.request_id)
            except ServiceError as error:
                log.warning("the dead letter of function %s did not reach %s: %s", ended.function.name, target, error)
            await self._store.write(lambda tx: events.done(tx, event))
            return
        content = Content(body, attributes, {"SenderId": f"{ended.function.account}:{ended.function.name}"})
        if not await self._store.write(lambda tx: _bury(tx, event, target, content)):
            log.warning("the dead letter of function %s did not reach %s: no such queue, or too small", ended.function.name, target)


def _bury(tx: Transaction, event: Event, queue_arn: str, content: Content) -> bool:
    """Move an event into a dead-letter queue; False if there is none that takes it."""
    events.done(tx, event)
    queue = by_arn(tx, queue_arn)
    fits = queue is not None and content.size <= queue.number("MaximumMessageSize")
    if queue is not None and fits:
        mailbox.send(tx, queue, content)
    return fits
