"""GetLabelDetection: pages, orders, tokens, metadata, isolation, throttling, retention; on rows that the tests made up."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_application import LocalApplication

from openrek.clock import ManualClock
from openrek.db import Database
from openrek.features.base import Row
from openrek.video import VideoFacts

VIDEO = VideoFacts(
    codec="h264",
    format="QuickTime / MOV",
    width=1280,
    height=674,
    rotation=0,
    time_base=Fraction(1, 24000),
    start_pts=0,
    end_pts=119_119,
    frame_rate=Fraction(24000, 1001),
    frames=120,
    duration_millis=5005,
    color_range="LIMITED",
    audio=(),
)
NAMES = ("Zebra", "Person", "apple", "Éclair", "\U0001f3ac", "\uff21", "Car")
"""In no order; the last but one comes before the one before it by code points, and behind it by UTF-16."""


def label(name: str, confidence: float) -> Row:
    return {"Name": name, "Confidence": confidence, "Parents": [], "Aliases": [], "Categories": []}


def rows(instants: int, names: Sequence[str] = NAMES) -> list[tuple[str, Row]]:
    """Rows of both tables, shuffled; confidences tie again and again."""
    rng = random.Random(instants)
    made: list[tuple[str, Row]] = []
    for instant in range(instants):
        for name in names:
            described = label(name, rng.choice([50.0, 75.5, 99.5]))
            made.append(("TIMESTAMPS", {"Timestamp": 500 * instant, "Label": described | {"Instances": []}}))
            if instant % 2:
                span = {"StartTimestampMillis": 500 * instant, "EndTimestampMillis": 500 * instant + 250, "DurationMillis": 250}
                made.append(("SEGMENTS", {"Timestamp": 500 * instant, **span, "Label": described}))
    rng.shuffle(made)
    return made


def expected(made: list[tuple[str, Row]], table: str, order: str) -> list[Row]:
    """What Get must return, by the words of the specification."""
    mine = [row for kind, row in made if kind == table]
    if order == "TIMESTAMP":
        return sorted(mine, key=lambda row: (row["Timestamp"], [ord(c) for c in row["Label"]["Name"]]))
    return sorted(mine, key=lambda row: ([ord(c) for c in row["Label"]["Name"]], -row["Label"]["Confidence"], row["Timestamp"]))


@contextmanager
def refused(name: str, message: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"] == {"Code": name, "Message": message}


class Desk:
    """A client of one application whose jobs the test completes."""

    def __init__(self, application: LocalApplication, scratch: Path) -> None:
        self.application = application
        self.scratch = scratch
        self.rekognition = application.client()
        self.video = application.put()

    def start(self, **params: Any) -> str:
        return str(self.rekognition.start_label_detection(**{"Video": self.video} | params)["JobId"])

    def finished(self, made: list[tuple[str, Row]], video: VideoFacts = VIDEO, **params: Any) -> str:
        """A job that has succeeded with these rows."""
        job_id = self.start(**params)
        [claim] = self.application.claim_all()
        self.application.complete(claim, made, video, self.scratch)
        return job_id

    def failed(self, message: str, **params: Any) -> str:
        job_id = self.start(**params)
        [claim] = self.application.claim_all()
        self.application.claims.fail(claim, message)
        return job_id

    def get(self, job_id: str, **params: Any) -> dict[str, Any]:
        answer = self.rekognition.get_label_detection(JobId=job_id, **params)
        del answer["ResponseMetadata"]
        return dict(answer)

    def raw(self, **body: Any) -> tuple[int, dict[str, Any], bytes]:
        answer = self.application.raw("GetLabelDetection", body)
        return answer.status, json.loads(answer.body), answer.body

    def pages(self, job_id: str, sizes: Iterator[int | None], **params: Any) -> list[list[Row]]:
        """All pages, each of the next size."""
        found, token = [], {}
        while True:
            size = next(sizes)
            page = self.get(job_id, **params, **token, **({} if size is None else {"MaxResults": size}))
            found.append(page["Labels"])
            if "NextToken" not in page:
                return found
            assert page["Labels"]
            assert len(page["NextToken"]) <= 255
            token = {"NextToken": page["NextToken"]}


@pytest.fixture
def desk(application_on_each: LocalApplication, tmp_path: Path) -> Desk:
    return Desk(application_on_each, tmp_path)


@pytest.fixture
def sqlite_desk(application: LocalApplication, tmp_path: Path) -> Desk:
    return Desk(application, tmp_path)


def always(size: int | None) -> Iterator[int | None]:
    while True:
        yield size


class TestPages:
    def test_any_size_gives_all_rows_in_order(self, desk: Desk) -> None:
        made = rows(320)
        job_id = desk.finished(made)
        rng = random.Random(3)
        for table, order in product(("TIMESTAMPS", "SEGMENTS"), ("TIMESTAMP", "NAME")):
            wanted = expected(made, table, order)
            for size in (199, 999, 1000, 1001, 2**31 - 1, None):
                pages = desk.pages(job_id, always(size), SortBy=order, AggregateBy=table)
                assert [row for page in pages for row in page] == wanted
                assert {len(page) for page in pages[:-1]} <= {min(size or 1000, 1000)}
            changing = iter(lambda: rng.choice([1, 50, 333, 1000, 5000, None]), 0)
            assert [row for page in desk.pages(job_id, changing, SortBy=order, AggregateBy=table) for row in page] == wanted

    def test_one_at_a_time(self, sqlite_desk: Desk) -> None:
        made = rows(20)
        pages = sqlite_desk.pages(sqlite_desk.finished(made), always(1))
        assert [row for [row] in pages] == expected(made, "TIMESTAMPS", "TIMESTAMP")

    @pytest.mark.parametrize("count", [1, 999, 1000, 1001, 2000])
    def test_a_full_last_page_has_no_token(self, count: int, sqlite_desk: Desk) -> None:
        job_id = sqlite_desk.finished(rows(count, ["Person"]))
        assert [len(page) for page in sqlite_desk.pages(job_id, always(None))] == [1000] * (count // 1000) + [count % 1000] * (
            count % 1000 > 0
        )
        assert len(sqlite_desk.pages(job_id, always(count))) == -(-count // 1000)

    def test_no_rows(self, desk: Desk) -> None:
        page = desk.get(desk.finished([]))
        assert page["Labels"] == []
        assert page["JobStatus"] == "SUCCEEDED"
        assert "NextToken" not in page

    def test_the_defaults(self, sqlite_desk: Desk) -> None:
        made = rows(200)
        job_id = sqlite_desk.finished(made)
        plain = sqlite_desk.get(job_id)
        assert plain["Labels"] == expected(made, "TIMESTAMPS", "TIMESTAMP")[:1000]
        assert plain["GetRequestMetadata"] == {"SortBy": "TIMESTAMP", "AggregateBy": "TIMESTAMPS"}
        named = sqlite_desk.get(job_id, SortBy="NAME", AggregateBy="SEGMENTS")
        assert named["GetRequestMetadata"] == {"SortBy": "NAME", "AggregateBy": "SEGMENTS"}
        assert sqlite_desk.get(job_id, SortBy="NAME")["GetRequestMetadata"] == {"SortBy": "NAME", "AggregateBy": "TIMESTAMPS"}


class TestToken:
    @pytest.fixture
    def job_id(self, sqlite_desk: Desk) -> str:
        return sqlite_desk.finished(rows(30))

    @pytest.fixture
    def token(self, sqlite_desk: Desk, job_id: str) -> str:
        return str(sqlite_desk.get(job_id, MaxResults=10)["NextToken"])

    def test_an_empty_one_is_the_first_page(self, sqlite_desk: Desk, job_id: str) -> None:
        status, body, _ = sqlite_desk.raw(JobId=job_id, NextToken="", MaxResults=10)
        assert (status, body["Labels"]) == (200, sqlite_desk.get(job_id, MaxResults=10)["Labels"])
        assert "NextToken" in body

    def test_a_replay_gives_the_same_page(self, sqlite_desk: Desk, job_id: str, token: str, clock: ManualClock) -> None:
        first = sqlite_desk.get(job_id, NextToken=token, MaxResults=10)
        clock.advance(seconds=5)
        again = sqlite_desk.get(job_id, NextToken=token, MaxResults=10)
        assert again["Labels"] == first["Labels"]
        assert sqlite_desk.get(job_id, NextToken=token, MaxResults=20)["Labels"][:10] == first["Labels"]

    @pytest.mark.parametrize("params", [{"SortBy": "NAME"}, {"AggregateBy": "SEGMENTS"}])
    def test_of_another_order(self, params: dict[str, str], sqlite_desk: Desk, job_id: str, token: str) -> None:
        with refused("InvalidPaginationTokenException", "Invalid Token"):
            sqlite_desk.get(job_id, NextToken=token, **params)
        mine = sqlite_desk.get(job_id, MaxResults=10, **params)["NextToken"]
        with refused("InvalidPaginationTokenException", "Invalid Token"):
            sqlite_desk.get(job_id, NextToken=mine)
        assert sqlite_desk.get(job_id, NextToken=mine, MaxResults=10, **params)["Labels"]

    def test_naming_the_default_order_is_the_same_order(self, sqlite_desk: Desk, job_id: str, token: str) -> None:
        assert sqlite_desk.get(job_id, NextToken=token, SortBy="TIMESTAMP", AggregateBy="TIMESTAMPS")["Labels"]

    def test_of_another_job(self, sqlite_desk: Desk, token: str) -> None:
        with refused("InvalidPaginationTokenException", "Invalid Token"):
            sqlite_desk.get(sqlite_desk.finished(rows(30)), NextToken=token)

    def test_of_jobs_that_have_no_rows(self, sqlite_desk: Desk, token: str) -> None:
        for job_id in (sqlite_desk.failed("There is nothing to see."), sqlite_desk.start()):
            with refused("InvalidPaginationTokenException", "Invalid Token"):
                sqlite_desk.get(job_id, NextToken=token)

    def test_garbled(self, sqlite_desk: Desk, job_id: str, token: str) -> None:
        other = {"A": "B"}
        garbled = [token[:i] + other.get(token[i], "A") + token[i + 1 :] for i in range(0, len(token), 7)]
        odd = [token[:-1], token + "A", token + "=", " " + token, token.swapcase(), "x", "=", "é", "\0", "null", "%s", "a" * 255, "🎬" * 60]
        for each in (*garbled, *odd):
            status, body, _ = sqlite_desk.raw(JobId=job_id, NextToken=each)
            assert (status, body["__type"], body["Message"]) == (400, "InvalidPaginationTokenException", "Invalid Token"), each

    def test_it_ends_after_24_hours(self, sqlite_desk: Desk, job_id: str, token: str, clock: ManualClock) -> None:
        clock.advance(days=1, milliseconds=-1)
        assert sqlite_desk.get(job_id, NextToken=token)["Labels"]
        clock.advance(milliseconds=1)
        with refused("InvalidPaginationTokenException", "Invalid Token"):
            sqlite_desk.get(job_id, NextToken=token)
        assert sqlite_desk.get(job_id)["Labels"]

    def test_every_server_reads_every_servers_tokens(self, open_application: Any, jobs_database: Database, tmp_path: Path) -> None:
        one = Desk(open_application(jobs_database), tmp_path)
        job_id = one.finished(rows(30))
        token = one.get(job_id, MaxResults=10)["NextToken"]
        two = Desk(open_application(jobs_database), tmp_path)
        assert two.get(job_id, NextToken=token) == one.get(job_id, NextToken=token)


class TestMembers:
    """Which members there are, on the wire itself."""

    ALWAYS = frozenset({"JobStatus", "JobId", "Video", "VideoMetadata", "Labels", "LabelModelVersion", "GetRequestMetadata"})

    def test_while_it_runs(self, sqlite_desk: Desk) -> None:
        job_id = sqlite_desk.start()
        for _ in range(2):
            _, body, _ = sqlite_desk.raw(JobId=job_id, SortBy="NAME")
            assert body.keys() == self.ALWAYS
            assert (body["JobStatus"], body["Labels"], body["JobId"]) == ("IN_PROGRESS", [], job_id)
            assert (body["Video"], body["GetRequestMetadata"]) == (sqlite_desk.video, {"SortBy": "NAME", "AggregateBy": "TIMESTAMPS"})
            sqlite_desk.application.claim_all()

    def test_when_it_has_failed(self, sqlite_desk: Desk) -> None:
        _, body, _ = sqlite_desk.raw(JobId=sqlite_desk.failed("There is nothing to see.", JobTag="tag"))
        assert body.keys() == self.ALWAYS | {"StatusMessage", "JobTag"}
        assert (body["JobStatus"], body["StatusMessage"], body["Labels"]) == ("FAILED", "There is nothing to see.", [])

    def test_when_it_has_succeeded(self, desk: Desk) -> None:
        job_id = desk.finished(rows(30))
        _, body, _ = desk.raw(JobId=job_id, MaxResults=10)
        assert body.keys() == self.ALWAYS | {"NextToken"}
        _, last, _ = desk.raw(JobId=job_id)
        assert last.keys() == self.ALWAYS
        assert body["VideoMetadata"] == last["VideoMetadata"]

    def test_the_job_tag_is_on_every_page(self, sqlite_desk: Desk) -> None:
        job_id = sqlite_desk.finished(rows(30), JobTag="a:b/c+d=e._-")
        _, body, _ = sqlite_desk.raw(JobId=job_id, MaxResults=10)
        _, following, _ = sqlite_desk.raw(JobId=job_id, NextToken=body["NextToken"])
        assert body["JobTag"] == following["JobTag"] == "a:b/c+d=e._-"

    def test_metadata_of_the_video(self, desk: Desk) -> None:
        _, body, text = desk.raw(JobId=desk.finished(rows(1)))
        assert body["VideoMetadata"] == {
            "Codec": "h264",
            "DurationMillis": 5005,
            "Format": "QuickTime / MOV",
            "FrameRate": 23.976024627685547,
            "FrameHeight": 674,
            "FrameWidth": 1280,
            "ColorRange": "LIMITED",
        }
        assert b'"FrameRate":23.976024627685547' in text
        assert b'"DurationMillis":5005,' in text

    @pytest.mark.parametrize(
        ("rate", "text"), [(Fraction(25), b"25.0"), (Fraction(30000, 1001), b"29.970029830932617"), (Fraction(10), b"10.0")]
    )
    def test_rates_are_32_bit_numbers(self, rate: Fraction, text: bytes, sqlite_desk: Desk) -> None:
        video = replace(VIDEO, frame_rate=rate, color_range="FULL")
        _, body, raw = sqlite_desk.raw(JobId=sqlite_desk.finished([], video))
        assert b'"FrameRate":' + text in raw
        assert body["VideoMetadata"]["ColorRange"] == "FULL"

    def test_confidences_are_32_bit_numbers(self, sqlite_desk: Desk) -> None:
        row = {"Timestamp": 166, "Label": label("Electronics", 60.51791763305664) | {"Instances": []}}
        _, _, text = sqlite_desk.raw(JobId=sqlite_desk.finished([("TIMESTAMPS", row)]))
        assert b'"Confidence":60.51791763305664' in text


class TestIsolation:
    def test_of_regions(self, desk: Desk) -> None:
        job_id = desk.finished(rows(1))
        elsewhere = desk.application.client(region="eu-west-1")
        with refused("ResourceNotFoundException", "Could not find JobId"):
            elsewhere.get_label_detection(JobId=job_id)
        assert desk.get(job_id)["Labels"]

    def test_of_accounts(self, open_application: Any, jobs_database: Database, tmp_path: Path) -> None:
        one = Desk(open_application(jobs_database), tmp_path)
        two = Desk(open_application(jobs_database, account="111111111111", limits={"open_jobs": 1}), tmp_path)
        mine = one.start(ClientRequestToken="token")
        theirs = two.start(ClientRequestToken="token", JobTag="theirs")
        assert mine != theirs
        for desk, other in ((one, theirs), (two, mine)):
            with refused("ResourceNotFoundException", "Could not find JobId"):
                desk.get(other)
        with refused("LimitExceededException", "1 open Jobs for User arn:aws:iam::111111111111:root Maximum limit: 1"):
            two.start()

    @pytest.mark.parametrize("job_id", ["a", "0" * 64, "A-Z_09"])
    def test_unknown_jobs(self, job_id: str, sqlite_desk: Desk) -> None:
        with refused("ResourceNotFoundException", "Could not find JobId"):
            sqlite_desk.get(job_id)

    def test_ids_are_compared_in_full(self, sqlite_desk: Desk) -> None:
        job_id = sqlite_desk.start()
        for other in (job_id.upper(), job_id[:-1], job_id[:32]):
            with refused("ResourceNotFoundException", "Could not find JobId"):
                sqlite_desk.get(other)


class TestThrottle:
    def test_a_job_that_is_polled_too_fast(self, sqlite_desk: Desk, clock: ManualClock) -> None:
        job_id = sqlite_desk.start()
        for _ in range(10):
            sqlite_desk.get(job_id)
        with refused("ProvisionedThroughputExceededException", "Provisioned Rate exceeded."):
            sqlite_desk.get(job_id)
        assert sqlite_desk.raw(JobId=job_id)[0] == 400
        clock.advance(milliseconds=200)
        sqlite_desk.get(job_id)
        with refused("ProvisionedThroughputExceededException", "Provisioned Rate exceeded."):
            sqlite_desk.get(job_id)

    def test_a_poll_a_second_and_job_passes(self, sqlite_desk: Desk, clock: ManualClock) -> None:
        jobs = [sqlite_desk.start() for _ in range(20)]
        for _ in range(12):
            for job_id in jobs:
                assert sqlite_desk.get(job_id)["JobStatus"] == "IN_PROGRESS"
            clock.advance(seconds=1)

    def test_results_are_paged_as_fast_as_one_likes(self, sqlite_desk: Desk) -> None:
        job_id = sqlite_desk.finished(rows(10))
        for _ in range(50):
            sqlite_desk.get(job_id)

    def test_none(self, open_application: Any, tmp_path: Path) -> None:
        desk = Desk(open_application(limits={"get_per_second": 0}), tmp_path)
        job_id = desk.start()
        for _ in range(50):
            desk.get(job_id)


class TestRetention:
    def test_seven_days_after_its_end(self, desk: Desk, clock: ManualClock) -> None:
        job_id = desk.finished(rows(1))
        failed = desk.failed("There is nothing to see.")
        clock.advance(days=7, milliseconds=-1)
        desk.application.application.retention.sweep()
        assert desk.get(job_id)["Labels"]
        assert desk.get(failed)["JobStatus"] == "FAILED"
        clock.advance(milliseconds=1)
        for _ in range(2):
            for gone in (job_id, failed):
                with refused("ResourceNotFoundException", "Could not find JobId"):
                    desk.get(gone)
            desk.application.application.retention.sweep()

    def test_an_open_job_stays(self, sqlite_desk: Desk, clock: ManualClock) -> None:
        job_id = sqlite_desk.start()
        clock.advance(days=30)
        sqlite_desk.application.application.retention.sweep()
        assert sqlite_desk.get(job_id)["JobStatus"] == "IN_PROGRESS"
