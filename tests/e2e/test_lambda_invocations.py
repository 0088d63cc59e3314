"""What a function finds around it, on a real server: its environment, its context, AWS's services, its logs, its own past."""

from __future__ import annotations

import base64
import json

import psutil
import pytest
from lambda_code import create, eventually, invoke, log_lines, zipped

from real_server import ROLE, Server

LOOKS = """
import json, logging, os, sys, tempfile
import boto3

count = 0

def handler(event, context):
    global count
    count += 1
    logging.getLogger().warning("a record of %s", context.function_name)
    with open(os.path.join(tempfile.gettempdir(), "file"), "w") as file:
        file.write("scratch")
    return {
        "count": count,
        "pid": os.getpid(),
        "identity": boto3.client("sts").get_caller_identity()["Arn"],
        "buckets": "Buckets" in boto3.client("s3").list_buckets(),
        "left": context.get_remaining_time_in_millis(),
        "context": [context.function_name, context.function_version, context.memory_limit_in_mb, context.invoked_function_arn],
        "logs": [context.log_group_name, context.log_stream_name],
        "client": context.client_context and context.client_context.custom,
        "environment": {name: os.environ.get(name) for name in ("OWN", "AWS_REGION", "AWS_EXECUTION_ENV", "_HANDLER", "OPENREK_MODELS")},
        "scratch": tempfile.gettempdir(),
        "folder": os.getcwd() == os.environ["LAMBDA_TASK_ROOT"],
        "event": event,
    }
"""


def test_what_a_function_sees(server: Server) -> None:
    arn = create(server, "looks", LOOKS, Timeout=30, MemorySize=256, Environment={"Variables": {"OWN": "värde"}})
    context = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
    seen, failed = invoke(server, "looks", {"ü": [1, None]}, ClientContext=context)
    assert failed is None
    assert seen["identity"] == "arn:aws:sts::000000000000:assumed-role/role/looks"
    assert seen["buckets"]
    assert 20_000 < seen["left"] <= 30_000
    assert seen["context"] == ["looks", "$LATEST", "256", arn]
    assert seen["logs"][0] == "/aws/lambda/looks"
    assert seen["client"] == {"a": "b"}
    assert seen["environment"] == {
        "OWN": "värde",
        "AWS_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "_HANDLER": "code_of.handler",
        "OPENREK_MODELS": None,
    }
    assert seen["folder"]
    assert seen["event"] == {"ü": [1, None]}
    streams = server.client("logs").describe_log_streams(logGroupName="/aws/lambda/looks")["logStreams"]
    assert seen["logs"][1] in {stream["logStreamName"] for stream in streams}
    assert any(line.startswith("[WARNING]\t") and line.endswith("\ta record of looks") for line in log_lines(server, "looks"))


def test_a_warm_process_stands_still_and_a_change_makes_a_new_one(server: Server) -> None:
    create(server, "warm", LOOKS, Timeout=30)
    first, _ = invoke(server, "warm")
    eventually(lambda: psutil.Process(first["pid"]).status() == psutil.STATUS_STOPPED, "the idle process goes on")
    second, _ = invoke(server, "warm")
    assert (second["pid"], second["count"]) == (first["pid"], 2)
    server.client("lambda").update_function_configuration(FunctionName="warm", Environment={"Variables": {"OWN": "new"}})
    third, _ = invoke(server, "warm")
    assert (third["count"], third["environment"]["OWN"]) == (1, "new")
    assert third["scratch"] != first["scratch"]
    eventually(lambda: not psutil.pid_exists(first["pid"]), "the process of the old function is left")


@pytest.mark.parametrize(
    ("code", "handler", "kind"),
    [
        ("import nowhere", "code_of.handler", "Runtime.ImportModuleError"),
        ("def handler(: pass", "code_of.handler", "Runtime.UserCodeSyntaxError"),
        ("x = 1", "code_of.handler", "Runtime.HandlerNotFound"),
        ("raise RuntimeError('at import')", "code_of.handler", "RuntimeError"),
        ("import os; os._exit(7)", "code_of.handler", "Runtime.ExitError"),
        ("def handler(e, c): return object()", "code_of.handler", "Runtime.MarshalError"),
        ("def handler(e, c): pass", "missing.handler", "Runtime.ImportModuleError"),
    ],
)
def test_code_that_cannot_start_is_told(server: Server, code: str, handler: str, kind: str) -> None:
    name = f"broken-{abs(hash((code, handler)))}"
    create(server, name, code, handler)
    error, failed = invoke(server, name)
    assert (failed, error["errorType"]) == ("Unhandled", kind)
    server.client("lambda").delete_function(FunctionName=name)


