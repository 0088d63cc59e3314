"""StartSegmentDetection and GetSegmentDetection on the wire; on rows that the tests made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_application import LocalApplication

from openrek.features.base import Row
from openrek.features.registry import FEATURES
from openrek.jobs.results import ResultWriter
from openrek.server.worker import serialise_row
from openrek.video import AudioFacts, VideoFacts
from openrek.worker.rows import Rows

VIDEO = VideoFacts(
    codec="h264",
    format="QuickTime / MOV",
    width=1920,
    height=1080,
    rotation=0,
    time_base=Fraction(1, 30000),
    start_pts=0,
    end_pts=299 * 1001,
    frame_rate=Fraction(30000, 1001),
    frames=300,
    duration_millis=10010,
    color_range="LIMITED",
    audio=(AudioFacts("aac", 48000, 2, 10005), AudioFacts("ac3", 44100, 6, 9999)),
)
BOTH = ["TECHNICAL_CUE", "SHOT"]


def shot(index: int) -> tuple[str, Row]:
    """One frame."""
    return "SEGMENTS", {
        "Type": "SHOT",
        "StartTimestampMillis": index * 40,
        "EndTimestampMillis": index * 40,
        "DurationMillis": 0,
        "StartTimecodeSMPTE": "00:00:00:00",
        "EndTimecodeSMPTE": "00:00:00:00",
        "DurationSMPTE": "00:00:00:00",
        "StartFrameNumber": index,
        "EndFrameNumber": index,
        "DurationFrames": 0,
        "ShotSegment": {"Index": index, "Confidence": 99.5},
    }


class Desk:
    """A client of one application whose jobs the test completes."""

    def __init__(self, application: LocalApplication, scratch: Path) -> None:
        self.application = application
        self.scratch = scratch
        self.rekognition = application.client()
        self.video = application.put()

    def start(self, **params: Any) -> str:
        return str(self.rekognition.start_segment_detection(**{"Video": self.video, "SegmentTypes": BOTH} | params)["JobId"])

    def complete(self, made: list[tuple[str, Row]], video: VideoFacts = VIDEO) -> None:
        [claim] = self.application.claim_all()
        writer = Rows(lambda held: ResultWriter(self.application.database, held), serialise_row)
        generation = writer.write(claim, FEATURES["segments"], made, self.scratch, lambda: None)
        self.application.claims.complete(claim, generation, video)

    def get(self, job_id: str, **params: Any) -> dict[str, Any]:
        answer = self.rekognition.get_segment_detection(JobId=job_id, **params)
        del answer["ResponseMetadata"]
        return dict(answer)

    def raw(self, **body: Any) -> tuple[int, dict[str, Any]]:
        answer = self.application.raw("StartSegmentDetection", {"Video": self.video, "SegmentTypes": BOTH} | body)
        return answer.status, json.loads(answer.body)


@pytest.fixture
def desk(application: LocalApplication, tmp_path: Path) -> Desk:
    return Desk(application, tmp_path)


@contextmanager
def refused(name: str, message: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"] == {"Code": name, "Message": message}


def test_while_it_runs_everything_is_there_and_empty(desk: Desk) -> None:
    job_id = desk.start(JobTag="tag")
    assert desk.get(job_id) == {
        "JobStatus": "IN_PROGRESS",
        "JobId": job_id,
        "JobTag": "tag",
        "Video": desk.video,
        "VideoMetadata": [],
        "AudioMetadata": [],
        "Segments": [],
        "SelectedSegmentTypes": [{"Type": "TECHNICAL_CUE", "ModelVersion": "1.0"}, {"Type": "SHOT", "ModelVersion": "1.0"}],
    }


def test_metadata_of_every_stream_is_on_every_page(desk: Desk) -> None:
    job_id = desk.start(SegmentTypes=["SHOT"])
    desk.complete([shot(index) for index in range(25)])
    found, token = [], {}
    while True:
        page = desk.get(job_id, MaxResults=10, **token)
        found += page["Segments"]
        assert page["VideoMetadata"] == [
            {
                "Codec": "h264",
                "DurationMillis": 10010,
                "Format": "QuickTime / MOV",
                "FrameRate": 29.970029830932617,
                "FrameHeight": 1080,
                "FrameWidth": 1920,
                "ColorRange": "LIMITED",
            }
        ]
        assert page["AudioMetadata"] == [
            {"Codec": "aac", "DurationMillis": 10005, "SampleRate": 48000, "NumberOfChannels": 2},
            {"Codec": "ac3", "DurationMillis": 9999, "SampleRate": 44100, "NumberOfChannels": 6},
        ]
        assert page["SelectedSegmentTypes"] == [{"Type": "SHOT", "ModelVersion": "1.0"}]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == [row for _, row in (shot(index) for index in range(25))]


def test_rows_come_as_they_were_made_however_many(desk: Desk) -> None:
    """Cues before shots or after them is up to the request, and not to their times."""
    job_id = desk.start()
    made = [shot(index) for index in (*range(1500, 3000), *range(1500))]
    desk.complete(made)
    pages = [desk.get(job_id)]
    while "NextToken" in pages[-1]:
        pages.append(desk.get(job_id, NextToken=pages[-1]["NextToken"]))
    assert [len(page["Segments"]) for page in pages] == [1000, 1000, 1000]
    assert [row["StartFrameNumber"] for page in pages for row in page["Segments"]] == [row["StartFrameNumber"] for _, row in made]


def test_without_sound_there_is_an_empty_list(desk: Desk) -> None:
    job_id = desk.start()
    desk.complete([], replace(VIDEO, audio=()))
    page = desk.get(job_id)
    assert (page["JobStatus"], page["AudioMetadata"], page["Segments"]) == ("SUCCEEDED", [], [])


def test_a_failed_job(desk: Desk) -> None:
    job_id = desk.start()
    [claim] = desk.application.claim_all()
    desk.application.claims.fail(claim, "There is nothing to see.")
    page = desk.get(job_id)
    assert (page["JobStatus"], page["StatusMessage"]) == ("FAILED", "There is nothing to see.")
    assert (page["Segments"], page["VideoMetadata"], page["AudioMetadata"]) == ([], [], [])


def test_a_type_asked_for_twice(desk: Desk) -> None:
    with refused("InvalidParameterException", "Request has invalid parameters"):
        desk.start(SegmentTypes=["SHOT", "TECHNICAL_CUE", "SHOT"])


def test_filters_of_types_that_are_not_asked_for_are_ignored(desk: Desk) -> None:
    cue = {"MinSegmentConfidence": 80, "BlackFrame": {"MaxPixelThreshold": 0.1, "MinCoveragePercentage": 95}}
    assert desk.start(SegmentTypes=["SHOT"], Filters={"TechnicalCueFilter": cue})
    assert desk.start(SegmentTypes=["TECHNICAL_CUE"], Filters={"ShotFilter": {"MinSegmentConfidence": 99.5}})


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"SegmentTypes": []},
            "Value '[]' at 'segmentTypes' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        ({"Filters": {"ShotFilter": {"MinSegmentConfidence": 49}}}, "Member must have value greater than or equal to 50"),
        ({"Filters": {"TechnicalCueFilter": {"MinSegmentConfidence": 100.5}}}, "Member must have value less than or equal to 100"),
        (
            {"Filters": {"TechnicalCueFilter": {"BlackFrame": {"MaxPixelThreshold": 1.5}}}},
            "at 'filters.technicalCueFilter.blackFrame.maxPixelThreshold' failed to satisfy constraint: Member must have value less than or equal to 1",
        ),
        (
            {"Filters": {"TechnicalCueFilter": {"BlackFrame": {"MinCoveragePercentage": -1}}}},
            "Member must have value greater than or equal to 0",
        ),
    ],
)
def test_constraints_of_the_model(desk: Desk, body: dict[str, Any], told: str) -> None:
    status, answer = desk.raw(**body)
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert answer["Message"].startswith("1 validation error detected: ")
    assert told in answer["Message"]


def test_types_are_required_and_known(desk: Desk) -> None:
    answer = desk.application.raw("StartSegmentDetection", {"Video": desk.video})
    assert (answer.status, json.loads(answer.body)["__type"]) == (400, "ValidationException")
    status, body = desk.raw(SegmentTypes=["SCENE"])
    assert (status, body["__type"]) == (400, "ValidationException")


def test_jobs_of_other_operations_are_not_found(desk: Desk) -> None:
    labels = str(desk.rekognition.start_label_detection(Video=desk.video)["JobId"])
    with refused("ResourceNotFoundException", "Could not find JobId"):
        desk.get(labels)
    segments = desk.start()
    with refused("ResourceNotFoundException", "Could not find JobId"):
        desk.rekognition.get_label_detection(JobId=segments)


def test_tokens(desk: Desk) -> None:
    first = desk.start(ClientRequestToken="token")
    assert desk.start(ClientRequestToken="token") == first
    with refused("IdempotentParameterMismatchException", "The ClientRequestToken: token you have supplied is already in use."):
        desk.start(ClientRequestToken="token", SegmentTypes=["SHOT", "TECHNICAL_CUE"])
