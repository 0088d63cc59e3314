"""How much memory processes take, seen from outside."""

from __future__ import annotations

import psutil

MEGABYTE = 1e6


def resident(process: psutil.Process) -> float:
    """Resident megabytes of a process."""
    return float(process.memory_info().rss) / MEGABYTE
