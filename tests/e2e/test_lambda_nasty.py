"""Functions that nobody would want, on a real server: each ends as Lambda says, and does no harm to anything else."""

from __future__ import annotations

import base64
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from lambda_code import create, eventually, invoke, log_lines

from real_server import PATIENCE, Server, serving

NASTY = """
import os, signal, sys, time

def handler(event, context):
    print("asked to", event["do"])
    return globals()[event["do"]](context)

def behave(context):
    return "fine"

def throw(context):
    raise LookupError("nothing here")

def oversleep(context):
    time.sleep(60)

def eat(context):
    held = []
    while True:
        held.append(b"x" * 10_000_000)

def eat_by_children(context):
    for _ in range(4):
        if os.fork() == 0:
            held = [os.urandom(1_000_000) for _ in range(70)]
            time.sleep(60)
    time.sleep(60)

def shout(context):
    print("x" * 1_000_000)
    return "hoarse"

def chatter(context):
    for number in range(20_000):
        print(f"line {number:06d} ........................................")
    return "done"

def stutter(context):
    for number in range(200_000):
        print()
    return "done"

def answer_too_much(context):
    return "x" * 7_000_000

def kill_itself(context):
    os.kill(os.getpid(), signal.SIGKILL)

def leave(context):
    os._exit(3)

def leave_politely(context):
    sys.exit(0)

def fork(context):
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(0.01)
    return "parent"

def fork_and_return_twice(context):
    os.fork()
    return "either"

def write_too_much(context):
    with open(os.path.join(os.environ["TMPDIR"], "large"), "wb") as file:
        for _ in range(600):
            file.write(bytes(1 << 20))

def print_binary(context):
    os.write(1, bytes(range(256)) * 20 + b"\\xa5\\x5a\\x00\\x03\\xff\\xff\\xff\\xff" + b"end\\n")
    return "odd"
"""


@pytest.fixture(scope="module")
def nasty(server: Server) -> str:
    create(server, "nasty", NASTY, Timeout=5, MemorySize=150)
    return "nasty"


