"""The command line as a person uses it: `serve` and what it prints, `analyze` beside the server's answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import boto3
import pytest
from e2e_media import cat, fitted, motorcycle, slides

from openrek.cli.models import upgrade_advice
from real_server import PATIENCE, Server

OPENREK = (sys.executable, "-m", "openrek.cli.app")
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("OPENREK_", "AWS_")) or name == "OPENREK_MODELS"}


def test_the_printed_lines_are_all_that_a_program_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"OPENREK_WORKER__CORES": "1", "OPENREK_REGION": "eu-west-1", "OPENREK_ACCOUNT": "123456789012"}
    command = [*OPENREK, "serve", "--port", "0", "--data", "data"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=PLAIN | settings, cwd=tmp_path, **pipes) as server:
        try:
            assert server.stdout is not None
            lines = [server.stdout.readline() for _ in range(5)]
            assert all(line.startswith("export AWS_") for line in lines), lines
            shell = "".join(lines) + f"exec {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
            exported = json.loads(subprocess.run(["sh", "-c", shell], capture_output=True, check=True, text=True).stdout)
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                monkeypatch.delenv(name)
            for name, value in exported.items():
                if name.startswith("AWS_"):
                    monkeypatch.setenv(name, value)
            session = boto3.Session()
            assert session.client("sts").get_caller_identity()["Account"] == "123456789012"
            session.client("s3").create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
            assert (tmp_path / "data" / "buckets" / "bucket").is_dir()
            topic = session.client("sns").create_topic(Name="topic")["TopicArn"]
            assert topic == "arn:aws:sns:eu-west-1:123456789012:topic"
            session.client("sqs").create_queue(QueueName="queue")
            session.client("iam").list_roles()
            rekognition = session.client("rekognition")
            with pytest.raises(rekognition.exceptions.InvalidS3ObjectException):
                rekognition.start_label_detection(Video={"S3Object": {"Bucket": "bucket", "Name": "none.mp4"}})
            second = subprocess.run(command, check=False, env=PLAIN | settings, cwd=tmp_path, capture_output=True, text=True)
            assert (second.returncode, second.stdout) == (1, "")
            assert second.stderr.startswith("Another openrek serves from ")
            assert len(second.stderr.splitlines()) == 1
        finally:
            server.send_signal(signal.SIGINT)
            rest, log = server.communicate(timeout=PATIENCE)
    assert (server.returncode, rest) == (0, "")
    assert "Traceback" not in log
    assert f"and keeps its data in {tmp_path / 'data'}" in log


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slides(tmp_path_factory.mktemp("command") / "cat [and] motorcycle.mp4", [fitted(cat()), fitted(motorcycle())], 36)


def analyzed(film: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*OPENREK, "analyze", film.name, "--labels", *arguments]
    environment = PLAIN | {"OPENREK_WORKER__CORES": "1", "COLUMNS": "120"}
    return subprocess.run(command, check=False, cwd=film.parent, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def test_analyze_gives_what_the_server_gives(film: Path, server: Server) -> None:
    done = analyzed(film, "--json", "--min-confidence", "20", "--annotate", "boxes.mp4")
    assert (done.returncode, done.stderr) == (0, "boxes.mp4: the video with boxes\n")
    found = json.loads(done.stdout)
    job_id = server.start(server.put("command", "film.mp4", film), MinConfidence=20)
    page = server.wait(job_id)
    for name in ("JobStatus", "VideoMetadata", "LabelModelVersion", "GetRequestMetadata"):
        assert found[name] == page[name]
    assert found["Labels"] == server.rows(job_id)

    with av.open(str(film)) as before, av.open(str(film.with_name("boxes.mp4"))) as after:
        one, other = before.streams.video[0], after.streams.video[0]
        assert (other.frames, other.width, other.height) == (one.frames, one.width, one.height)
        first = [next(container.decode(video=0)).to_ndarray(format="bgr24").astype(int) for container in (before, after)]
    assert abs(first[0] - first[1]).max() > 100  # something is drawn


def test_analyze_prints_a_table(film: Path) -> None:
    done = analyzed(film)
    assert done.returncode == 0
    assert done.stderr in ("", upgrade_advice("openrek-labels") + "\n")
    title, *table = done.stdout.splitlines()
    assert title.startswith("cat [and] motorcycle.mp4: 640 x 360, 3.0 s, by ")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table if line.startswith("│")]
    found = {name: (parents, first, last, instances) for name, parents, first, last, _, instances in cells}
    assert found["Cat"] == ("Animal, Mammal, Pet", "0:00.000", "0:01.459", "1")
    assert found["Motorcycle"][1:3] == ("0:01.960", "0:02.961")
