"""Labels of one 1080p clip: openrek's server beside the loop that a user would write, five runs of each in turn.

    python -m benchmarks.labels [--video CLIP] [--shared ../shared] [--runs 5] [--json]

The clip is composed once from the test media (78 s, 1920x1080 at 30 frames/s, H.264) and kept in `build/benchmarks`. Start-up and the
loading of networks are not measured on either side; openrek is measured from StartLabelDetection to the last page, its upload apart.
Smoothing is off, so that both sides say what they see.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.plain_loop import PlainDetector, sampled_frames
from openrek.features.taxonomy import taxonomy
from openrek.settings import Settings
from openrek.vision.library import ModelLibrary

CLIPS = ("aws_mie/sample-video.mp4", "bottle-detection.mp4", "pyscenedetect/testvideo.mp4", "bigbuckbunny.mp4")
WIDTH, HEIGHT, RATE = 1920, 1080, 30
MODEL = "yolox-nano"
CONFIDENCE = 50.0
Rows = set[tuple[int, str]]


@dataclass(frozen=True)
class Run:
    """One analysis: wall-clock seconds, processor seconds of all processes, and what was seen at 50 % or more."""

    wall: float
    cpu: float
    rows: Rows


def compose(clips: list[Path], path: Path) -> None:
    """One 1080p clip of several, each frame shown for as long as it was."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, options={"preset": "medium", "crf": "21"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        number = 0
        for clip in clips:
            began = number
            with av.open(str(clip)) as source:
                for frame in source.decode(video=0):
                    scaled = frame.reformat(WIDTH, HEIGHT, "yuv420p")
                    while number - began <= (frame.time or 0) * RATE:
                        scaled.pts, scaled.time_base = number, Fraction(1, RATE)
                        container.mux(stream.encode(scaled))
                        number += 1
        container.mux(stream.encode(None))


class Plain:
    """The loop of OpenCV and ONNX Runtime."""

    def __init__(self, model: Path) -> None:
        self._detector = PlainDetector(model)
        self._names = [label.name for label in taxonomy().vocabulary("coco-80")]

    def __call__(self, video: Path) -> Run:
        began, cpu = time.perf_counter(), _own_cpu()
        rows = {
            (at, self._names[found.kind])
            for at, picture in sampled_frames(video)
            for found in self._detector(picture)
            if found.confidence * 100 >= CONFIDENCE
        }
        return Run(time.perf_counter() - began, _own_cpu() - cpu, rows)


