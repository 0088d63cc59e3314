"""The server's side of its worker process: started, woken, started again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
HEALTHY = 60.0
"""Seconds after which a worker that dies is started again without a pause."""
PATIENCE = 10.0
"""Seconds that a worker has to give back its jobs when the server stops."""

WORKER = (sys.executable, "-P", "-m", "openrek.server.worker")
"""Without the working directory among the places of modules: whatever lies there is no part of openrek."""


@dataclass
class Supervisor:
    """Keeps one worker process running.

    The worker reads its settings from the first line of its standard input; every further line wakes it, and the end of the input ends
    it, so that it never outlives the server. It writes a line whenever a job has ended.

    Attributes
    ----------
    settings
        The worker's settings as JSON on one line.
    died
        Called when the worker is gone, before it is started again: its claims end.
    ended
        Called when a job has ended.
    """

    settings: str
    died: Callable[[], None]
    ended: Callable[[], None]
    command: Sequence[str] = WORKER
    process: asyncio.subprocess.Process | None = field(default=None, init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)

    async def run(self) -> None:
        """Keep the worker running until this task is cancelled; then stop it."""
        pause = FIRST_PAUSE
        self._loop = loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                try:
                    await asyncio.to_thread(self.died)
                    code = await self._live()
                except Exception:
                    log.exception("the worker could not be started")
                else:
                    log.warning("the worker ended with status %s", code)
                if loop.time() - began > HEALTHY:
                    pause = FIRST_PAUSE
                log.info("the worker is started again in %.1f s", pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            await self._stop()

    def wake(self) -> None:
        """Tell the worker that there may be something to do; may be called from any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the server has stopped
                self._loop.call_soon_threadsafe(self._nudge)

    def _nudge(self) -> None:
        stdin = self.process.stdin if self.process is not None else None
        if stdin is None or stdin.is_closing() or stdin.transport.get_write_buffer_size():
            return  # it is gone, or has been told and did not read it yet
        stdin.write(b"\n")

    async def _live(self) -> int:
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(self.settings.encode() + b"\n")
            while await self.process.stdout.read(1024):
                self.ended()
            return await self.process.wait()
        except Exception:
            self.process.kill()  # there must never be two
            raise

    async def _stop(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), PATIENCE)
            return
        process.kill()
        await process.wait()
