"""The programs that these tests run, and how."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
AWS_CLI = Path(sys.prefix, "awscli", "bin", "aws")
NODE_MODULES = HERE / "js" / "node_modules"
PATIENCE = 120
"""Seconds that a client's program may take."""


@dataclass(frozen=True)
class Clients:
    """boto3's clients, as a program gets them that knows nothing of this server: `boto.s3`, `boto.sqs` and so on."""

    session: Any

    def __getattr__(self, service: str) -> Any:
        return self.session.client(service)


def left_over(boto: Clients) -> dict[str, list[Any]]:
    """What an account still holds, by kind; kinds of which nothing is there are left out."""
    held = {
        "buckets": boto.s3.list_buckets()["Buckets"],
        "topics": boto.sns.list_topics()["Topics"],
        "subscriptions": boto.sns.list_subscriptions()["Subscriptions"],
        "queues": boto.sqs.list_queues().get("QueueUrls", []),
        "roles": boto.iam.list_roles()["Roles"],
        "policies": boto.iam.list_policies(Scope="Local")["Policies"],
    }
    return {kind: things for kind, things in held.items() if things}


def run_client(*command: str | Path, cwd: Path | None = None, patience: float = PATIENCE, **environment: str) -> str:
    """Run a client's program to its end; returns what it printed."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=cwd,
        timeout=patience,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{shlex.join(str(part) for part in command)} ended with status {done.returncode}:\n{done.stdout}"
    return done.stdout
