"""One process of a function: started, given one event after another, measured, and ended.

starting ──asks for the first event──▶ running ──answers──▶ idle (its processes stand still) ──next event──▶ running
    │                                     │                   │
    └── breaks, is too slow ──▶ ended ◀── crashes, takes too long, uses too much memory; nobody needs it any more
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from openrek.localaws.functions import boot, processes
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.environment import environment, runtime_version
from openrek.localaws.functions.journal import Journal
from openrek.localaws.functions.names import version
from openrek.localaws.functions.output import Output
from openrek.localaws.store import Store

log = logging.getLogger(__name__)

LARGEST_ANSWER = 6_291_556
START_SECONDS = 20.0
"""What a process has to become ready, beyond the function's own timeout."""
RUNTIME_API = "AWS_LAMBDA_RUNTIME_API"
"""The variable by which the processes of a sandbox are known: its value ends with a secret."""
_MEGABYTE = 1024 * 1024
_LOOK_EVERY = 0.1
_LOOK_AT_CHILDREN = 5
_WRITE_EVERY = 10
_PIPE_READ = 65_536
_PIPE_HOLDS = 16
_FLUSH_AT = 1024 * 1024
_TIMEOUT = "timeout"
_SIGNALS = {
    signal.SIGKILL: "killed",
    signal.SIGTERM: "terminated",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGXFSZ: "file size limit exceeded",
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event on its way to a function.

    Attributes
    ----------
    arn
        By which the function was invoked.
    client_context
        JSON, if there is one.
    """

    request_id: str
    arn: str
    payload: bytes
    client_context: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended.

    Attributes
    ----------
    payload
        What the function returned, or the error as JSON.
    failed
        Whether it is an error.
    tail
        The last of the log.
    """

    payload: bytes
    failed: bool
    tail: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """What all sandboxes of a server share.

    Attributes
    ----------
    runtime_api
        Host, port and folder of the runtime API, without a secret.
    endpoint
        The server's address.
    scratch
        Folder of the folders for temporary files.
    """

    store: Store
    runtime_api: str
    endpoint: str
    scratch: Path


class StaleSandboxError(Exception):
    """The process had ended by itself since its last event; it has not seen this one."""


class Run:
    """An invocation in a sandbox, until it is answered."""

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self.answer: asyncio.Future[tuple[bytes, bool]] = asyncio.get_running_loop().create_future()
        self.began: float | None = None
        self.status = ""
        self.deadline = 0
        self._timer: asyncio.TimerHandle | None = None

    def settle(self, payload: bytes, *, failed: bool, status: str = "") -> bool:
        """Take the answer; False if there has been one."""
        if self.answer.done():
            return False
        self.status = status
        self.answer.set_result((payload, failed))
        return True

    def limit(self, seconds: float, late: Callable[[], None]) -> None:
        """Have `late` called if there is no answer in time. The limit before is void."""
        self.unlimited()
        self._timer = asyncio.get_running_loop().call_later(seconds, late)

    def unlimited(self) -> None:
        """There is no limit any more."""
        if self._timer is not None:
            self._timer.cancel()


class Sandbox:
    """One process of a function.

    Attributes
    ----------
    function
        As it was when the process was started.
    secret
        By which the process is known to the runtime API.
    born, idle_since
        On the monotonic clock.
    retired
        Whether it gets no further events.
    """

    def __init__(self, function: Function, site: Site) -> None:
        self.function = function
        self.secret = secrets.token_urlsafe(24)
        self.born = self.idle_since = time.monotonic()
        self.retired = False
        self._site = site
        self._journal = Journal(site.store, function)
        self._output = Output(site.store.clock.now)
        self._scratch = site.scratch / self.secret
        self._process: asyncio.subprocess.Process | None = None
        self._pipe = -1
        self._relief: asyncio.Task[None] | None = None
        self._run: Run | None = None
        self._wanted = asyncio.Event()
        self._polled = False
        self._used = False
        self._peak = 0
        self._over_memory = False
        self._ended = asyncio.Event()
        self._waiting: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can take another event."""
        return self._process is not None and self._process.returncode is None and not self._ended.is_set()

    async def start(self, code: Path, keys: Mapping[str, str]) -> None:
        """Start the process.

        Parameters
        ----------
        code
            Folder of the unpacked package.
        keys
            Credentials, as variables.

        Raises
        ------
        OSError
            The system has no room for one more.
        """
        self._scratch.mkdir(parents=True)
        site, configuration = self._site, self.function.configuration
        variables = environment(
            self.function,
            code=code,
            scratch=self._scratch,
            stream=self._journal.stream,
            runtime_api=f"{site.runtime_api}/{self.secret}",
            endpoint=site.endpoint,
            keys=keys,
        )
        self._pipe, output = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", boot.__file__),
                *(str(number) for number in (os.getpid(), configuration.memory, configuration.scratch)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=code,
                env=variables,
                start_new_session=True,
            )
        finally:
            os.close(output)
            if self._process is None:
                os.close(self._pipe)
                shutil.rmtree(self._scratch, ignore_errors=True)
        self._journal.say(
            f"INIT_START Runtime Version: {runtime_version()}\tRuntime Version ARN: openrek:runtime:{configuration.runtime}\n"
        )
        asyncio.get_running_loop().add_reader(self._pipe, self._readable)
        self._waiting = asyncio.create_task(self._wait(self._process))

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Have the function take an event, while it has no other. What it printed is on disk afterwards."""
        run = self._run = Run(invocation)
        self._journal.begin()
        self._peak = 0
        timeout = self.function.configuration.timeout
        run.limit(START_SECONDS + timeout, lambda: self._late(run))
        if self._process is not None:
            processes.thaw(self._process.pid)
        self._wanted.set()
        if not self.alive:
            self._gone(run)
        measuring = asyncio.create_task(self._measure())
        try:
            payload, failed = await run.answer
            if run.status:
                await self._ended.wait()
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            measuring.cancel()
            run.unlimited()
            self._run = None
        self._drain()
        self._journal.add(self._output.end())
        self._report(run)
        self.idle_since = time.monotonic()
        await self._write()
        return Outcome(payload, failed, self._journal.tail)

    def kill(self) -> None:
        """End the process and all that it has started."""
        if self._process is not None and self._process.returncode is None:
            processes.kill(self._process.pid)

    async def close(self) -> None:
        """End the process, and wait until nothing is left of it."""
        self.kill()
        if self._waiting is not None:
            await self._waiting

    # For the runtime API, by which the process speaks.

    async def next(self) -> Run | None:
        """The next event, once there is one; None if a second process asks."""
        if self._polled:
            return None
        self._polled = True
        try:
            if not self._wanted.is_set() and self._process is not None:
                processes.freeze(self._process.pid)
            await self._wanted.wait()
        finally:
            self._polled = False
        self._wanted.clear()
        run = self._run
        if run is None or run.answer.done():
            return None
        if run.began is None:  # it may ask again, if it lost the connection
            timeout = self.function.configuration.timeout
            self._begin(run)
            run.deadline = self._site.store.clock.now() + timeout * 1000
            run.limit(timeout, lambda: self._late(run))
        return run

    def answer(self, request_id: str, payload: bytes, *, failed: bool) -> bool:
        """The function has answered; False if nobody waits for that."""
        run = self._run
        return run is not None and run.invocation.request_id == request_id and run.settle(payload, failed=failed)

    def answer_too_large(self, request_id: str) -> None:
        """The function has answered more than anybody can take."""
        told = f"Response payload size exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes)."
        self.answer(request_id, _error("Function.ResponseSizeTooLarge", told), failed=True)

    def fail_start(self, payload: bytes) -> None:
        """The function could not be loaded."""
        if self._run is not None:
            self._run.settle(payload, failed=True, status="Runtime.InitError")
        self.kill()

    # What happens beside.

    def _late(self, run: Run) -> None:
        timeout = self.function.configuration.timeout
        told = f"Task timed out after {timeout}.00 seconds"
        if run.settle(_failure("Sandbox.Timedout", run, told), failed=True, status=_TIMEOUT):
            day = datetime.fromtimestamp(self._site.store.clock.now() / 1000, UTC)
            self._journal.say(f"{day:%Y-%m-%dT%H:%M:%S}.{day.microsecond // 1000:03d}Z {run.invocation.request_id} {told}\n\n")
            self.kill()

    def _gone(self, run: Run) -> None:
        code = self._process.returncode if self._process is not None else None
        if self._used and run.began is None and not run.answer.done():
            run.answer.set_exception(StaleSandboxError())
            return
        how = "" if code is None else f"exit status {code}" if code >= 0 else f"signal: {_signal_name(-code)}"
        told = f"Runtime exited with error: {how}" if code else "Runtime exited without providing a reason"
        kind = "Runtime.OutOfMemory" if self._over_memory else "Runtime.ExitError"
        if run.settle(_failure(kind, run, told), failed=True, status=kind):
            self._journal.say(f"RequestId: {run.invocation.request_id} Error: {told}\n{kind}\n")

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        """See to the end of the process."""
        await process.wait()
        # What it had started may have left its group; and the group's number may be somebody else's by now.
        await asyncio.to_thread(processes.kill_marked, RUNTIME_API, f"{self._site.runtime_api}/{self.secret}")
        self._drain()
        asyncio.get_running_loop().remove_reader(self._pipe)
        os.close(self._pipe)
        self._pipe = -1
        self._journal.add(self._output.end())
        if self._run is not None:
            self._gone(self._run)
        self._ended.set()
        self._wanted.set()
        await self._write()
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    async def _measure(self) -> None:
        """Look at the memory, and end what uses more than it may; write the log now and then."""
        most, looks = self.function.configuration.memory * _MEGABYTE, 0
        while self._process is not None and self.alive:
            looks += 1
            if looks % _LOOK_AT_CHILDREN:
                used = processes.memory(self._process.pid)
            else:
                used = await asyncio.to_thread(processes.memory_of_all, self._process.pid)
            self._peak = max(self._peak, used)
            if used > most:
                self._over_memory = True
                self.kill()
            if looks % _WRITE_EVERY == 0:
                # Whoever follows the log sees what a function prints while it runs. Begun, a write is not given up.
                self._writing = asyncio.create_task(self._write())
                await asyncio.shield(self._writing)
            await asyncio.sleep(_LOOK_EVERY)

    def _readable(self) -> None:
        self._read()
        if self._journal.size > _FLUSH_AT and self._relief is None:
            # Who prints faster than the disk writes waits.
            asyncio.get_running_loop().remove_reader(self._pipe)
            self._relief = asyncio.create_task(self._relieve())

    async def _relieve(self) -> None:
        await self._write()
        self._relief = None
        if self._pipe >= 0:
            asyncio.get_running_loop().add_reader(self._pipe, self._readable)

    def _drain(self) -> None:
        """Read what was printed until now: what a pipe holds, and no more, for somebody may go on printing."""
        for _ in range(_PIPE_HOLDS):
            if not self._read():
                return

    def _read(self) -> bool:
        """Read once; False if there was nothing."""
        if self._pipe < 0:
            return False
        try:
            data = os.read(self._pipe, _PIPE_READ)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._pipe)
        self._journal.add(self._output.feed(data))
        return bool(data)

    def _begin(self, run: Run) -> None:
        run.began = time.monotonic()
        self._journal.say(f"START RequestId: {run.invocation.request_id} Version: {version(self.function.number)}\n")

    def _report(self, run: Run) -> None:
        if run.began is None:
            self._begin(run)
            run.began = self.born
        milliseconds = (time.monotonic() - run.began) * 1000
        if self._process is not None and self.alive:
            self._peak = max(self._peak, processes.memory(self._process.pid))
        configuration, request_id = self.function.configuration, run.invocation.request_id
        told = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {math.ceil(milliseconds)} ms",
            f"Memory Size: {configuration.memory} MB",
            f"Max Memory Used: {math.ceil(self._peak / _MEGABYTE)} MB",
        ]
        if not self._used:
            told.append(f"Init Duration: {max(0.0, run.began - self.born) * 1000:.2f} ms")
        self._used = True
        if run.status:
            told.append("Status: timeout" if run.status == _TIMEOUT else f"Status: error\tError Type: {run.status}")
        self._journal.say(f"END RequestId: {request_id}\n")
        self._journal.say("\t".join(told) + "\t\n")

    async def _write(self) -> None:
        """Write the log; a full disk stops no function."""
        try:
            await self._journal.flush()
        except Exception:
            log.exception("the log of %s could not be written", self.function.name)


def _failure(kind: str, run: Run, told: str) -> bytes:
    return _error(kind, f"RequestId: {run.invocation.request_id} Error: {told}")


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}, separators=(",", ":")).encode()


def _signal_name(number: int) -> str:
    """As Go's runtime calls signals, which speaks for Lambda."""
    return _SIGNALS.get(signal.Signals(number)) or signal.Signals(number).name
