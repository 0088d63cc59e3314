"""`openrek demo-lambda`: an upload starts a function, its completion another one, as in AWS's tutorial."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from openrek.cli.demo import DemoError, demo_boto3, demo_server
from openrek.cli.output import err, out
from openrek.settings import Settings

MOST_WAIT = 3600
_LOOK_EVERY = 0.3
_VIDEOS, _LABELS = "demo-videos", "demo-labels"


def demo_lambda(
    video: Annotated[
        Path | None, typer.Argument(help="A video of your own; a reel is made without one.", exists=True, dir_okay=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the labels, the server's log and the reel.")] = Path("demo-output"),
) -> None:
    """Start a server and have two functions of Lambda analyse what is uploaded.

    With boto3: create two functions, have S3 tell the first one of uploads and SNS the second one of completions, upload a video. The
    first function starts label detection, the second one stores the labels as JSON. Prints what the functions logged, and the labels.
    """
    boto3 = demo_boto3()
    output.mkdir(parents=True, exist_ok=True)
    if video is None:
        from openrek.cli.reel import make_reel

        video = output / "reel.mp4"
        if not video.exists():
            with err.status("making a reel from the photographs of scikit-image"):
                make_reel(video)
    log = output / "server-lambda.log"
    with tempfile.TemporaryDirectory(prefix="openrek-demo-") as data, demo_server(Path(data), log) as endpoint:
        settings = Settings(data=Path(data), database=None)
        session = boto3.Session(settings.access_key_id, settings.secret_access_key, region_name=settings.region)
        clients = {name: session.client(name, endpoint_url=endpoint) for name in ("s3", "sns", "lambda", "logs")}
        _lay_out(clients, settings)
        clients["s3"].upload_file(str(video), _VIDEOS, video.name)
        err.print(f"uploaded s3://{_VIDEOS}/{video.name}; the functions do the rest", markup=False, highlight=False, soft_wrap=True)
        labels = _wait(clients, video.name)
        for name in ("start", "collect"):
            for line in _printed(clients["logs"], name):
                err.print(f"{name}: {line}", markup=False, highlight=False, soft_wrap=True)
    stored = output / f"{video.name}.labels.json"
    stored.write_text(json.dumps(labels, indent=2), "utf-8")
    table = Table("label", "confidence", title=f"{video.name}: labels that the second function stored")
    for name, confidence in labels.items():
        table.add_row(name, f"{confidence:.1f}")
    out.print(table)
    err.print(f"{stored}: what the function stored", markup=False, highlight=False, soft_wrap=True)
    err.print(f"{log}: the server's log", markup=False, highlight=False, soft_wrap=True)


def _lay_out(clients: dict[str, Any], settings: Settings) -> None:
    """Buckets, topic, functions, and who tells whom."""
    from openrek.cli.functions import zipped

    s3, sns, functions = clients["s3"], clients["sns"], clients["lambda"]
    for bucket in (_VIDEOS, _LABELS):
        s3.create_bucket(Bucket=bucket)
    topic = sns.create_topic(Name="AmazonRekognitionDemo")["TopicArn"]
    role = f"arn:aws:iam::{settings.account}:role/demo"
    arns = {}
    for name in ("start", "collect"):
        arns[name] = functions.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler=f"demo_functions.{name}",
            Role=role,
            Code={"ZipFile": zipped(Path(__file__).with_name("demo_functions.py"), whole=False)},
            Timeout=60,
            MemorySize=256,
            Environment={"Variables": {"TOPIC_ARN": topic, "ROLE_ARN": role, "RESULTS_BUCKET": _LABELS}},
        )["FunctionArn"]
    for name, principal in (("start", "s3.amazonaws.com"), ("collect", "sns.amazonaws.com")):
        functions.add_permission(FunctionName=name, StatementId="news", Action="lambda:InvokeFunction", Principal=principal)
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arns["collect"])
    rule = {"LambdaFunctionArn": arns["start"], "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(Bucket=_VIDEOS, NotificationConfiguration={"LambdaFunctionConfigurations": [rule]})


def _wait(clients: dict[str, Any], name: str) -> dict[str, float]:
    """The labels, once the second function has stored them."""
    s3, deadline = clients["s3"], time.monotonic() + MOST_WAIT
    with err.status("waiting for the functions"):
        while time.monotonic() < deadline:
            if "Contents" in s3.list_objects_v2(Bucket=_LABELS):
                stored: dict[str, float] = json.loads(s3.get_object(Bucket=_LABELS, Key=f"{name}.labels.json")["Body"].read())
                return stored
            failed = [line for function in ("start", "collect") for line in _printed(clients["logs"], function) if "[ERROR]" in line]
            if failed:
                raise DemoError(f"A function failed: {failed[0]}")
            time.sleep(_LOOK_EVERY)
    raise DemoError(f"No labels were stored within {MOST_WAIT} s.")


def _printed(logs: Any, name: str) -> list[str]:
    """What a function has printed, without what Lambda says of its start and end."""
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"].rstrip() for event in events if not event["message"].startswith(("INIT_START", "START ", "END ", "REPORT "))]
