"""Whatever is asked of label detection, the whole application answers with a result or with an error of its caller's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_application import LocalApplication, local_application
from test_label_pages import VIDEO, rows

from openrek.clock import ManualClock

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(["", "\ud800", "\0", "a" * 3000, 10**400, 1e308, -0.0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(usual, usual, usual, JSON)


def text(*usual: str, alphabet: str) -> st.SearchStrategy[str]:
    return st.sampled_from(usual) | st.text(alphabet, max_size=70)


OBJECT = st.fixed_dictionaries(
    {
        "Bucket": mostly(text("bucket", "versioned", "nothing", "..", "...", "-", alphabet="abc.-_/ \0é")),
        "Name": mostly(
            text("video.mp4", "folder", "folder/", "a/../video.mp4", "../x", "/", "é", "\U0001f3ac", alphabet="ab./\\\0\n %é\u2028")
        ),
    },
    optional={"Version": mostly(text("null", "", "../x", alphabet="abc./_-\0"))},
)
FILTERS = mostly(st.lists(mostly(text("Person", "person", "Animals and Pets", "", "(a)'-_", alphabet="aA 0'()-_.àñ")), max_size=3))
START = st.fixed_dictionaries(
    {"Video": mostly(st.fixed_dictionaries({}, optional={"S3Object": mostly(OBJECT)}))},
    optional={
        "ClientRequestToken": mostly(text("one", "two", "three", alphabet="ab-_ ")),
        "MinConfidence": mostly(st.floats(-1, 101, allow_nan=False) | st.sampled_from([0, 50, 50.0, 100])),
        "JobTag": mostly(text("tag", alphabet="ab.:+=/ é")),
        "NotificationChannel": mostly(
            st.fixed_dictionaries(
                {},
                optional={
                    "SNSTopicArn": mostly(
                        st.sampled_from(
                            [
                                "arn:aws:sns:us-east-1:000000000000:t",
                                "arn:aws:sns:::000000000000:t",
                                "arn:aws:sns::a:a:000000000000:t.fifo",
                                "x",
                            ]
                        )
                    ),
                    "RoleArn": mostly(st.just("arn:aws:iam::000000000000:role/r")),
                },
            )
        ),
        "Features": mostly(st.lists(st.sampled_from(["GENERAL_LABELS", "IMAGE_PROPERTIES"]), max_size=2)),
        "Settings": mostly(
            st.fixed_dictionaries(
                {},
                optional={
                    "GeneralLabels": mostly(
                        st.dictionaries(
                            st.sampled_from(
                                [
                                    "LabelInclusionFilters",
                                    "LabelExclusionFilters",
                                    "LabelCategoryInclusionFilters",
                                    "LabelCategoryExclusionFilters",
                                ]
                            ),
                            FILTERS,
                        )
                    )
                },
            )
        ),
        "Unknown": JSON,
    },
)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApplication]:
    data = tmp_path_factory.mktemp("never-fails")
    limits = {"open_jobs": 0, "get_per_second": 0}
    with local_application(data, f"sqlite:///{data / 'openrek.db'}", ManualClock(), limits=limits) as opened:
        opened.put()
        opened.put(name="folder/video.mp4")
        s3 = opened.client("s3")
        s3.create_bucket(Bucket="versioned")
        s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(Bucket="versioned", Key="video.mp4", Body=b"x")
        yield opened


@pytest.fixture(scope="module")
def known(application: LocalApplication, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Jobs that have succeeded and failed and run, and a token of the first."""
    rekognition = application.client()
    start = {"Video": {"S3Object": {"Bucket": "bucket", "Name": "video.mp4"}}}
    succeeded, failed = (rekognition.start_label_detection(**start)["JobId"] for _ in range(2))
    claims = {claim.job.id: claim for claim in application.claim_all()}
    application.complete(claims[succeeded], rows(5), VIDEO, tmp_path_factory.mktemp("rows"))
    application.claims.fail(claims[failed], "There is nothing to see.")
    running = rekognition.start_label_detection(**start)["JobId"]
    token = rekognition.get_label_detection(JobId=succeeded, MaxResults=3)["NextToken"]
    return [succeeded, failed, running, token]


def answered(application: LocalApplication, operation: str, body: Any) -> dict[str, Any] | None:
    """The result; None for an error, which is the caller's."""
    answer = application.raw(operation, body)
    assert answer.status in {200, 400}, answer
    return json.loads(answer.body) if answer.status == 200 else None


@settings(max_examples=500, **QUIET)
@given(request=START)
def test_start(request: dict[str, Any], application: LocalApplication) -> None:
    started = answered(application, "StartLabelDetection", request)
    if started is not None:
        found = answered(application, "GetLabelDetection", started)
        assert found is not None
        assert found["JobStatus"] == "IN_PROGRESS"
        assert found["Video"]["S3Object"]["Name"] == request["Video"]["S3Object"]["Name"]


@settings(max_examples=400, **QUIET)
@given(data=st.data())
def test_get(data: st.DataObject, application: LocalApplication, known: list[str]) -> None:
    token = known[3]
    ways = st.sampled_from(["", token, token[:-1], token + "A", token.swapcase(), "é", "=" * 255]) | st.text("abAB_-=\0", max_size=260)
    request = data.draw(
        st.fixed_dictionaries(
            {"JobId": mostly(st.sampled_from(known[:3]) | text("x", alphabet="abc-_ "))},
            optional={
                "MaxResults": mostly(st.integers(-1, 1002) | st.sampled_from([2**31 - 1, 2**31])),
                "NextToken": mostly(ways),
                "SortBy": mostly(st.sampled_from(["NAME", "TIMESTAMP", "name"])),
                "AggregateBy": mostly(st.sampled_from(["SEGMENTS", "TIMESTAMPS", ""])),
            },
        )
    )
    answered(application, "GetLabelDetection", request)


@settings(max_examples=300, **QUIET)
@given(
    request=START,
    place=st.floats(0, 1),
    rubbish=st.binary(max_size=6) | st.sampled_from([b"{", b"[" * 2000, b'"', b"\\ud800", b"NaN", b"1e999"]),
)
def test_broken_bytes(request: dict[str, Any], place: float, rubbish: bytes, application: LocalApplication) -> None:
    body = json.dumps(request).encode()
    cut = int(place * len(body))
    for broken in (body[:cut], body[:cut] + rubbish, body[:cut] + rubbish + body[cut:], rubbish):
        answered(application, "StartLabelDetection", broken)
        answered(application, "GetLabelDetection", broken)


@settings(max_examples=100, **QUIET)
@given(
    operation=st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40) | st.sampled_from(["CompareFaces"]),
    body=JSON,
)
def test_any_operation(operation: str, body: Any, application: LocalApplication) -> None:
    assert answered(application, operation, body) is None
