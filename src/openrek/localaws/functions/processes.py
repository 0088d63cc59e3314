"""Processes of functions, with whatever they have started: how much memory they use, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import psutil

_ROUNDS = 5


def memory(pid: int) -> int:
    """Bytes of memory that a process uses."""
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def memory_of_all(pid: int) -> int:
    """Bytes of memory that a process and all that it has started use. Pages that they share count once."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        started = process.children(recursive=True)
        if started:
            return sum(_share(one) for one in (process, *started))
    return memory(pid)


def freeze(pid: int) -> None:
    """Let a group of processes wait."""
    _signal(pid, signal.SIGSTOP)


def thaw(pid: int) -> None:
    """Let a group of processes go on."""
    _signal(pid, signal.SIGCONT)


def kill(pid: int) -> None:
    """End a group of processes, whose leader has not been waited for."""
    _signal(pid, signal.SIGKILL)


def kill_marked(name: str, start: str) -> int:
    """End all processes that carry a mark, and return how many there were; those too that left the group of whoever started them.

    Parameters
    ----------
    name, start
        Of a variable of their environment, and how its value begins.
    """
    ended = 0
    for _ in range(_ROUNDS):  # one may have started another one meanwhile
        found = list(_marked(name, start))
        if not found:
            break
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
                ended += 1
        psutil.wait_procs(found, timeout=1)
    return ended


def _marked(name: str, start: str) -> Iterator[psutil.Process]:
    own = os.getpid()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != own and process.environ().get(name, "").startswith(start) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _share(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.uss))
    return 0


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
