"""`openrek functions …` against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lambda_code import eventually
from typer.testing import CliRunner

from openrek.cli.app import app
from openrek.cli.functions import FunctionsError, zipped
from real_server import Server

CODE = """
import helper
def handler(event, context):
    print("told", helper.message(event))
    if event.get("break"):
        raise ValueError("broken")
    return {"got": event, "of": __import__("os").environ["KIND"]}
"""
HELPER = "def message(event):\n    return event['Records'][0]['Sns']['Message'] if 'Records' in event else 'nothing'\n"


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_REGION", "us-east-1")

    def run(*arguments: str, code: int = 0, text: str | None = None) -> Any:
        result = CliRunner().invoke(app, ["functions", *arguments], input=text)
        if isinstance(result.exception, FunctionsError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def test_add_list_invoke_logs_remove(run: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "helper.py").write_text(HELPER)
    topic = server.client("sns").create_topic(Name="commands")["TopicArn"]
    added = run("add", "by-hand", f"{tmp_path / 'code.py'}:handler", "--topic", "commands", "--env", "KIND=first=1", "--folder")
    assert "added arn:aws:lambda:us-east-1:000000000000:function:by-hand" in added.stderr
    [listed] = [one for one in json.loads(run("list", "--json").stdout) if one["FunctionName"] == "by-hand"]
    assert (listed["Topics"], listed["Handler"], listed["Timeout"], listed["MemorySize"]) == ([topic], "code.handler", 60, 512)
    assert "by-hand" in run("list").stdout

    answer = run("invoke", "by-hand", '{"a": 1}')
    assert json.loads(answer.stdout) == {"got": {"a": 1}, "of": "first=1"}
    assert "told nothing" in answer.stderr
    assert json.loads(run("invoke", "by-hand", "-", text='{"b": 2}').stdout)["got"] == {"b": 2}
    broken = run("invoke", "by-hand", '{"break": true}', code=1)
    assert json.loads(broken.stdout)["errorType"] == "ValueError"

    again = run("add", "by-hand", f"{tmp_path / 'code.py'}:handler", "--env", "KIND=second", "--folder", "--memory", "256")
    assert "replaced arn:aws:lambda" in again.stderr
    assert json.loads(run("invoke", "by-hand").stdout) == {"got": {}, "of": "second"}

    server.client("sns").publish(TopicArn=topic, Message="news")
    eventually(lambda: "told news" in run("logs", "by-hand").stdout, "the news did not come")
    assert run("logs", "by-hand", "--since", "0").stdout == ""

    run("remove", "by-hand")
    assert server.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    with pytest.raises(FunctionsError, match="Function not found: arn:aws:lambda:us-east-1:000000000000:function:by-hand"):
        run("invoke", "by-hand")


def test_what_cannot_be_is_told(run: Any, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    for arguments in (["x", "no-colon"], ["x", f"{tmp_path / 'missing.py'}:handler"], ["x", f"{tmp_path / 'code.py'}:not a name"]):
        run("add", *arguments, code=2)
    run("add", "x", f"{tmp_path / 'code.py'}:handler", "--env", "novalue", code=2)
    run("invoke", "x", "no json", code=2)
    with pytest.raises(FunctionsError, match=r"No server answers at http://127.0.0.1:1. Start one: openrek serve."):
        run("list", "--endpoint", "http://127.0.0.1:1")


def test_the_same_files_make_the_same_package(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "code.pyc").write_text("")
    assert zipped(tmp_path / "code.py", whole=False) == zipped(tmp_path / "code.py", whole=True)


def test_the_log_is_followed_until_somebody_stops_it(run: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("def handler(event, context): print('told', event['n'])\n")
    run("add", "followed", f"{tmp_path / 'code.py'}:handler")
    environment = os.environ | {"AWS_ENDPOINT_URL": server.url, "PYTHONUNBUFFERED": "1"}
    # A suite that runs in the background has SIGINT ignored, and so would its children.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from openrek.cli.app import main; main()"
    command = [sys.executable, "-c", program, "functions", "logs", "followed", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        for number in (1, 2):
            run("invoke", "followed", f'{{"n": {number}}}')
            while not (line := process.stdout.readline()).endswith(f" told {number}\n"):
                assert line
                assert " told " not in line
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
