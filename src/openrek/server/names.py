"""What a server's workers are called, so that it knows its own."""

from __future__ import annotations

import os
import socket

from openrek.settings import Settings


def worker_prefix(settings: Settings) -> str:
    """How the names of all workers of a server begin."""
    return f"{socket.gethostname()}:{settings.data.absolute()}:"


def worker_name(settings: Settings) -> str:
    """The name of the worker that this process is."""
    return f"{worker_prefix(settings)}{os.getpid()}"
