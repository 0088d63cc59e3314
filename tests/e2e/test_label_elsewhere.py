"""A server whose jobs are in PostgreSQL, and whose S3 and SNS are another server's: the same answers; a disk that is full; a restart."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from e2e_media import cat, fitted, slides

from openrek.db import Database
from real_server import PATIENCE, Server, serving


def shown(server: Server, job_id: str, database: str) -> dict[str, Any]:
    """What `openrek jobs show` says."""
    command = [sys.executable, "-m", "openrek.cli.app", "jobs", "show", job_id, "--json", "--data", str(server.data)]
    done = subprocess.run(command, capture_output=True, check=True, env={"OPENREK_DATABASE": database, "PATH": ""})
    job: dict[str, Any] = json.loads(done.stdout)
    return job


@pytest.mark.parametrize("jobs_database", ["postgresql"], indirect=True)
def test_jobs_in_postgresql_videos_and_topics_elsewhere(server: Server, jobs_database: Database, tmp_path: Path) -> None:
    channel, queue = server.channel("elsewhere")
    film = slides(tmp_path / "film.mp4", [fitted(cat())], 24)
    video = server.put("elsewhere", "film.mp4", film)
    remote = {f"{service}__{name}": value for service in ("S3", "SNS") for name, value in (
        ("ENDPOINT", server.url), ("REGION", "us-east-1"), ("ACCESS_KEY_ID", "openrek"), ("SECRET_ACCESS_KEY", "openrek-secret"),
    )}  # fmt: skip
    settings = remote | {"DATABASE": jobs_database.url}
    data = tmp_path / "data"

    with serving(data, **settings, WORKER__DISK_RESERVE_MEGABYTES=str(10**9), WORKER__CORES="1") as full:
        with pytest.raises(full.client("rekognition").exceptions.InvalidS3ObjectException):
            full.start({"S3Object": {"Bucket": "elsewhere", "Name": "no-such-film.mp4"}})
        with pytest.raises(full.client("rekognition").exceptions.InvalidS3ObjectException):
            full.start({"S3Object": {"Bucket": "no-such-bucket", "Name": "film.mp4"}})
        job_id = full.start(video, NotificationChannel=channel, ClientRequestToken="elsewhere")
        until = time.monotonic() + PATIENCE
        while (job := shown(full, job_id, jobs_database.url))["errors"] == 0:
            assert time.monotonic() < until
        assert job["state"] in {"QUEUED", "RUNNING"}
        assert job["last_error"].startswith("The worker's disk is too full: the video takes ")
        assert full.client("rekognition").get_label_detection(JobId=job_id)["JobStatus"] == "IN_PROGRESS"
        assert not (data / "buckets" / "elsewhere").exists()

    with serving(data, **settings, WORKER__CORES="1") as roomy:
        assert roomy.start(video, NotificationChannel=channel, ClientRequestToken="elsewhere") == job_id
        message = server.receive(queue)
        assert (message["JobId"], message["Status"]) == (job_id, "SUCCEEDED")
        page = roomy.client("rekognition").get_label_detection(JobId=job_id)
        assert {"Cat", "Animal"} <= {row["Label"]["Name"] for row in page["Labels"]}
        again = server.start(video)
        assert server.wait(again)["Labels"] == page["Labels"]
        assert not roomy.errors()
    assert roomy.process.returncode == 0
    assert [each.name for each in (data / "work").iterdir()] == ["lock"]