class Openrek:
    """A client of a running server."""

    def __init__(self, endpoint: str, server: int) -> None:
        import boto3

        session = boto3.Session("openrek", "openrek-secret", region_name="us-east-1")
        self._clients = {name: session.client(name, endpoint_url=endpoint) for name in ("s3", "sns", "sqs", "rekognition")}
        self._server = psutil.Process(server)
        s3, sns, sqs = (self._clients[name] for name in ("s3", "sns", "sqs"))
        s3.create_bucket(Bucket="benchmark")
        self._topic = sns.create_topic(Name="benchmark")["TopicArn"]
        self._queue = sqs.create_queue(QueueName="benchmark")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=arn)
        self._uploads = 0

    def __call__(self, video: Path) -> Run:
        # A new key each time: what was observed of an object is never observed again.
        self._uploads += 1
        key = f"{self._uploads}.mp4"
        self._clients["s3"].upload_file(str(video), "benchmark", key)
        began, cpu = time.perf_counter(), self._cpu()
        rows = self._analyse(key)
        return Run(time.perf_counter() - began, self._cpu() - cpu, rows)

    def _analyse(self, key: str) -> Rows:
        rekognition, sqs = self._clients["rekognition"], self._clients["sqs"]
        job = rekognition.start_label_detection(
            Video={"S3Object": {"Bucket": "benchmark", "Name": key}},
            MinConfidence=CONFIDENCE,
            NotificationChannel={"SNSTopicArn": self._topic, "RoleArn": "arn:aws:iam::000000000000:role/benchmark"},
        )["JobId"]
        messages: list[dict[str, Any]] = []
        while not messages:
            messages = sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=20).get("Messages", [])
        sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=messages[0]["ReceiptHandle"])
        rows: Rows = set()
        page = rekognition.get_label_detection(JobId=job)
        while True:
            if page["JobStatus"] != "SUCCEEDED":
                raise SystemExit(f"the job failed: {page.get('StatusMessage')}")
            rows |= {(row["Timestamp"], row["Label"]["Name"]) for row in page["Labels"] if row["Label"]["Instances"]}
            if "NextToken" not in page:
                return rows
            page = rekognition.get_label_detection(JobId=job, NextToken=page["NextToken"])

    def _cpu(self) -> float:
        """Processor seconds of the server, its worker and the worker's children; none of them ends during a run."""
        family = [self._server, *self._server.children(recursive=True)]
        return float(sum(times.user + times.system for times in (process.cpu_times() for process in family)))


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def serving() -> Iterator[Openrek]:
    """A server of its own, and a client of it."""
    environment = os.environ | {"OPENREK_LABELS__SMOOTHING": "false", "OPENREK_LABELS__MODEL": MODEL}
    command = [sys.executable, "-m", "openrek.cli.app", "serve", "--host", "127.0.0.1", "--port", "0"]
    with (
        tempfile.TemporaryDirectory() as data,
        subprocess.Popen([*command, "--data", data], stdout=subprocess.PIPE, env=environment, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            yield Openrek(process.stdout.readline().strip().partition("=")[2], process.pid)
        finally:
            process.terminate()


def main() -> None:
    """Run both sides in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, help="another clip")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of the test media")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    video = arguments.video or Path("build/benchmarks/labels-1080p.mp4")
    if not video.exists():
        video.parent.mkdir(parents=True, exist_ok=True)
        part = video.with_suffix(".part.mp4")
        compose([arguments.shared / "media/clips" / clip for clip in CLIPS], part)
        part.rename(video)
    library = ModelLibrary.of(Settings())
    plain = Plain(library.locate(library.choose("objects", MODEL).sha256)[0])
    runs: dict[str, list[Run]] = {"plain loop": [], "openrek": []}
    with serving() as openrek:
        for side in (plain, openrek):
            side(video)  # warms up: networks loaded, pages of the file in memory
        for _ in range(arguments.runs):
            runs["plain loop"].append(plain(video))
            runs["openrek"].append(openrek(video))
    report(runs, arguments.json)


def report(runs: dict[str, list[Run]], as_json: bool) -> None:
    """Print medians, the ratio pair by pair, and how far the rows agree."""
    ratios = [a.wall / b.wall for a, b in zip(runs["plain loop"], runs["openrek"], strict=True)]
    ours, theirs = runs["openrek"][0].rows, runs["plain loop"][0].rows
    different = len(ours ^ theirs) / max(1, len(theirs))
    figures = {
        name: {
            "wall": [round(run.wall, 2) for run in side],
            "median_wall": round(statistics.median(run.wall for run in side), 2),
            "median_cpu": round(statistics.median(run.cpu for run in side), 2),
            "rows": len(side[0].rows),
        }
        for name, side in runs.items()
    }
    summary = {"speed_up": round(statistics.median(ratios), 2), "rows_that_differ": round(different, 4)}
    if as_json:
        print(json.dumps({"sides": figures, **summary}, indent=2))
        return
    table = Table(title=f"labels of one 1080p clip, {len(ratios)} runs in turn", title_justify="left")
    for column in ("", "wall s (median)", "min – max", "CPU s (median)", "rows at 50 %"):
        table.add_column(column, justify="left" if not column else "right")
    for name, each in figures.items():
        walls = [run.wall for run in runs[name]]
        table.add_row(
            name, f"{each['median_wall']:.2f}", f"{min(walls):.2f} – {max(walls):.2f}", f"{each['median_cpu']:.2f}", str(each["rows"])
        )
    console = Console()
    console.print(table)
    pairs = f"{min(ratios):.2f} – {max(ratios):.2f}"
    console.print(f"openrek is {summary['speed_up']:.2f} times as fast (pairs: {pairs}); {different:.2%} of the rows differ")


if __name__ == "__main__":
    main()
