"""What a function's process runs: AWS's runtime client, against the address that the environment names.

Started as a script, in an environment of its own. It dies with the server, and leaves no core dumps.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_MEGABYTE = 1024 * 1024
_MARGIN = 2048 * _MEGABYTE
"""What a process may ask for beyond its memory: the server measures what it uses, and is given the time to."""


def confine(parent: int, megabytes: int, scratch: int) -> None:
    """Set limits that the kernel keeps."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for limit, size in ((resource.RLIMIT_DATA, megabytes * _MEGABYTE + _MARGIN), (resource.RLIMIT_FSIZE, scratch * _MEGABYTE)):
        with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
            resource.setrlimit(limit, (size, size))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the server has gone")


def run() -> None:
    """Take events until the process is ended."""
    from awslambdaric import bootstrap
    from awslambdaric.lambda_config import LambdaConfigProvider
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

    handler = os.environ["_HANDLER"]
    config = LambdaConfigProvider([__file__, handler])
    address, _, folder = config.api_address.partition("/")

    class Client(LambdaRuntimeClient):  # type: ignore[misc]  # awslambdaric has no types
        """Reports errors of the start below our folder too; for all else the address with its folder is good enough."""

        def call_rapid(self, http_method: str, endpoint: str, *args: Any, **others: Any) -> None:
            super().call_rapid(http_method, f"/{folder}{endpoint}", *args, **others)

    # Log records travel through the same pipe as what is printed, framed, so that their order is kept and their lines stay together.
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(os.dup(1))
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    bootstrap.run(handler, Client(address, config.use_thread_polling))


if __name__ == "__main__":
    confine(*(int(argument) for argument in sys.argv[1:]))
    run()
