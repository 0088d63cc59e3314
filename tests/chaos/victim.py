"""The product's processes, ready to be struck: `victim.py server FOLDER PORT`, `victim.py worker FOLDER`, `victim.py child FOLDER …`.

Each wraps what `victim_steps` names and runs the product's own main function. They start each other, as the product's processes do.
FOLDER is shared by all of them: plans, and what they tell of themselves.
"""

from __future__ import annotations

import functools
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from victim_features import add_features, misbehave
from victim_steps import main_is_struck, wrap_server, wrap_worker

ROWS_OF_A_BLOCK = 20
"""So that a small job has many blocks, and many pages."""


def server(folder: Path, port: int) -> None:
    from openrek.log import configure
    from openrek.server import app, supervisor
    from openrek.settings import Settings

    wrap_server(main_is_struck("server", folder))
    shorten()
    add_features()
    supervisor.FIRST_PAUSE = supervisor.LONGEST_PAUSE = 0.2
    app.Supervisor = functools.partial(supervisor.Supervisor, command=(sys.executable, __file__, "worker", str(folder)))  # type: ignore[attr-defined, misc, assignment]
    settings = Settings(data=folder / "data", host="127.0.0.1", port=port)
    configure(settings.log_level)
    app.run(settings, ready=lambda url: print(url, flush=True))


def worker(folder: Path) -> None:
    from openrek.engine import pool
    from openrek.server.worker import main

    wrap_worker(main_is_struck("worker", folder))
    shorten()
    add_features()

    def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        assert command[1:3] == ["-m", "openrek.engine.child"]
        return subprocess.Popen([sys.executable, __file__, "child", str(folder), *command[3:]], **options)

    pool.subprocess = SimpleNamespace(Popen=start, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired)  # type: ignore[assignment]
    main()


def child(folder: Path, *arguments: str) -> None:
    misbehave(folder)
    sys.argv = ["openrek.engine.child", *arguments]
    runpy.run_module("openrek.engine.child", run_name="__main__", alter_sys=True)


def shorten() -> None:
    """What takes its time in the product, but not in a test."""
    from openrek.jobs import results

    results.BLOCK_ROWS = ROWS_OF_A_BLOCK


if __name__ == "__main__":
    role, folder, *rest = sys.argv[1:]
    match role:
        case "server":
            server(Path(folder), int(rest[0]))
        case "worker":
            worker(Path(folder))
        case "child":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            child(Path(folder), *rest)
