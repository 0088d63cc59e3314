"""StartLabelDetection: the order of its checks, tokens, the limit of open jobs, objects, topics; on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local_application import LocalApplication

from openrek.clock import ManualClock
from openrek.db import Database
from openrek.features.base import Row
from openrek.features.labels import LabelDetection
from openrek.features.registry import FEATURES

TOPIC = "arn:aws:sns:us-east-1:000000000000:topic"
ROLE = "arn:aws:iam::000000000000:role/role"
CHANNEL = {"SNSTopicArn": TOPIC, "RoleArn": ROLE}
NO_OBJECT = "Unable to get object metadata from S3. Check object key, region and/or access permissions."
MISMATCH = "The ClientRequestToken: token you have supplied is already in use."
Start = Callable[..., str]


@contextmanager
def refused(name: str, message: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"] == {"Code": name, "Message": message}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


class Desk:
    """A client of one application, and shorthands."""

    def __init__(self, application: LocalApplication, region: str = "us-east-1") -> None:
        self.application = application
        self.video = application.put()
        self.rekognition = application.client(region=region)

    def start(self, **params: Any) -> str:
        return str(self.rekognition.start_label_detection(**{"Video": self.video} | params)["JobId"])

    def raw(self, body: str | bytes) -> str:
        answer = self.application.raw("StartLabelDetection", body.encode() if isinstance(body, str) else body)
        assert answer.status == 200, answer.body
        return str(json.loads(answer.body)["JobId"])

    def status(self, job_id: str) -> str:
        return str(self.rekognition.get_label_detection(JobId=job_id)["JobStatus"])

    def fail_all(self) -> None:
        for claim in self.application.claim_all():
            self.application.claims.fail(claim, "There is nothing to see.")

    def jobs(self) -> int:
        return len(self.application.claim_all())


@pytest.fixture
def desk(application_on_each: LocalApplication) -> Desk:
    return Desk(application_on_each)


@pytest.fixture
def small_desk(open_application: Any, jobs_database: Database) -> Desk:
    """Two jobs may be open."""
    return Desk(open_application(jobs_database, limits={"open_jobs": 2}))


class TestOrderOfChecks:
    def test_the_model_comes_before_the_topic(self, desk: Desk) -> None:
        topic = CHANNEL | {"SNSTopicArn": TOPIC.replace("us-east-1", "eu-west-1")}
        answer = desk.application.raw("StartLabelDetection", {"Video": desk.video, "NotificationChannel": topic, "MinConfidence": 101})
        assert json.loads(answer.body)["__type"] == "ValidationException"

    def test_the_topic_comes_before_the_token(self, desk: Desk) -> None:
        desk.start(ClientRequestToken="token")
        with refused("InvalidParameterException", "Request has invalid parameters"):
            desk.start(ClientRequestToken="token", NotificationChannel=CHANNEL | {"SNSTopicArn": f"{TOPIC}.fifo"})

    def test_the_token_comes_before_the_limit(self, small_desk: Desk) -> None:
        job_id = small_desk.start(ClientRequestToken="token")
        small_desk.start()
        with refused("IdempotentParameterMismatchException", MISMATCH):
            small_desk.start(ClientRequestToken="token", JobTag="another")
        assert small_desk.start(ClientRequestToken="token") == job_id

    def test_the_limit_comes_before_the_object(self, small_desk: Desk) -> None:
        small_desk.start()
        small_desk.start()
        with refused("LimitExceededException", "2 open Jobs for User arn:aws:iam::000000000000:root Maximum limit: 2"):
            small_desk.start(Video={"S3Object": {"Bucket": "no-such-bucket", "Name": "video.mp4"}})

    def test_the_object_comes_before_the_job(self, desk: Desk) -> None:
        missing = {"S3Object": {"Bucket": "bucket", "Name": "later.mp4"}}
        with refused("InvalidS3ObjectException", NO_OBJECT):
            desk.start(Video=missing, ClientRequestToken="token")
        assert desk.jobs() == 0
        desk.application.put(name="later.mp4")
        job_id = desk.start(Video=missing, ClientRequestToken="token")
        assert desk.status(job_id) == "IN_PROGRESS"
        with refused("IdempotentParameterMismatchException", MISMATCH):
            desk.start(ClientRequestToken="token")

    @pytest.mark.parametrize("video", [{}, {"S3Object": {}}, {"S3Object": {"Bucket": "bucket"}}, {"S3Object": {"Name": "video.mp4"}}])
    def test_a_video_that_is_nowhere(self, video: dict[str, Any], application: LocalApplication) -> None:
        with refused("InvalidParameterException", "Request has invalid parameters"):
            Desk(application).start(Video=video)


class TestToken:
    @pytest.mark.parametrize(
        "again",
        [
            '{"Video": %s, "ClientRequestToken": "token", "MinConfidence": 50, "JobTag": "tag"}',
            '{"JobTag": "tag", "MinConfidence": 50.0, "ClientRequestToken": "token", "Video": %s}',
            '{"Video": %s,\n "ClientRequestToken": "token", "MinConfidence": 5e1, "JobTag": "\\u0074ag", "Settings": null}',
            '{"Video": %s, "ClientRequestToken": "token", "MinConfidence": 50, "JobTag": "tag", "NoMember": 1}',
        ],
    )
    def test_the_same_request_is_the_same_job(self, again: str, desk: Desk) -> None:
        job_id = desk.start(ClientRequestToken="token", MinConfidence=50, JobTag="tag")
        assert desk.raw(again % json.dumps(desk.video)) == job_id
        swapped = {"S3Object": dict(reversed(desk.video["S3Object"].items()))}
        assert desk.raw(again % json.dumps(swapped)) == job_id
        assert desk.jobs() == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"MinConfidence": None},
            {"MinConfidence": 50.001},
            {"JobTag": "Tag"},
            {"JobTag": None},
            {"NotificationChannel": CHANNEL},
            {"Settings": {}},
            {"Features": ["GENERAL_LABELS"]},
            {"Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Person"]}}},
            {"Video": {"S3Object": {"Bucket": "bucket", "Name": "other.mp4"}}},
            {"Video": {"S3Object": {"Bucket": "bucket", "Name": "video.mp4", "Version": "null"}}},
        ],
    )
    def test_a_changed_request_is_refused(self, change: dict[str, Any], application: LocalApplication) -> None:
        desk = Desk(application)
        given = {"Video": desk.video, "ClientRequestToken": "token", "MinConfidence": 50, "JobTag": "tag"}
        desk.start(**given)
        changed = {name: value for name, value in (given | change).items() if value is not None}
        with refused("IdempotentParameterMismatchException", MISMATCH):
            desk.start(**changed)
        assert desk.jobs() == 1

    def test_without_a_token_every_start_is_a_job(self, desk: Desk) -> None:
        assert desk.start() != desk.start()
        assert desk.jobs() == 2

    def test_tokens_mind_upper_and_lower_case(self, desk: Desk) -> None:
        assert desk.start(ClientRequestToken="token") != desk.start(ClientRequestToken="TOKEN")

    def test_every_region_has_its_own(self, desk: Desk) -> None:
        job_id = desk.start(ClientRequestToken="token")
        assert Desk(desk.application, "eu-west-1").start(ClientRequestToken="token", JobTag="another") != job_id

    def test_the_same_token_for_another_operation(
        self, open_application: Any, jobs_database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("openrek.server.app.FEATURES", {**FEATURES, "faces": Faces()})
        desk = Desk(open_application(jobs_database))
        labels = desk.start(ClientRequestToken="token", JobTag="labels")
        faces = desk.rekognition.start_face_detection(Video=desk.video, ClientRequestToken="token", JobTag="faces")["JobId"]
        assert faces != labels
        assert desk.start(ClientRequestToken="token", JobTag="labels") == labels
        with refused("IdempotentParameterMismatchException", MISMATCH):
            desk.rekognition.start_face_detection(Video=desk.video, ClientRequestToken="token", JobTag="labels")
        with refused("ResourceNotFoundException", "Could not find JobId"):
            desk.rekognition.get_label_detection(JobId=faces)
        assert desk.rekognition.get_face_detection(JobId=faces)["JobTag"] == "faces"

    def test_a_replay_at_the_limit_after_the_object_went_and_after_the_job_failed(self, small_desk: Desk) -> None:
        job_id = small_desk.start(ClientRequestToken="token")
        small_desk.start()
        (small_desk.application.settings.data / "buckets/bucket/video.mp4").unlink()
        assert small_desk.start(ClientRequestToken="token") == job_id
        small_desk.fail_all()
        assert small_desk.status(job_id) == "FAILED"
        assert small_desk.start(ClientRequestToken="token") == job_id
        assert small_desk.jobs() == 0

    def test_no_second_run_and_no_second_notification(self, desk: Desk) -> None:
        desk.application.client("sns").create_topic(Name="topic")
        desk.start(ClientRequestToken="token", NotificationChannel=CHANNEL)
        desk.fail_all()
        assert desk.application.relay() == 1
        desk.start(ClientRequestToken="token", NotificationChannel=CHANNEL)
        assert desk.application.relay() == 0
        assert desk.jobs() == 0

    def test_it_ends_after_seven_days(self, desk: Desk, clock: ManualClock) -> None:
        first = desk.start(ClientRequestToken="token")
        clock.advance(days=7, milliseconds=-1)
        assert desk.start(ClientRequestToken="token") == first
        with refused("IdempotentParameterMismatchException", MISMATCH):
            desk.start(ClientRequestToken="token", JobTag="another")
        clock.advance(milliseconds=1)
        second = desk.start(ClientRequestToken="token", JobTag="another")
        assert second != first
        clock.advance(days=6)
        assert desk.start(ClientRequestToken="token", JobTag="another") == second

    def test_a_start_that_is_refused_uses_no_token_up(self, small_desk: Desk) -> None:
        small_desk.start()
        small_desk.start()
        with refused("LimitExceededException", "2 open Jobs for User arn:aws:iam::000000000000:root Maximum limit: 2"):
            small_desk.start(ClientRequestToken="token", JobTag="first")
        small_desk.fail_all()
        assert small_desk.status(small_desk.start(ClientRequestToken="token", JobTag="second")) == "IN_PROGRESS"


class Faces(LabelDetection):
    """Another operation of the model, for tests."""

    noun = "FaceDetection"
    member = "Faces"

    def describe(self, request: Any, models: Any) -> Row:
        return {}


class TestLimit:
    def test_twenty_jobs_of_a_region(self, desk: Desk) -> None:
        for _ in range(20):
            desk.start()
        message = "20 open Jobs for User arn:aws:iam::000000000000:root Maximum limit: 20"
        with refused("LimitExceededException", message):
            desk.start()
        claims = desk.application.claim_all()
        with refused("LimitExceededException", message):  # running ones count
            desk.start()
        elsewhere = Desk(desk.application, "eu-west-1")
        assert elsewhere.status(elsewhere.start()) == "IN_PROGRESS"
        desk.application.claims.fail(claims[0], "There is nothing to see.")
        desk.start()
        with refused("LimitExceededException", message):
            desk.start()

    def test_none(self, open_application: Any, jobs_database: Database) -> None:
        desk = Desk(open_application(jobs_database, limits={"open_jobs": 0}))
        assert len({desk.start() for _ in range(25)}) == 25


class TestObject:
    @pytest.mark.parametrize(
        "where",
        [
            {"Bucket": "no-such-bucket", "Name": "video.mp4"},
            {"Bucket": "bucket", "Name": "no-such-video.mp4"},
            {"Bucket": "bucket", "Name": "VIDEO.MP4"},
            {"Bucket": "bucket", "Name": "video.mp4/"},
            {"Bucket": "bucket", "Name": "/video.mp4"},
            {"Bucket": "bucket", "Name": "../bucket/video.mp4"},
            {"Bucket": "..", "Name": "openrek.db"},
            {"Bucket": "...", "Name": "video.mp4"},
            {"Bucket": "bucket", "Name": "folder"},
            {"Bucket": "bucket", "Name": "x\0y"},
            {"Bucket": "bucket", "Name": "x" * 1024},
            {"Bucket": "bucket", "Name": "video.mp4", "Version": "no-such-version"},
            {"Bucket": "bucket", "Name": "video.mp4", "Version": "../../x"},
            {"Bucket": "a" * 255, "Name": "video.mp4"},
        ],
    )
    def test_missing(self, where: dict[str, str], application: LocalApplication) -> None:
        desk = Desk(application)
        application.put(name="folder/video.mp4")
        answer = application.raw("StartLabelDetection", {"Video": {"S3Object": where}})
        error = json.loads(answer.body)
        if error["__type"] == "ValidationException":  # a bucket's name of two characters
            assert where["Bucket"] == ".."
        else:
            assert (error["__type"], error["Message"]) == ("InvalidS3ObjectException", NO_OBJECT)
        assert desk.jobs() == 0

    def test_too_large(self, open_application: Any) -> None:
        desk = Desk(open_application(limits={"video_bytes": 1000}))
        desk.start(Video=desk.application.put(name="just.mp4", content=bytes(1000)))
        with refused("VideoTooLargeException", "Video size in bytes: 1001 is more than the maximum limit of: 1000 bytes."):
            desk.start(Video=desk.application.put(name="over.mp4", content=bytes(1001)))

    def test_any_size(self, open_application: Any) -> None:
        desk = Desk(open_application(limits={"video_bytes": 0}))
        huge = desk.application.settings.data / "buckets/bucket/huge.mp4"
        with huge.open("wb") as file:
            file.truncate(20 * 1000**3)
        desk.start(Video={"S3Object": {"Bucket": "bucket", "Name": "huge.mp4"}})

    def test_ten_gigabytes_by_default(self, application: LocalApplication) -> None:
        desk = Desk(application)
        with (application.settings.data / "buckets/bucket/video.mp4").open("wb") as file:
            file.truncate(10 * 1000**3 + 1)
        with refused("VideoTooLargeException", "Video size in bytes: 10000000001 is more than the maximum limit of: 10000000000 bytes."):
            desk.start()

    def test_an_empty_one_is_the_jobs_affair(self, application: LocalApplication) -> None:
        desk = Desk(application)
        assert desk.status(desk.start(Video=application.put(name="empty.mp4", content=b""))) == "IN_PROGRESS"

    def test_versions(self, application: LocalApplication) -> None:
        desk = Desk(application)
        s3 = application.client("s3")
        s3.create_bucket(Bucket="versioned")
        s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
        versions = [s3.put_object(Bucket="versioned", Key="k.mp4", Body=body)["VersionId"] for body in (b"one", b"two")]
        for version in versions:
            where = {"Bucket": "versioned", "Name": "k.mp4", "Version": version}
            job_id = desk.start(Video={"S3Object": where})
            assert desk.rekognition.get_label_detection(JobId=job_id)["Video"] == {"S3Object": where}
        marker = s3.delete_object(Bucket="versioned", Key="k.mp4")["VersionId"]
        for where in ({}, {"Version": marker}, {"Version": "null"}):
            with refused("InvalidS3ObjectException", NO_OBJECT):
                desk.start(Video={"S3Object": {"Bucket": "versioned", "Name": "k.mp4"} | where})
        desk.start(Video={"S3Object": {"Bucket": "versioned", "Name": "k.mp4", "Version": versions[0]}})
        s3.delete_object(Bucket="versioned", Key="k.mp4", VersionId=versions[0])
        with refused("InvalidS3ObjectException", NO_OBJECT):
            desk.start(Video={"S3Object": {"Bucket": "versioned", "Name": "k.mp4", "Version": versions[0]}})


class TestTopic:
    @pytest.mark.parametrize(
        "arn",
        [
            "arn:aws:sns:eu-west-1:000000000000:topic",
            "arn:aws:sns::000000000000:topic",
            "arn:aws:sns:us-east-1-fips:000000000000:topic",
            "arn:aws:sns:us-east-1:x:000000000000:topic",
            "arn:aws:sns:us-east-1:000000000000:topic:0f8fad5b-d9cb-469f-a165-70867728950e",
            "arn:aws:sns:us-east-1:000000000000:topic.fifo",
        ],
    )
    def test_of_another_region_or_fifo(self, arn: str, application: LocalApplication) -> None:
        desk = Desk(application)
        with refused("InvalidParameterException", "Request has invalid parameters"):
            desk.start(NotificationChannel=CHANNEL | {"SNSTopicArn": arn})
        assert desk.jobs() == 0

    def test_of_the_callers_region(self, application: LocalApplication) -> None:
        desk = Desk(application, "eu-west-1")
        desk.start(NotificationChannel=CHANNEL | {"SNSTopicArn": TOPIC.replace("us-east-1", "eu-west-1")})
        with refused("InvalidParameterException", "Request has invalid parameters"):
            desk.start(NotificationChannel=CHANNEL)


class TestNetwork:
    """Without one to look with, no job is started: it could do nothing but fail."""

    @pytest.mark.allows_errors
    def test_none(self, open_application: Any, tmp_path: Path) -> None:
        self.check(Desk(open_application(labels={"model": "yolox-s"}, models="", cache=tmp_path)), "openrek models pull yolox-s")

    @pytest.mark.allows_errors
    def test_a_file_that_is_another_one(self, open_application: Any, tmp_path: Path) -> None:
        (tmp_path / "yolox_nano.onnx").write_bytes(b"anything")
        application = open_application(labels={"model": "yolox-nano"}, models=str(tmp_path), cache=tmp_path / "cache")
        self.check(Desk(application), "yolox_nano.onnx")

    def check(self, desk: Desk, told: str) -> None:
        answer = desk.application.raw("StartLabelDetection", {"Video": desk.video, "ClientRequestToken": "token"})
        assert (answer.status, json.loads(answer.body)["__type"]) == (500, "InternalServerError")
        assert told in json.loads(answer.body)["Message"]
        assert desk.jobs() == 0


def test_a_job_id_is_64_hexadecimal_digits(application: LocalApplication) -> None:
    job_id = Desk(application).start()
    assert len(job_id) == 64
    assert set(job_id) <= set("0123456789abcdef")
