"""Calls of operations: coroutines on the event loop until the client hangs up, plain functions in threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Mapping
from typing import Any

from anyio import CapacityLimiter, to_thread

from openrek.awsmodel.calls import Operation, Params
from openrek.errors import ClientGoneError
from openrek.wire.bodies import BodyStream
from openrek.wire.exchange import Exchange


class Callers:
    """The operations of all services, and the threads for those that block.

    Parameters
    ----------
    services
        Operations by service and name.
    threads
        Plain functions that run at once. Long polls are coroutines, so they hold none.
    """

    def __init__(self, services: Mapping[str, Mapping[str, Operation]], threads: int) -> None:
        self._operations = {
            (service, name): (operation, _is_coroutine(operation))
            for service, operations in services.items()
            for name, operation in operations.items()
        }
        self._limiter = CapacityLimiter(threads)

    def has(self, service: str, name: str) -> bool:
        """Whether there is such an operation."""
        return (service, name) in self._operations

    async def call(self, exchange: Exchange) -> Params:
        """The operation's result.

        Raises
        ------
        ServiceError
            The operation says so.
        ClientGoneError
            The client hung up, and the operation was cancelled.
        """
        operation, is_coroutine = self._operations[exchange.service.name, exchange.match.operation.name]
        if is_coroutine:
            result: Any = operation(exchange.caller, exchange.params)
        else:
            result = await to_thread.run_sync(operation, exchange.caller, exchange.params, limiter=self._limiter)
        if not inspect.isawaitable(result):
            return dict(result or {})
        if exchange.stream.complete:
            return dict(await _until_gone(result, exchange.stream) or {})
        return dict(await result or {})  # it reads the stream itself, and learns there that the client is gone


async def _until_gone(result: Awaitable[Params], stream: BodyStream) -> Params:
    call = asyncio.ensure_future(result)
    gone = asyncio.ensure_future(stream.disconnected())
    try:
        await asyncio.wait({call, gone}, return_when=asyncio.FIRST_COMPLETED)
        if call.done():
            return call.result()
        call.cancel()
        await asyncio.wait({call})
        if not call.cancelled() and call.exception() is None:
            return call.result()
        raise ClientGoneError
    finally:
        call.cancel()
        gone.cancel()


def _is_coroutine(operation: Operation) -> bool:
    return inspect.iscoroutinefunction(operation) or inspect.iscoroutinefunction(type(operation).__call__)
