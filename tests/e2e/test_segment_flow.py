"""Segments through boto3, on a real server: upload, start, message, pages, as AWS's VideoDetect sample goes about it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from e2e_media import cat, fitted, motorcycle, nothing

from real_server import Server

RATE = Fraction(30000, 1001)
PARTS = (("cat", 60), ("black", 30), ("motorcycle", 60), ("cat", 30))
SOUND_RATE = 48_000


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cat, silence, a motorcycle, a cat again; a tone where there is a picture."""
    path = tmp_path_factory.mktemp("segments") / "programme.mp4"
    pictures = {"cat": fitted(cat()), "motorcycle": fitted(motorcycle()), "black": nothing()}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, options={"preset": "ultrafast", "crf": "18", "x264-params": "keyint=30"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        track = container.add_stream("aac", SOUND_RATE, layout="stereo")
        number = 0
        for name, frames in PARTS:
            for _ in range(frames):
                frame = av.VideoFrame.from_ndarray(pictures[name], "rgb24")
                frame.pts, frame.time_base = number, 1 / RATE
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode(None))
        time = np.arange(round(number / RATE * SOUND_RATE)) / SOUND_RATE
        silent = (time >= 60 / RATE) & (time < 90 / RATE)
        samples = (0.2 * np.sin(2 * np.pi * 440 * time) * ~silent).astype(np.float32)
        heard = av.AudioFrame.from_ndarray(np.stack([samples, samples]), "fltp", "stereo")
        heard.sample_rate, heard.pts = SOUND_RATE, 0
        container.mux(track.encode(heard))
        container.mux(track.encode(None))
    return path


def test_from_upload_to_pages(video: Path, server: Server) -> None:
    channel, queue = server.channel("segments")
    rekognition = server.client("rekognition")
    where = server.put("segments", "programme.mp4", video)
    filters = {
        "ShotFilter": {"MinSegmentConfidence": 60},
        "TechnicalCueFilter": {"MinSegmentConfidence": 60, "BlackFrame": {"MaxPixelThreshold": 0.2, "MinCoveragePercentage": 99}},
    }
    job_id = rekognition.start_segment_detection(
        Video=where, SegmentTypes=["TECHNICAL_CUE", "SHOT"], Filters=filters, NotificationChannel=channel, JobTag="tag"
    )["JobId"]

    message = server.receive(queue)
    assert (message["JobId"], message["Status"], message["API"]) == (job_id, "SUCCEEDED", "StartSegmentDetection")

    found: list[dict[str, Any]] = []
    token = {}
    while True:
        page = rekognition.get_segment_detection(JobId=job_id, MaxResults=3, **token)
        found += page["Segments"]
        assert page["SelectedSegmentTypes"] == [{"Type": kind, "ModelVersion": "1.0"} for kind in ("TECHNICAL_CUE", "SHOT")]
        [metadata] = page["VideoMetadata"]
        assert (metadata["Codec"], metadata["DurationMillis"], metadata["FrameRate"]) == ("h264", 6006, 29.970029830932617)
        [audio] = page["AudioMetadata"]
        assert (audio["Codec"], audio["SampleRate"], audio["NumberOfChannels"]) == ("aac", SOUND_RATE, 2)
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}

    assert [(row["Type"], row["StartFrameNumber"], row["EndFrameNumber"]) for row in found] == [
        ("TECHNICAL_CUE", 0, 59),
        ("TECHNICAL_CUE", 60, 89),
        ("TECHNICAL_CUE", 90, 179),
        ("SHOT", 0, 59),
        ("SHOT", 60, 89),
        ("SHOT", 90, 149),
        ("SHOT", 150, 179),
    ]
    assert [row["TechnicalCueSegment"]["Type"] for row in found[:3]] == ["Content", "BlackFrames", "Content"]
    assert [row["ShotSegment"]["Index"] for row in found[3:]] == [0, 1, 2, 3]
    black = {name: value for name, value in found[1].items() if name != "TechnicalCueSegment"}
    assert black == {
        "Type": "TECHNICAL_CUE",
        "StartTimestampMillis": 2002,
        "EndTimestampMillis": 2969,
        "DurationMillis": 967,
        "StartTimecodeSMPTE": "00:00:02;00",
        "EndTimecodeSMPTE": "00:00:02;29",
        "DurationSMPTE": "00:00:00;29",
        "StartFrameNumber": 60,
        "EndFrameNumber": 89,
        "DurationFrames": 29,
    }