def processes_of(name: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == name and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("throw", "LookupError", "nothing here"),
        ("oversleep", "Sandbox.Timedout", "Task timed out after 5.00 seconds"),
        ("eat", "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
        ("eat_by_children", "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
        ("kill_itself", "Runtime.ExitError", "Runtime exited with error: signal: killed"),
        ("leave", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("leave_politely", "Runtime.ExitError", "Runtime exited without providing a reason"),
        ("answer_too_much", "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size"),
        ("write_too_much", "OSError", "File too large"),
    ],
)
def test_what_goes_wrong_is_told_and_the_next_event_is_taken(server: Server, nasty: str, what: str, kind: str, message: str) -> None:
    error, failed = invoke(server, nasty, {"do": what})
    assert (failed, error["errorType"]) == ("Unhandled", kind)
    assert message in error["errorMessage"]
    assert invoke(server, nasty, {"do": "behave"}) == ("fine", None)


def test_a_megabyte_in_one_line(server: Server, nasty: str) -> None:
    assert invoke(server, nasty, {"do": "shout"}) == ("hoarse", None)
    assert sum(line.count("x") for line in log_lines(server, nasty) if line.startswith("xxx")) == 1_000_000


def test_a_megabyte_in_many_lines_in_their_order(server: Server, nasty: str) -> None:
    assert invoke(server, nasty, {"do": "chatter"}) == ("done", None)
    numbers = [int(line.split()[1]) for line in log_lines(server, nasty) if line.startswith("line ")]
    assert numbers == list(range(20_000))


def test_many_empty_lines_hold_up_nobody_else(server: Server) -> None:
    create(server, "stutters", NASTY)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(invoke, server, "stutters", {"do": "stutter"})
        longest = 0.0
        while not running.done():
            begun = time.monotonic()
            server.client("sqs").list_queues()
            server.client("sns").create_topic(Name="beside-stutter")
            longest = max(longest, time.monotonic() - begun)
        assert running.result(PATIENCE) == ("done", None)
    assert longest < 5


def test_bytes_that_are_no_text(server: Server, nasty: str) -> None:
    assert invoke(server, nasty, {"do": "print_binary"}) == ("odd", None)
    assert log_lines(server, nasty)[-3].endswith("end")


def test_the_tail_of_the_log_comes_with_the_answer(server: Server, nasty: str) -> None:
    answer = server.client("lambda").invoke(FunctionName=nasty, Payload=json.dumps({"do": "behave"}), LogType="Tail")
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    request = answer["ResponseMetadata"]["RequestId"]
    assert lines[:3] == [f"START RequestId: {request} Version: $LATEST", "asked to behave", f"END RequestId: {request}"]
    assert lines[3].startswith(f"REPORT RequestId: {request}\tDuration: ")
    assert "\tMemory Size: 150 MB\tMax Memory Used: " in lines[3]


def test_children_stand_still_with_the_function_and_end_with_it(server: Server) -> None:
    create(server, "forks", NASTY, Timeout=5)
    assert invoke(server, "forks", {"do": "fork"}) == ("parent", None)
    assert len(processes_of("forks")) == 2  # one has left the group
    # Both speak through the connection that they have in common, so nobody knows what the server hears; in the end one that behaves
    # gets its answer.
    functions = server.client("lambda", read_timeout=PATIENCE)

    def answer(what: str) -> bytes:
        return bytes(functions.invoke(FunctionName="forks", Payload=json.dumps({"do": what}))["Payload"].read())

    answer("fork_and_return_twice")
    eventually(lambda: answer("behave") == b'"fine"', "the function does not recover")
    functions.delete_function(FunctionName="forks")
    eventually(lambda: not processes_of("forks"), "processes of a deleted function are left")


def test_fifty_completions_at_once(server: Server) -> None:
    arn = create(server, "fifty", "def handler(event, context): print('got', event['Records'][0]['Sns']['Message'])", MemorySize=128)
    sns = server.client("sns")
    topic = sns.create_topic(Name="fifty")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    for ten in range(5):
        sns.publish_batch(
            TopicArn=topic, PublishBatchRequestEntries=[{"Id": str(one), "Message": f"{ten * 10 + one}"} for one in range(10)]
        )

    def got() -> list[str] | None:
        found = [line.removeprefix("got ") for line in log_lines(server, "fifty") if line.startswith("got ")]
        return found if len(found) >= 50 else None

    assert sorted(int(one) for one in eventually(got, "not all completions came")) == list(range(50))
    assert len(processes_of("fifty")) <= 16


def test_deletion_while_it_runs(server: Server) -> None:
    create(server, "doomed", "import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(3)\n    return 'to its end'")
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(invoke, server, "doomed")
        eventually(lambda: processes_of("doomed"), "the function did not start")
        functions = server.client("lambda")
        functions.delete_function(FunctionName="doomed")
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            functions.get_function(FunctionName="doomed")
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            functions.invoke(FunctionName="doomed", InvocationType="Event")
        assert running.result(PATIENCE) == ("to its end", None)
    assert "begun" in log_lines(server, "doomed")
    eventually(lambda: not processes_of("doomed"), "the process of a deleted function is left")


BUSY = """
import os, pathlib, time
def handler(event, context):
    marker = pathlib.Path(os.environ["MARKER"])
    if not marker.exists():
        marker.touch()
        time.sleep(50)
    print("ran on", context.aws_request_id)
"""


def test_kill_between_publication_and_invocation(tmp_path: Path) -> None:
    data, marker = tmp_path / "data", tmp_path / "marker"
    with serving(data, FUNCTIONS__CONCURRENCY="1") as server:
        busy = create(server, "busy", BUSY, Environment={"Variables": {"MARKER": str(marker)}})
        told = create(server, "told", "def handler(event, context): print('got', event['Records'][0]['Sns']['Message'])")
        sns = server.client("sns")
        topic = sns.create_topic(Name="killed")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=told)
        server.client("lambda").invoke(FunctionName=busy, InvocationType="Event")
        eventually(marker.exists, "the first function did not begin")
        sns.publish(TopicArn=topic, Message="survives")  # there is no room: it waits
        assert log_lines(server, "told") == []
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        eventually(lambda: not processes_of("busy"), "a function outlived its server", patience=10)
    with serving(data, FUNCTIONS__CONCURRENCY="1") as server:
        eventually(lambda: "got survives" in log_lines(server, "told"), "the event was lost")
        # What ran when the server died runs again, too.
        eventually(lambda: any(line.startswith("ran on") for line in log_lines(server, "busy")), "the running event was lost")
        assert not server.errors()


def test_an_orderly_stop_leaves_nothing_behind_and_is_quick(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with serving(tmp_path / "data") as server:
        create(server, "busy-stop", BUSY, Environment={"Variables": {"MARKER": str(marker)}})
        create(server, "idle-stop", "def handler(event, context): return 1")
        assert invoke(server, "idle-stop") == (1, None)
        server.client("lambda").invoke(FunctionName="busy-stop", InvocationType="Event")
        eventually(marker.exists, "the function did not begin")
        begun = time.monotonic()
        server.process.terminate()
        assert server.process.wait(30) == 0
        assert time.monotonic() - begun < 15
    assert not processes_of("busy-stop")
    assert not processes_of("idle-stop")
    assert not server.errors()
    with serving(tmp_path / "data") as server:
        eventually(lambda: any(line.startswith("ran on") for line in log_lines(server, "busy-stop")), "the event was lost")
