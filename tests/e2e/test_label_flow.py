"""The whole way with boto3, on a real server: upload, start, message, pages."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import pytest
from e2e_media import FILM, cat, fitted, motorcycle, slides

from real_server import Server

FRAMES = 48
"""Of each slide."""


def sampled(seconds: float) -> list[int]:
    """Timestamps of the frames that are shown at every half second."""
    return [floor(1000 * floor(Fraction(k, 2) * FILM) / FILM) for k in range(int(seconds * 2) + 1)]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slides(tmp_path_factory.mktemp("flow") / "cat and motorcycle.mp4", [fitted(cat()), fitted(motorcycle())], FRAMES)


def test_from_upload_to_pages(video: Path, server: Server) -> None:
    channel, queue = server.channel("flow")
    s3, rekognition = server.client("s3"), server.client("rekognition")
    s3.create_bucket(Bucket="flow")
    s3.upload_file(str(video), "flow", "films/cat and motorcycle.mp4")
    where = {"S3Object": {"Bucket": "flow", "Name": "films/cat and motorcycle.mp4"}}
    request = {"Video": where, "ClientRequestToken": "flow-1", "NotificationChannel": channel, "JobTag": "flow"}
    job_id = rekognition.start_label_detection(**request)["JobId"]

    message = server.receive(queue)
    assert message.pop("Timestamp") > 1_700_000_000_000
    assert message == {
        "JobId": job_id,
        "Status": "SUCCEEDED",
        "API": "StartLabelDetection",
        "JobTag": "flow",
        "Video": {"S3ObjectName": "films/cat and motorcycle.mp4", "S3Bucket": "flow"},
    }

    whole = rekognition.get_label_detection(JobId=job_id)
    assert (whole["JobStatus"], whole["JobId"], whole["Video"], whole["JobTag"]) == ("SUCCEEDED", job_id, where, "flow")
    assert whole["VideoMetadata"] == {
        "Codec": "h264",
        "DurationMillis": 4004,
        "Format": "QuickTime / MOV",
        "FrameRate": 23.976024627685547,
        "FrameHeight": 360,
        "FrameWidth": 640,
        "ColorRange": "LIMITED",
    }
    assert "NextToken" not in whole
    rows = whole["Labels"]
    assert server.rows(job_id, MaxResults=3) == rows
    check_rows(rows)
    change = FRAMES * 1000 / FILM
    assert {row["Timestamp"] for row in rows if row["Label"]["Name"] == "Cat"} == {t for t in sampled(4) if t < change}
    assert {row["Timestamp"] for row in rows if row["Label"]["Name"] == "Motorcycle"} == {t for t in sampled(4) if change <= t < 4004}
    by_name = server.rows(job_id, SortBy="NAME", MaxResults=7)
    assert by_name == sorted(rows, key=lambda row: (row["Label"]["Name"], -row["Label"]["Confidence"], row["Timestamp"]))
    check_segments(rows, server.rows(job_id, AggregateBy="SEGMENTS"))

    assert rekognition.start_label_detection(**request)["JobId"] == job_id
    assert "Messages" not in server.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1)

    shown = subprocess.run(
        [sys.executable, "-m", "openrek.cli.app", "jobs", "show", job_id[:12], "--data", str(server.data), "--json"],
        capture_output=True,
        check=True,
    )
    job = json.loads(shown.stdout)
    assert (job["id"], job["state"], job["attempt"], job["chunks_done"]) == (job_id, "SUCCEEDED", 1, job["chunks_total"])


def check_rows(rows: list[dict[str, Any]]) -> None:
    """What holds for the rows of any video, by time, at a confidence of 50."""
    assert rows == sorted(rows, key=lambda row: (row["Timestamp"], row["Label"]["Name"]))
    present = {(row["Timestamp"], row["Label"]["Name"]): row["Label"] for row in rows}
    assert len(present) == len(rows)
    for (timestamp, _), label in present.items():
        assert label.keys() == {"Name", "Confidence", "Instances", "Parents", "Aliases", "Categories"}
        assert 50 <= label["Confidence"] <= 100
        assert label["Categories"]
        for parent in label["Parents"]:
            assert present[timestamp, parent["Name"]]["Confidence"] >= label["Confidence"]
        for instance in label["Instances"]:
            box = instance["BoundingBox"]
            assert 50 <= instance["Confidence"] <= 100
            assert min(box["Left"], box["Top"]) >= 0
            assert max(box["Left"] + box["Width"], box["Top"] + box["Height"]) <= 1 + 1e-6


def check_segments(rows: list[dict[str, Any]], segments: list[dict[str, Any]]) -> None:
    """Segments are the runs of rows, label by label."""
    instants = sorted({row["Timestamp"] for row in rows})
    for segment in segments:
        start, end = segment["StartTimestampMillis"], segment["EndTimestampMillis"]
        assert segment.keys() == {"Timestamp", "StartTimestampMillis", "EndTimestampMillis", "DurationMillis", "Label"}
        assert (segment["Timestamp"], segment["DurationMillis"]) == (start, end - start)
        name = segment["Label"]["Name"]
        inside = [row["Label"] for row in rows if row["Label"]["Name"] == name and start <= row["Timestamp"] <= end]
        assert len(inside) == sum(start <= instant <= end for instant in instants)
        assert segment["Label"]["Confidence"] == max(label["Confidence"] for label in inside)
        assert "Instances" not in segment["Label"]
    assert segments == sorted(segments, key=lambda segment: (segment["Timestamp"], segment["Label"]["Name"]))
    covered = sum(
        segment["StartTimestampMillis"] <= row["Timestamp"] <= segment["EndTimestampMillis"]
        for segment in segments
        for row in rows
        if row["Label"]["Name"] == segment["Label"]["Name"]
    )
    assert covered == len(rows)
