"""Files that are no videos, damaged ones, and odd ones that are well: what a real server makes of them, all in flight together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import pytest
from e2e_media import cat, fitted, motorcycle, slides

from real_server import Server

BAD = {
    "generated/empty.mp4": "The file is empty (0 bytes). Upload the video again.",
    "generated/text_as_video.mp4": "The file is text, not a video.",
    "generated/jpeg_as_video.mp4": "The file is a picture (JPEG), not a video.",
    "generated/random_bytes.mp4": "The file is not in a video format that can be read.",
    "generated/truncated_no_moov.mp4": "The file ends before its index (moov): it was cut off, or was still being written.",
    "generated/audio_only.mp4": "The file has no video stream: it holds audio only (aac).",
    "generated/audio_only.mp3": "The file has no video stream: it holds audio only (mp3).",
    "generated/corrupt_header.mp4": "No picture at the beginning of the video can be decoded",
    "generated/hls_playlist_as.mp4": "The file is a playlist, not a video: it names other files, and those are never opened.",
    "generated/ffconcat_as.mp4": "The file is a playlist, not a video: it names other files, and those are never opened.",
    "generated/bitflips_heavy.mp4": "No picture at the beginning of the video can be decoded",
}
"""What the owner of each is told, or how that begins."""
GOOD: dict[str, dict[str, Any]] = {
    "formats/generated/h264_aac.mp4": {
        "Codec": "h264", "Format": "QuickTime / MOV", "FrameRate": 14.0, "DurationMillis": 3000, "FrameWidth": 480, "FrameHeight": 270,
    },
    "formats/generated/rotated_90.mp4": {"FrameWidth": 270, "FrameHeight": 480},
    "formats/generated/vp9.webm": {"Codec": "vp9", "Format": "Matroska / WebM", "DurationMillis": 3000},
    "formats/generated/mjpeg.avi": {"Codec": "mjpeg", "ColorRange": "FULL", "Format": "AVI (Audio Video Interleaved)"},
    "formats/generated/anamorphic_sar.mp4": {"FrameWidth": 720, "FrameHeight": 576},
    "formats/generated/fps120.mp4": {"FrameRate": 120.0, "DurationMillis": 500},
    "formats/generated/single_frame.mp4": {"DurationMillis": 71},
    "formats/generated/truncated_faststart.mp4": {"Codec": "h264", "FrameRate": 14.0},
    "formats/generated/bitflips.mp4": {"Codec": "h264", "DurationMillis": 3000},
    "formats/torchcodec/testsrc2_odd_height_and_width_444.mp4": {"Codec": "h264"},
    "clips/pyscenedetect/delayed_start.mp4": {"Codec": "mpeg4"},
}  # fmt: skip
"""What is known of each."""


@dataclass
class Batch:
    """Jobs that were started together."""

    jobs: dict[str, str] = field(default_factory=dict)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def batch(shared: Path, server: Server) -> Batch:
    """All jobs, and the one message that came for each. One channel, so that a second message would show."""
    channel, queue = server.channel("videos")
    buckets = server.data / "buckets" / "videos"
    started = Batch()
    for name in [name for pair in zip((f"formats/{bad}" for bad in BAD), GOOD, strict=True) for name in pair]:
        target = buckets / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shared / "media" / name, target)
        if len(started.jobs) >= 20:  # the limit of open jobs
            take(server, queue, started)
        video = {"S3Object": {"Bucket": "videos", "Name": name}}
        started.jobs[name] = server.start(video, NotificationChannel=channel, JobTag="batch")
    while len(started.messages) < len(started.jobs):
        take(server, queue, started)
    assert "Messages" not in server.client("sqs").receive_message(QueueUrl=queue)
    return started


def take(server: Server, queue: str, batch: Batch) -> None:
    message = server.receive(queue)
    assert message["Video"]["S3ObjectName"] not in batch.messages
    batch.messages[message["Video"]["S3ObjectName"]] = message


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_video(name: str, batch: Batch, server: Server) -> None:
    job_id, message = batch.jobs[f"formats/{name}"], batch.messages[f"formats/{name}"]
    assert (message["JobId"], message["Status"], message["JobTag"]) == (job_id, "FAILED", "batch")
    page = server.client("rekognition").get_label_detection(JobId=job_id)
    assert (page["JobStatus"], page["Labels"], page["VideoMetadata"]) == ("FAILED", [], {})
    assert page["StatusMessage"].startswith(BAD[name])
    assert page["StatusMessage"].endswith(".")
    assert str(server.data) not in page["StatusMessage"]
    assert "NextToken" not in page


@pytest.mark.parametrize("name", GOOD)
def test_a_video(name: str, batch: Batch, server: Server) -> None:
    assert (batch.messages[name]["JobId"], batch.messages[name]["Status"]) == (batch.jobs[name], "SUCCEEDED")
    page = server.client("rekognition").get_label_detection(JobId=batch.jobs[name])
    assert page["JobStatus"] == "SUCCEEDED"
    metadata = page["VideoMetadata"]
    assert metadata.keys() == {"Codec", "DurationMillis", "Format", "FrameRate", "FrameHeight", "FrameWidth", "ColorRange"}
    assert {name: metadata[name] for name in GOOD[name]} == GOOD[name]
    assert all(0 <= row["Timestamp"] < metadata["DurationMillis"] for row in page["Labels"])


@pytest.mark.parametrize(
    ("name", "frames", "rate", "coding", "shown_at"),
    [
        ("open-gop.mp4", 160, Fraction(24), "open-gop=1:keyint=12:bframes=3:b-pyramid=normal", lambda n: n * 1000 // 24),
        ("one-keyframe-in-ten-minutes.mp4", 30, Fraction(1, 10), "keyint=infinite:scenecut=0:bframes=2", lambda n: n * 10_000),
        ("no-times.h264", 60, Fraction(25), "keyint=25:bframes=2", lambda n: n * 40),
    ],
)
def test_labels_are_where_they_are_seen(
    name: str, frames: int, rate: Fraction, coding: str, shown_at: Callable[[int], int], server: Server, tmp_path: Path
) -> None:
    path = slides(tmp_path / name, [fitted(cat()), fitted(motorcycle())], frames, rate, coding)
    page = server.wait(server.start(server.put("odd", name, path)))
    assert page["JobStatus"] == "SUCCEEDED", page["StatusMessage"]
    assert page["VideoMetadata"]["DurationMillis"] == floor(2 * frames * 1000 / rate)
    sampled = sorted({floor(Fraction(k, 2) * rate) for k in range(ceil(2 * frames / rate * 2))})
    found = {label: {row["Timestamp"] for row in page["Labels"] if row["Label"]["Name"] == label} for label in ("Cat", "Motorcycle")}
    assert found == {
        "Cat": {shown_at(number) for number in sampled if number < frames},
        "Motorcycle": {shown_at(number) for number in sampled if number >= frames},
    }


def test_people_stay_people_in_a_file_that_is_cut_off(batch: Batch, server: Server) -> None:
    whole, part = (
        server.client("rekognition").get_label_detection(JobId=batch.jobs[f"formats/generated/{name}.mp4"])["Labels"]
        for name in ("h264_aac", "truncated_faststart")
    )
    assert any(row["Label"]["Name"] == "Person" for row in whole)
    assert any(row["Label"]["Name"] == "Person" for row in part)
    assert len(part) < len(whole)


def test_every_attempt_was_the_first(batch: Batch, server: Server) -> None:
    """A file that cannot be read is not read again, and harms no other job's process."""
    import sqlite3

    with sqlite3.connect(f"file:{server.data / 'openrek.db'}?mode=ro", uri=True) as database:
        found = database.execute("SELECT id, attempt, crashes, errors FROM jobs").fetchall()
    mine = {job_id: counts for job_id, *counts in found if job_id in batch.jobs.values()}
    assert mine == {job_id: [1, 0, 0] for job_id in batch.jobs.values()}
    assert not server.errors(), json.dumps(server.errors(), indent=1)