def test_logs_as_json(server: Server) -> None:
    code = "import logging\ndef handler(event, context):\n    logging.getLogger().info('seen')\n    logging.getLogger().debug('unseen')"
    create(server, "as-json", code, LoggingConfig={"LogFormat": "JSON", "LogGroup": "/my/group"})
    assert invoke(server, "as-json") == (None, None)
    events = server.client("logs").filter_log_events(logGroupIdentifier="/my/group", interleaved=True)["events"]
    [record] = [json.loads(one["message"]) for one in events if one["message"].startswith("{")]
    assert (record["level"], record["message"]) == ("INFO", "seen")


def test_the_log_can_be_followed_while_a_function_runs(server: Server) -> None:
    code = (
        "import os, time\ndef handler(event, context):\n    print('begun')\n    while not os.path.exists(event['until']): time.sleep(0.05)"
    )
    create(server, "long", code)
    until = server.data / "long may end"
    server.client("lambda").invoke(FunctionName="long", InvocationType="Event", Payload=json.dumps({"until": str(until)}))
    eventually(lambda: "begun" in log_lines(server, "long"), "nothing was written while the function ran")
    assert not any(line.startswith("END ") for line in log_lines(server, "long"))
    until.touch()
    eventually(lambda: any(line.startswith("END ") for line in log_lines(server, "long")), "the function did not end")
    assert log_lines(server, "long").count("begun") == 1


def test_events_of_type_event_and_their_logs(server: Server) -> None:
    create(server, "later", "def handler(event, context): print('got', event, context.aws_request_id)")
    answer = server.client("lambda").invoke(FunctionName="later", InvocationType="Event", Payload=b'{"a": 1}')
    assert answer["StatusCode"] == 202
    request = answer["ResponseMetadata"]["RequestId"]
    eventually(lambda: f"got {{'a': 1}} {request}" in log_lines(server, "later"), "the event was not taken")


def test_a_published_version_keeps_its_code(server: Server) -> None:
    functions = server.client("lambda")
    create(
        server, "versions", "def handler(event, context): return [1, context.function_version, context.invoked_function_arn]", Publish=True
    )
    functions.update_function_code(FunctionName="versions", ZipFile=zipped({"code_of.py": "def handler(event, context): return 2"}))
    assert invoke(server, "versions") == (2, None)
    arn = "arn:aws:lambda:us-east-1:000000000000:function:versions:1"
    assert invoke(server, "versions", Qualifier="1") == ([1, "1", arn], None)


def test_a_package_from_a_bucket(server: Server) -> None:
    s3, functions = server.client("s3"), server.client("lambda")
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key="code.zip", Body=zipped({"code_of.py": "def handler(event, context): return 'from s3'"}))
    where = {"S3Bucket": "packages", "S3Key": "code.zip"}
    functions.create_function(FunctionName="from-s3", Runtime="python3.12", Role=ROLE, Handler="code_of.handler", Code=where)
    assert invoke(server, "from-s3") == ("from s3", None)
    with pytest.raises(functions.exceptions.InvalidParameterValueException, match="Error occurred while GetObject"):
        functions.update_function_code(FunctionName="from-s3", S3Bucket="packages", S3Key="none.zip")


def test_a_function_calls_another_one(server: Server) -> None:
    create(server, "inner", "def handler(event, context): return event['n'] * 2")
    outer = """
import boto3, json
def handler(event, context):
    answer = boto3.client("lambda").invoke(FunctionName="inner", Payload=json.dumps({"n": event["n"]}))
    return json.loads(answer["Payload"].read())
"""
    create(server, "outer", outer)
    assert invoke(server, "outer", {"n": 21}) == (42, None)


def test_an_answer_of_almost_six_megabytes(server: Server) -> None:
    create(server, "large", "def handler(event, context): return event")
    event = "x" * 6_000_000
    assert invoke(server, "large", event) == (event, None)
