"""A server over a folder, seen from outside: started, struck, started again, and asked by boto3 as any program would."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError
from sqlalchemy import func, select
from victim_steps import Plan

from openrek.clock import SystemClock
from openrek.db import Database
from openrek.jobs.retention import Retention
from openrek.jobs.schema import blocks, generations, jobs, listings, notifications
from openrek.settings import Settings

T = TypeVar("T")
VICTIM = Path(__file__).with_name("victim.py")
BUCKET, ROLE = "videos", "arn:aws:iam::000000000000:role/role"
REQUEST = {"MinConfidence": 20.0}
"""Of label detection, so that the clip has rows enough for many blocks."""
PATIENCE = 240.0
"""Seconds after which a wait is given up: a safety net, no measure."""
Listings = Mapping[tuple[str, ...], list[Any]]
"""Rows as Get pages them, by the parameters that choose table and order."""

LABELS = ({"AggregateBy": table, "SortBy": order} for table in ("TIMESTAMPS", "SEGMENTS") for order in ("TIMESTAMP", "NAME"))
VIEWS = {"LabelDetection": tuple(LABELS), "FaceDetection": ({},), "ContentModeration": ({},)}
MEMBERS = {"LabelDetection": "Labels", "FaceDetection": "Faces", "ContentModeration": "ModerationLabels"}
SNAKE = {"LabelDetection": "label_detection", "FaceDetection": "face_detection", "ContentModeration": "content_moderation"}


class GivenUpError(AssertionError):
    """Something did not happen in time."""


@dataclass
class Started:
    """A job, and how it was started."""

    id: str
    noun: str
    request: Mapping[str, Any]


@dataclass
class Site:
    """One data folder and the processes over it.

    Attributes
    ----------
    folder
        Of the data, the logs, and what the victims share.
    environment
        Settings, as `OPENREK_…`.
    victims
        Whether steps can be struck. Without, it is `openrek serve`.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    victims: bool = True
    process: subprocess.Popen[str] | None = field(default=None, init=False)
    begun: list[Started] = field(default_factory=list, init=False)

    # As whoever runs the server.

    @cached_property
    def port(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as free:
            return int(free.getsockname()[1])

    @cached_property
    def settings(self) -> Settings:
        with changed_environment(self.environment):
            return Settings(data=self.folder / "data", port=self.port)

    def command(self) -> list[str]:
        if self.victims:
            return [sys.executable, str(VICTIM), "server", str(self.folder), str(self.port)]
        return [sys.executable, "-m", "openrek.cli.app", "serve", "--port", str(self.port), "--data", str(self.folder / "data")]

    def start(self) -> float:
        """Start the server and wait until it answers; the seconds that this took."""
        self.folder.mkdir(exist_ok=True)
        self._forget()
        began = time.monotonic()
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=subprocess.PIPE, stderr=log, env=os.environ | self.environment, start_new_session=True, text=True
            )
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            self.process.wait()
            raise GivenUpError(f"the server did not start:\n{self.log[-3000:]}")
        return time.monotonic() - began

    def _forget(self) -> None:
        if self.process is not None:
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def revive(self) -> None:
        """Start the server if it does not run."""
        if self.process is None or self.process.poll() is not None:
            self.start()

    def stop(self, by: int = signal.SIGTERM) -> float:
        """Ask the server to stop; the seconds until it and all its processes were gone."""
        assert self.process is not None
        began = time.monotonic()
        running = self.processes()
        self.process.send_signal(by)
        self.process.wait(PATIENCE)
        psutil.wait_procs(running, PATIENCE)
        return time.monotonic() - began

    def cut_the_power(self) -> None:
        """Kill everything at once: nobody sees anybody else die."""
        everything = self.processes()
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(everything, PATIENCE)
        self._forget()

    def processes(self, role: str | None = None) -> list[psutil.Process]:
        """The living processes over this folder: all, or "server", "worker", "child"."""
        server = [] if self.process is None or self.process.poll() is not None else [psutil.Process(self.process.pid)]
        with contextlib.suppress(psutil.NoSuchProcess):
            below = server[0].children(recursive=True) if server else []
        found = {process.pid: process for process in [*server, *below, *self._orphans()]}.values()
        return [process for process in found if role is None or _role(process) == role]

    def _orphans(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if str(VICTIM) in command and str(self.folder) in command:
                yield process

    def arm(self, step: str, position: Any, *targets: Any, nth: int = 1, by: int = signal.SIGKILL) -> Plan:
        plan = Plan(uuid.uuid4().hex, step, position, targets, nth, by)
        plan.arm(self.folder)
        return plan

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def close(self) -> None:
        self.cut_the_power()
        for client in self.__dict__.get("clients", {}).values():
            client.close()

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # As a client.

    @cached_property
    def clients(self) -> Mapping[str, Any]:
        session = boto3.Session("openrek", "openrek-secret", region_name="us-east-1")
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60, max_pool_connections=4)
        url = f"http://127.0.0.1:{self.port}"
        return {
            name: session.client(name, endpoint_url=url, config=config)
            for name in ("s3", "sns", "sqs", "rekognition")
        }  # fmt: skip

    def insist(self, call: Callable[[], T]) -> T:
        """The answer to a call that is repeated while nobody answers it; a server that has died is started again."""

        def attempt() -> T | None:
            self.revive()
            try:
                return call()
            except (EndpointConnectionError, HTTPClientError):
                return None
            except (
                json.JSONDecodeError
            ):  # botocore takes an answer for whole whose head came before the server died, and whose body did not
                self.wait("end of the server", lambda: self.process is None or self.process.poll() is not None)
                return None

        return self.wait("an answer", attempt, every=0.05)

    def wait(self, what: str, look: Callable[[], T | None], every: float = 0.05, patience: float = PATIENCE) -> T:
        """What `look` finds in the end."""
        deadline = time.monotonic() + patience
        while True:
            found = look()
            if found is not None and found is not False:
                return found
            if time.monotonic() > deadline:
                raise GivenUpError(f"no {what} within {patience:g} s; the log ends:\n{self.log[-3000:]}")
            time.sleep(every)

    def prepare(self) -> None:
        """A bucket, a topic, a queue and a subscription."""
        s3, sns, sqs = (self.clients[name] for name in ("s3", "sns", "sqs"))
        s3.create_bucket(Bucket=BUCKET)
        self.topic = sns.create_topic(Name="AmazonRekognitionChaos")["TopicArn"]
        self.queue = sqs.create_queue(QueueName="completions")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.subscription = sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]

    def upload(self, video: Path) -> str:
        """Put a video under a key of its own."""
        key = f"{secrets.token_hex(6)}{video.suffix}"
        content = video.read_bytes()
        self.insist(lambda: self.clients["s3"].put_object(Bucket=BUCKET, Key=key, Body=content))
        return key

    def begin(self, key: str, noun: str = "LabelDetection", **request: Any) -> Started:
        """Start an analysis, with a token, so that asking again starts nothing twice."""
        request = {
            "Video": {"S3Object": {"Bucket": BUCKET, "Name": key}},
            "ClientRequestToken": uuid.uuid4().hex,
            "NotificationChannel": {"SNSTopicArn": self.topic, "RoleArn": ROLE},
            **request,
        }
        start = getattr(self.clients["rekognition"], f"start_{SNAKE[noun]}")
        self.begun.append(Started(self.insist(lambda: start(**request))["JobId"], noun, request))
        return self.begun[-1]

    def get(self, job: Started, **view: Any) -> dict[str, Any]:
        get = getattr(self.clients["rekognition"], f"get_{SNAKE[job.noun]}")

        def ask() -> dict[str, Any] | None:
            try:
                return dict(get(JobId=job.id, **view))
            except ClientError as error:
                if error.response["Error"]["Code"] != "ProvisionedThroughputExceededException":
                    raise
                return None

        return self.wait("page", lambda: self.insist(ask))

    def ended(self, job: Started, patience: float = PATIENCE) -> dict[str, Any]:
        """The first page of a job, once it has ended."""

        def look() -> dict[str, Any] | None:
            page = self.get(job)
            return page if page["JobStatus"] != "IN_PROGRESS" else None

        return self.wait(f"end of the job {job.id}", look, every=0.1, patience=patience)

    def rows(self, job: Started) -> Listings:
        """All rows of a job, page by page, in all tables and orders."""
        listed = {}
        for view in VIEWS[job.noun]:
            rows: list[Any] = []
            page: dict[str, Any] = {}
            while not page or "NextToken" in page:
                more = {"NextToken": page["NextToken"]} if page else {}
                page = self.get(job, **view, **more)
                assert page["JobStatus"] == "SUCCEEDED", page
                rows += page[MEMBERS[job.noun]]
            listed[tuple(view.values())] = rows
        return listed

    def told(self) -> int:
        """How many messages are in the queue, whoever may be looking at them."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        sqs = self.clients["sqs"]
        found = self.insist(lambda: sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names))["Attributes"]
        return sum(int(found[name]) for name in names)

    def notified(self, *started: Started) -> None:
        """Wait until the outbox knows that the ends of these jobs were published."""
        ids = [job.id for job in started]

        def look() -> bool:
            self.revive()
            with self.database() as database, database.read() as connection:
                done = select(func.count()).where(notifications.c.job_id.in_(ids), notifications.c.published_at.is_not(None))
                return connection.execute(done).scalar_one() == len(ids)

        self.wait("notification", look)

    def drained(self) -> Counter[tuple[str, str]]:
        """Job and status of every message, received and left in the queue."""
        sqs = self.clients["sqs"]
        found: Counter[tuple[str, str]] = Counter()
        while messages := self.insist(lambda: sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, VisibilityTimeout=3600)).get(
            "Messages"
        ):
            for message in messages:
                body = json.loads(json.loads(message["Body"])["Message"])
                found[body["JobId"], body["Status"]] += 1
        return found

    def wired(self) -> bool:
        """Whether bucket, topic, queue and subscription are still there."""
        s3, sns, sqs = (self.clients[name] for name in ("s3", "sns", "sqs"))
        subscriptions = self.insist(lambda: sns.list_subscriptions_by_topic(TopicArn=self.topic))["Subscriptions"]
        return (
            [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [BUCKET]
            and [subscription["SubscriptionArn"] for subscription in subscriptions] == [self.subscription]
            and sqs.get_queue_url(QueueName="completions")["QueueUrl"] == self.queue
        )

    # As whoever looks into the database.

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        with Database(self.settings.database_url, "jobs") as database:
            yield database

    def job(self, started: Started) -> dict[str, Any]:
        with self.database() as database, database.read() as connection:
            return dict(connection.execute(select(jobs).where(jobs.c.id == started.id)).mappings().one())

    def assert_tidy(self) -> None:
        """No job but those that were begun, one message each; no rows but the visible ones once a sweep has been."""
        self.notified(*self.begun)
        told = self.drained()
        assert {job for job, _ in told} == {job.id for job in self.begun}
        assert set(told.values()) == {1}

        with self.database() as database:
            Retention(database, SystemClock(), self.settings.limits).sweep()
            with database.read() as connection:
                ended = connection.execute(select(jobs.c.id, jobs.c.generation)).all()
                assert {row.id for row in ended} == {job.id for job in self.begun}
                shown = {row.generation for row in ended if row.generation is not None}
                assert set(connection.execute(select(generations.c.id)).scalars()) == shown
                assert set(connection.execute(select(listings.c.generation).distinct()).scalars()) == shown
                kept = select(listings.c.id, listings.c.row_count, func.count(blocks.c.number)).outerjoin(blocks).group_by(listings.c.id)
                assert all(-(-rows // 20) == count for _, rows, count in connection.execute(kept))
                assert Counter(connection.execute(select(notifications.c.job_id)).scalars()) == Counter(row.id for row in ended)
        work = self.folder / "data" / "work"

        def tidy() -> bool:
            left = {each.name.partition("-")[0] for each in work.iterdir()} - {"lock"}
            return left <= {str(each.pid) for each in self.processes("worker")}

        # A worker removes what those before it have left when it has started, which may be about to happen.
        self.wait("tidy folder", tidy)


def _role(process: psutil.Process) -> str:
    try:
        command = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "gone"
    return next((role for role, sign in _SIGNS.items() if any(text in command for text in sign)), "other")


_SIGNS = {
    "worker": ("victim.py worker", "openrek.server.worker"),
    "child": ("victim.py child", "openrek.engine.child"),
    "server": ("victim.py server", "openrek.cli.app"),
}


@contextlib.contextmanager
def changed_environment(changes: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
