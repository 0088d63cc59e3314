"""Real, unmodified AWS clients against a real `openrek serve`; `make clients` installs them and runs these tests.

The environment of every client is what the server told to export, and nothing else of AWS.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from running_clients import AWS_CLI, NODE_MODULES, PATIENCE, Clients, left_over

from openrek.cli.reel import make_reel


def pytest_report_header() -> list[str]:
    versions = [f"boto3 {boto3.__version__}"]
    if AWS_CLI.exists():
        versions += _output(AWS_CLI, "--version").split()[:1]
    if NODE_MODULES.exists():
        package = json.loads((NODE_MODULES / "@aws-sdk" / "client-s3" / "package.json").read_text("utf-8"))
        versions += [f"@aws-sdk/client-s3 {package['version']}", f"node {_output('node', '--version').strip()}"]
    return [f"clients: {', '.join(versions)}"]


def _output(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


@pytest.fixture(scope="session", autouse=True)
def _exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server, and an environment in which clients find it by the lines that it printed."""
    folder = tmp_path_factory.mktemp("server")
    log = folder / "server.log"
    command = [sys.executable, "-m", "openrek.cli.app", "serve", "--port", "0", "--data", str(folder / "data")]
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("AWS_", "BOTO_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("HOME", str(folder))  # no ~/.aws
        with log.open("wb") as messages, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=messages, text=True) as server:
            try:
                assert server.stdout is not None
                for line in server.stdout:
                    verb, assignment = shlex.split(line)
                    assert verb == "export"
                    name, _, value = assignment.partition("=")
                    patch.setenv(name, value)
                    if name == "AWS_SECRET_ACCESS_KEY":
                        break
                else:
                    pytest.fail(f"openrek serve did not start:\n{log.read_text('utf-8')}")
                yield
            finally:
                server.terminate()
        logged = log.read_text("utf-8")
        assert server.returncode == 0, logged
        assert not [line for line in logged.splitlines() if " ERROR " in line or " WARNING " in line or "Traceback" in line], logged


@pytest.fixture(scope="session")
def boto(_exports: None) -> Clients:
    return Clients(boto3.session.Session())


@pytest.fixture(autouse=True)
def _everything_is_cleaned_up(boto: Clients) -> Iterator[None]:
    before = left_over(boto)
    yield
    assert left_over(boto) == before


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's reel: 21 s in which a person, a cat and a cup are seen."""
    path = tmp_path_factory.mktemp("video") / "reel.mp4"
    make_reel(path)
    return path


@pytest.fixture
def uploaded(boto: Clients, video: Path) -> Iterator[tuple[str, str]]:
    """Bucket and key of the reel."""
    bucket, key = "footage", "reel.mp4"
    s3 = boto.s3
    s3.create_bucket(Bucket=bucket)
    s3.upload_file(str(video), bucket, key)
    yield bucket, key
    s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_bucket(Bucket=bucket)
