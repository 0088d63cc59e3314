"""What the operations say when something beside them fails."""

from __future__ import annotations

from typing import Any

import pytest

from openrek.awsmodel.calls import Caller, ServiceError
from openrek.clock import ManualClock
from openrek.errors import JobNotFoundError, StagingError
from openrek.features.registry import FEATURES
from openrek.jobs.pagetokens import PageTokens
from openrek.jobs.records import NewJob
from openrek.jobs.results import ResultReader
from openrek.jobs.store import JobStore
from openrek.operations.throttle import Throttle
from openrek.operations.video import VideoOperations
from openrek.settings import Settings
from openrek.video import ObjectReference

CALLER = Caller("000000000000", "us-east-1", "arn:aws:iam::000000000000:root", "openrek", "id", "http://localhost")
VIDEO = {"Video": {"S3Object": {"Bucket": "bucket", "Name": "video.mp4"}}}


class Down:
    """A store of videos that does not answer."""

    def look(self, reference: ObjectReference) -> Any:
        raise StagingError("S3 does not answer (connection refused). Start again later.")


class Mistaken(FEATURES["labels"].__class__):  # type: ignore[misc, name-defined]
    """A feature that refuses every request."""

    def check(self, request: Any) -> None:
        raise ValueError(request.get("JobTag", ""))


@pytest.fixture
def operations(jobs_database: Any, clock: ManualClock) -> VideoOperations:
    settings = Settings()
    return VideoOperations(
        features=FEATURES,
        store=JobStore(jobs_database, clock, settings.limits),
        results=ResultReader(jobs_database),
        page_tokens=PageTokens(jobs_database, clock, settings.limits),
        objects=Down(),  # type: ignore[arg-type]
        choose=lambda role, preferred: None,
        settings=settings,
        throttle=Throttle(0, clock),
        started=lambda: None,
    )


@pytest.mark.allows_errors
def test_s3_is_down(operations: VideoOperations) -> None:
    with pytest.raises(ServiceError) as caught:
        operations.operations()["StartLabelDetection"](CALLER, VIDEO | {"ClientRequestToken": "token"})
    assert (caught.value.code, caught.value.status) == ("InternalServerError", 500)
    assert caught.value.text == "S3 does not answer (connection refused). Start again later."
    assert operations.store.list() == []


@pytest.mark.parametrize(
    ("tag", "message"), [("The same type comes twice.", "The same type comes twice."), ("", "Request has invalid parameters")]
)
def test_what_a_feature_refuses(tag: str, message: str, operations: VideoOperations) -> None:
    with pytest.raises(ServiceError) as caught:
        operations.start(Mistaken(), CALLER, VIDEO | {"JobTag": tag})
    assert (caught.value.code, caught.value.text, caught.value.status) == ("InvalidParameterException", message, 400)


def test_rows_that_expire_between_two_looks(operations: VideoOperations, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> Any:
        raise JobNotFoundError

    monkeypatch.setattr(operations.results.__class__, "page", gone)
    owner = {"account": CALLER.account, "region": CALLER.region, "operation": "StartLabelDetection", "request": VIDEO}
    new = NewJob(**owner, object=ObjectReference("bucket", "video.mp4"), object_etag="e", object_bytes=1, models={}, settings={})
    job = operations.store.get(CALLER.account, CALLER.region, operations.store.insert(new))
    with pytest.raises(ServiceError) as caught:
        operations._page(job, FEATURES["labels"].view({}), 0, 10)
    assert (caught.value.code, caught.value.text) == ("ResourceNotFoundException", "Could not find JobId")
