"""`openrek demo`: the way of an AWS program through this server, with boto3, from upload to paged labels."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from openrek.cli.models import upgrade_advice
from openrek.cli.output import bar, err, out
from openrek.cli.summary import LabelSummary
from openrek.errors import OpenrekError
from openrek.settings import Settings
from openrek.vision.catalogue import catalogue

MOST_WAIT = 3600


_NOT_FOR_THE_DEMO = ("OPENREK_DATABASE", "OPENREK_FUNCTIONS__", "OPENREK_S3__", "OPENREK_SNS__")
"""Settings of services that the demo brings along."""


class DemoError(OpenrekError):
    """The demo could not go on."""


def demo(
    video: Annotated[
        Path | None, typer.Argument(help="A video of your own; a reel is made without one.", exists=True, dir_okay=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the pages, the contact sheet and the reel.")] = Path("demo-output"),
    min_confidence: Annotated[float, typer.Option(min=0, max=100, help="Percent under which labels are left out.")] = 50,
) -> None:
    """Start a server and analyse a video as a program for AWS would.

    With boto3: create a bucket, a topic and a queue, upload, StartLabelDetection, wait for the message, page GetLabelDetection.
    Prints the labels; writes the raw pages as JSON and a contact sheet with boxes as PNG.
    """
    boto3 = demo_boto3()
    output.mkdir(parents=True, exist_ok=True)
    if video is None:
        from openrek.cli.reel import make_reel

        video = output / "reel.mp4"
        with err.status("making a reel from the photographs of scikit-image"):
            make_reel(video)
    with tempfile.TemporaryDirectory(prefix="openrek-demo-") as data, demo_server(Path(data), output / "server.log") as endpoint:
        settings = Settings(data=Path(data), database=None)
        session = boto3.Session(settings.access_key_id, settings.secret_access_key, region_name=settings.region)
        clients = {name: session.client(name, endpoint_url=endpoint) for name in ("s3", "sns", "sqs", "rekognition")}
        pages = _analyse(clients, video, min_confidence, settings)
    (output / "pages.json").write_text(json.dumps(pages, indent=2, ensure_ascii=False), "utf-8")
    summary = LabelSummary()
    for page in pages:
        for row in page["Labels"]:
            summary.add(row)
    facts = pages[0]["VideoMetadata"]
    out.print(
        summary.table(
            f"{video.name}: {facts['FrameWidth']} x {facts['FrameHeight']}, {facts['DurationMillis'] / 1000:.1f} s, "
            f"{summary.rows} rows by {pages[0]['LabelModelVersion']}"
        )
    )
    for entry in catalogue().models:
        if entry.version == pages[0]["LabelModelVersion"] and entry.packaged:
            err.print(upgrade_advice(entry.name), soft_wrap=True)
    if not summary.rows:
        err.print(f"Nothing was found at {min_confidence:g} % or more.")
    from openrek.cli.pictures import contact_sheet

    contact_sheet(video, (row for page in pages for row in page["Labels"]), output / "contact-sheet.png")
    for name, what in (("pages.json", "the raw pages"), ("contact-sheet.png", "frames with boxes"), ("server.log", "the server's log")):
        err.print(f"{output / name}: {what}", soft_wrap=True)


def _analyse(clients: dict[str, Any], video: Path, min_confidence: float, settings: Settings) -> list[dict[str, Any]]:
    """The seed's way: upload, start, wait for the message, get all pages."""
    s3, sns, sqs, rekognition = (clients[name] for name in ("s3", "sns", "sqs", "rekognition"))
    bucket, key = "demo-bucket", video.name
    s3.create_bucket(Bucket=bucket)
    topic = sns.create_topic(Name="AmazonRekognitionDemo")["TopicArn"]
    queue = sqs.create_queue(QueueName="demo-queue")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    with bar() as progress:
        upload = progress.add_task(f"uploading {key}", total=video.stat().st_size)
        s3.upload_file(str(video), bucket, key, Callback=lambda sent: progress.advance(upload, sent))
        job_id = rekognition.start_label_detection(
            Video={"S3Object": {"Bucket": bucket, "Name": key}},
            ClientRequestToken=uuid.uuid4().hex,
            MinConfidence=min_confidence,
            NotificationChannel={"SNSTopicArn": topic, "RoleArn": "arn:aws:iam::000000000000:role/demo"},
            JobTag="demo",
        )["JobId"]
        task = progress.add_task(f"job {job_id[:12]}…", total=None)
        message = None
        deadline = time.monotonic() + MOST_WAIT
        while message is None and time.monotonic() < deadline:
            received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
            message = json.loads(json.loads(received[0]["Body"])["Message"]) if received else None
            done, total = _chunks(settings, job_id)
            progress.update(task, completed=done, total=total or None)
        if message is None:
            raise DemoError(f"No message came within {MOST_WAIT} s.")
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=received[0]["ReceiptHandle"])
    pages = [rekognition.get_label_detection(JobId=job_id)]
    if message["Status"] != "SUCCEEDED":
        raise DemoError(f"The analysis failed: {pages[0].get('StatusMessage')}")
    while "NextToken" in pages[-1]:
        pages.append(rekognition.get_label_detection(JobId=job_id, NextToken=pages[-1]["NextToken"]))
    for page in pages:
        del page["ResponseMetadata"]
    return pages


def _chunks(settings: Settings, job_id: str) -> tuple[int, int]:
    """How far the job is; the API does not say, the server's own database does."""
    from openrek.clock import SystemClock
    from openrek.db import Database
    from openrek.jobs.store import JobStore

    with Database(settings.database_url, "jobs") as database:
        job = JobStore(database, SystemClock(), settings.limits).find(job_id)
    return job.chunks_done, job.chunks_total


@contextlib.contextmanager
def demo_server(data: Path, log: Path) -> Iterator[str]:
    """A server of its own on a free port; its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_THE_DEMO)}
    with (
        log.open("wb") as messages,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "openrek.cli.app", "serve", "--host", "127.0.0.1", "--port", "0", "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=messages,
            env=environment,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            if not first:
                raise DemoError(f"The server did not start. Its log is {log}:\n{log.read_text('utf-8', 'replace')}")
            yield first.strip().partition("=")[2]
        finally:
            process.terminate()


def demo_boto3() -> Any:
    """boto3, if what the demos need is there.

    Raises
    ------
    DemoError
        It is not.
    """
    try:
        import boto3
        import skimage  # noqa: F401 - the reel needs it
    except ImportError as error:
        raise DemoError("The demo needs boto3 and scikit-image: pip install 'openrek[demo]'") from error
    return boto3
