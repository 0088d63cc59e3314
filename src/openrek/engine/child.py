"""The process that touches a stranger's bytes: it probes, decodes and infers, and has nothing that is worth stealing.

It is started with an environment of its own, inherits one socket and nothing else, and dies with its parent. Where the kernel allows, it
has no network.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
import time
from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

ALIVE_EVERY = 0.5
"""Seconds between two signs of life."""


def confine(parent: int) -> bool:
    """Give up what a reader of videos does not need; whether a network is still within reach."""
    network = True
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        network = all(libc.unshare(flags) != 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))
    if os.getppid() != parent:
        sys.exit("the parent has gone")
    return network


def serve(connection: Connection, network: bool) -> None:
    """Answer tasks until the parent hangs up."""
    import cv2

    from openrek.engine import messages
    from openrek.engine.observe import Observatory

    cv2.setNumThreads(1)

    last = 0.0

    def alive() -> None:
        nonlocal last
        if time.monotonic() - last > ALIVE_EVERY:
            last = time.monotonic()
            messages.send_alive(connection)

    with Observatory() as observatory:
        messages.send_greeting(connection, network)
        while True:
            try:
                task, places = pickle.loads(connection.recv_bytes())  # noqa: S301 - it comes from the parent
            except EOFError:
                return
            try:
                if observatory.lacks(task):
                    messages.send_loading(connection)
                    observatory.load(task, places)
                    messages.send_alive(connection)
                answer = observatory.answer(task, places, alive)
            except Exception as error:
                messages.send_failure(connection, error)
            else:
                messages.send_answer(connection, answer)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])), confine(int(sys.argv[2])))
