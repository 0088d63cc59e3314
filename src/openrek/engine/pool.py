"""Children that read videos, seen from the parent: started, watched, limited, replaced."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import IO

import psutil

from openrek.engine import messages
from openrek.engine.tasks import Alive, ChunkAnswer, IndexAnswer, Places, Task
from openrek.errors import ChildCrashedError, ChildError, ChildStuckError, ChildUnfitError, ModelError, OpenrekError, VideoError

POLL = 0.25
"""Seconds between two looks at a child's memory and at whether its work is still wanted."""
GROWN = 0.7
"""The part of its memory limit from which on a child is replaced before the next task."""
_INHERITED = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass
class Child:
    """One process that answers one task at a time; started when it is first needed, and again after a crash or growth.

    Attributes
    ----------
    megabytes
        Resident memory that it may use.
    stuck_seconds
        How long it may show no progress.
    """

    megabytes: int
    stuck_seconds: float
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _connection: Connection | None = field(default=None, init=False)
    _files: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)
    _stderr: IO[bytes] | None = field(default=None, init=False)
    _greeting: messages.Greeting | None = field(default=None, init=False)
    _loading: bool = field(default=True, init=False)
    """It has not got as far as looking at a video."""

    @property
    def pid(self) -> int | None:
        """Process id, None while there is no process."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process, so that its libraries are loaded when the first task comes."""
        if self._process is not None:
            return
        ours, theirs = socket.socketpair()
        self._stderr = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - `close` closes it
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "openrek.engine.child", str(theirs.fileno()), str(os.getpid())],
            env=environment,
            cwd="/",  # its modules are looked for there first: not where anybody may write
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._connection = Connection(ours.detach())

    def greet(self) -> messages.Greeting:
        """Start the process if need be, and wait until it is ready.

        Raises
        ------
        ChildUnfitError
            It ended while it loaded its libraries, or takes too long.
        """
        self.start()
        assert self._connection is not None
        if self._greeting is None:
            try:
                if not self._connection.poll(self.stuck_seconds):
                    self.close()
                    raise ChildUnfitError(f"the process that reads videos did not start within {self.stuck_seconds:g} s.")
                self._greeting = messages.receive_greeting(self._connection)
                self._loading = False
            except (EOFError, ConnectionError) as error:
                raise self._crashed() from error
        return self._greeting

    def answer(self, task: Task, places: Places, alive: Alive) -> IndexAnswer | ChunkAnswer:
        """Have a task answered.

        Parameters
        ----------
        alive
            Called some times a second; an exception that it raises ends the child and the task.

        Raises
        ------
        ChildCrashedError
            The process ended, or used more memory than it may.
        ChildStuckError
            It showed no progress for too long.
        ChildUnfitError
            It did so before it looked at the video.
        VideoError, ModelError, ObservationError, ChildError
            What it raised.
        """
        if self._process is not None and self._process.poll() is not None:
            self.close()
        self.greet()
        assert self._connection is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                self._connection.send_bytes(pickle.dumps((task, places.absolute())))
            answer = self._wait(self._connection, task, alive)
        except (VideoError, ModelError):
            raise
        except OpenrekError:
            self.close()
            raise
        except (EOFError, OSError) as error:
            raise self._crashed() from error
        except BaseException:
            self.close()
            raise
        if self._resident() > GROWN * self.megabytes * 1_000_000:
            self.close()
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._connection is not None and self._stderr is not None:
            self._connection.close()
            self._process.kill()
            self._process.wait()
            self._files.close()
        self._process = self._connection = self._stderr = self._greeting = None
        self._loading = True

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, connection: Connection, task: Task, alive: Alive) -> IndexAnswer | ChunkAnswer:
        quiet = 0.0
        while True:
            began = time.monotonic()
            if connection.poll(POLL):
                message = self._receive(connection, task)
                if isinstance(message, IndexAnswer | ChunkAnswer):
                    return message
                self._loading = isinstance(message, messages.LoadingHeader)
                quiet = 0.0
            alive()
            if self._resident() > self.megabytes * 1_000_000:
                if self._loading:
                    raise ChildUnfitError(f"its networks take more than {self.megabytes} MB of memory (OPENREK_WORKER__CHILD_MEGABYTES).")
                raise ChildCrashedError(f"Reading the video took more than {self.megabytes} MB of memory.")
            # Time in which this process itself stood still, and the child perhaps with it, is not held against the child.
            quiet += min(time.monotonic() - began, 2 * POLL)
            if quiet > self.stuck_seconds:
                if self._loading:
                    raise ChildUnfitError(f"the networks were not ready after {self.stuck_seconds:g} s.")
                raise ChildStuckError(f"Reading the video made no progress for {self.stuck_seconds:g} s.")

    def _receive(self, connection: Connection, task: Task) -> IndexAnswer | ChunkAnswer | messages.AliveHeader | messages.LoadingHeader:
        try:
            return messages.receive(connection, task)
        except ModelError:
            raise
        except ChildError as error:
            if self._loading:
                raise ChildUnfitError(f"the networks cannot be loaded: {error.message.rstrip('.')}.") from error
            raise

    def _resident(self) -> int:
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def _crashed(self) -> ChildError:
        """What to raise when the process has gone."""
        if self._process is None or self._stderr is None:
            return ChildCrashedError("The process that reads the video was stopped.")
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = 0
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - 2000))
        last = self._stderr.read().decode(errors="replace").strip().splitlines()[-1:]
        loading = self._loading
        self.close()
        how = (f"by signal {-code}" if code < 0 else f"with status {code}") + (f": {last[0].rstrip('.')}" if last else "")
        if loading:
            return ChildUnfitError(f"the process that reads videos ended before it looked at one, {how}.")
        return ChildCrashedError(f"The process that reads the video ended {how}.")
