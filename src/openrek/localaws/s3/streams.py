"""Bytes between the event loop and the disk, a megabyte at a time; hashing and writing run in threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, TypeVarTuple, Unpack

from anyio import to_thread

from openrek.awsmodel.calls import Upload
from openrek.localaws.s3.checksums import Digests, Promise
from openrek.localaws.s3.files import READ_BYTES, Draft, Scratch
from openrek.localaws.s3.records import Checksum

Arguments = TypeVarTuple("Arguments")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Received:
    """A body that has arrived, and is what the client said.

    Attributes
    ----------
    draft
        Its bytes, not yet on the disk for good.
    digests
        Of the bytes.
    checksum
        The one that the client chose.
    """

    draft: Draft
    digests: Digests
    checksum: Checksum


class FileDownload:
    """A range of an open file as the body of a reply; closes the file at its end."""

    def __init__(self, descriptor: int, offset: int, length: int) -> None:
        self.length = length
        self._descriptor = descriptor
        self._offset = offset

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes, once.

        Raises
        ------
        EOFError
            The file has been cut short.
        """
        left, offset = self.length, self._offset
        try:
            while left:
                block = await in_thread(os.pread, self._descriptor, min(left, READ_BYTES), offset)
                if not block:
                    raise EOFError(f"{left} bytes are missing")
                left -= len(block)
                offset += len(block)
                yield block
        finally:
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()


@asynccontextmanager
async def receive(scratch: Scratch, params: Mapping[str, Any], algorithms: Iterable[str] = ()) -> AsyncIterator[Received]:
    """Take the body of a request; what is not renamed meanwhile is gone afterwards.

    Parameters
    ----------
    params
        Body, and what the client says of it.
    algorithms
        Checksums that are wanted beside the one that the client chose.

    Raises
    ------
    ServiceError
        The body is not what the client said.
    """
    promise = Promise.of(params)
    body: Upload = params["Body"]
    digests = Digests({*algorithms, *([promise.algorithm] if promise.algorithm else [])})
    draft = await in_thread(scratch.draft)

    def take(block: bytearray) -> None:
        digests.update(block)
        draft.write(block)

    try:
        await _pour(body, take)
        checksum = await in_thread(promise.keep, digests, body.trailers, draft.blocks())
        yield Received(draft, digests, checksum)
    finally:
        await in_thread(draft.close)


async def in_thread(function: Callable[[Unpack[Arguments]], T], *arguments: *Arguments) -> T:
    """Run something that blocks. A cancelled caller still waits for its end, so that nothing is closed under its hands."""
    task = asyncio.ensure_future(to_thread.run_sync(function, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise


async def _pour(body: Upload, take: Callable[[bytearray], None]) -> None:
    """Hand on a body in large blocks; the next one is received while the last is being taken."""
    block = bytearray()
    taking: asyncio.Task[None] | None = None
    try:
        async for piece in body:
            block += piece
            if len(block) >= READ_BYTES:
                if taking is not None:
                    await taking
                taking, block = asyncio.ensure_future(in_thread(take, block)), bytearray()
        if taking is not None:
            await taking
        if block:
            await in_thread(take, block)
    finally:
        if taking is not None and not taking.done():
            await asyncio.wait({taking})
        if taking is not None and not taking.cancelled():
            taking.exception()
