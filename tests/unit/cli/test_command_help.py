"""What the command says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from openrek import __version__
from openrek.cli.app import app
from openrek.cli.serve import exports
from openrek.settings import Settings


def commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for below, each in getattr(command, "commands", {}).items():
        yield from commands(f"{name} {below}", each)


COMMANDS = dict(commands("", get_command(app)))


def test_all_commands_are_there() -> None:
    assert {name.strip() for name in COMMANDS} >= {
        *("", "serve", "analyze", "demo", "doctor"),
        *("models", "models list", "models pull", "models verify", "jobs", "jobs list", "jobs show"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_each_does_and_takes(name: str, openrek: Any) -> None:
    command = COMMANDS[name]
    done = openrek(*name.split(), "--help")
    assert (done.status, done.err) == (0, "")
    shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.out).split())
    assert command.help.split("\n")[0] in shown
    for parameter in command.params:
        assert parameter.help, f"{name} says nothing of {parameter.name}"
        assert " ".join(parameter.help.split()) in shown
    for below in getattr(command, "commands", {}).values():
        assert below.help.split("\n")[0].rstrip(".") in shown


def test_without_a_command_it_shows_its_help(openrek: Any) -> None:
    done = openrek()
    assert "analyze" in done.out + done.err
    assert "Traceback" not in done.err


def test_the_version(openrek: Any) -> None:
    assert openrek("--version").out == f"{__version__}\n"


def test_lines_to_export() -> None:
    settings = Settings(data=Path("data"), region="eu-west-1", access_key_id="AKIDEXAMPLE", secret_access_key="secret/key+")
    assert exports(settings, "http://127.0.0.1:4599") == [
        "export AWS_ENDPOINT_URL=http://127.0.0.1:4599",
        "export AWS_DEFAULT_REGION=eu-west-1",
        "export AWS_REGION=eu-west-1",
        "export AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
        "export AWS_SECRET_ACCESS_KEY=secret/key+",
    ]


def test_what_a_shell_would_read_otherwise_is_quoted() -> None:
    settings = Settings(data=Path("data"), secret_access_key="it's $(a secret)")
    assert exports(settings, "http://[::1]:1")[-1] == """export AWS_SECRET_ACCESS_KEY='it'"'"'s $(a secret)'"""
