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


def text(*usual: str, alphabet: str) -> st.SearchStrategy[str]:
    return st.integers(0, 9).flatmap(lambda odd: st.text(alphabet, max_size=70) if odd == 9 else st.sampled_from(usual))


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of the members."""
    return st.fixed_dictionaries({}, optional=members)


@st.composite
def spoiled(draw: st.DrawFn, whole: st.SearchStrategy[Any]) -> Any:
    """The value as it is, or with something in one place of it that does not belong there."""
    value = draw(whole)
    return value if draw(st.booleans()) else _spoil(draw, value)


def _spoil(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value)))
        return value | {name: _spoil(draw, value[name])}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        return [*value[:-1], _spoil(draw, value[-1])]
    return draw(JSON)


BUCKETS = text("bucket", "bucket", "bucket", "versioned", "nothing", "...", alphabet="abc.-_/ \0é")
NAMES = text(
    "video.mp4", "video.mp4", "folder", "folder/", "a/../video.mp4", "../x", "/", "é", "\U0001f3ac", alphabet="ab./\\\0\n %é\u2028"
)
REAL = st.sampled_from([("bucket", "video.mp4"), ("bucket", "folder/video.mp4"), ("versioned", "video.mp4")])
OBJECT = st.one_of(
    REAL.map(lambda pair: dict(zip(("Bucket", "Name"), pair, strict=True))),
    st.just({"Bucket": "bucket", "Name": "video.mp4", "Version": "null"}),
    st.fixed_dictionaries({"Bucket": BUCKETS, "Name": NAMES}, optional={"Version": text("null", "../x", alphabet="abc./_-\0")}),
)
FILTERS = st.lists(text("Person", "person", "Animals and Pets", "", "(a)'-_", alphabet="aA 0'()-_.àñ"), max_size=3)
TOPICS = st.sampled_from(
    [
        *["arn:aws:sns:us-east-1:000000000000:t"] * 6,
        "arn:aws:sns:::000000000000:t",
        "arn:aws:sns::a:a:000000000000:t.fifo",
    ]
)
KINDS = ("LabelInclusionFilters", "LabelExclusionFilters", "LabelCategoryInclusionFilters", "LabelCategoryExclusionFilters")
START = spoiled(
    st.fixed_dictionaries(
        {"Video": st.fixed_dictionaries({"S3Object": OBJECT})},
        optional={
            "ClientRequestToken": text("one", "two", "three", alphabet="ab-_ "),
            "MinConfidence": st.floats(0, 100) | st.sampled_from([0, 50, 50.0, 100]),
            "JobTag": text("tag", alphabet="ab.:+=/ é"),
            "NotificationChannel": st.fixed_dictionaries({"SNSTopicArn": TOPICS, "RoleArn": st.just("arn:aws:iam::000000000000:role/r")}),
            "Features": st.lists(st.sampled_from(["GENERAL_LABELS"]), max_size=1),
            "Settings": some(GeneralLabels=st.dictionaries(st.sampled_from(KINDS), FILTERS)),
            "Unknown": JSON,
        },
    )
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


@settings(max_examples=400, **QUIET)
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
        spoiled(
            st.fixed_dictionaries(
                {"JobId": text(*known[:3], alphabet="abc-_ ")},
                optional={
                    "MaxResults": st.integers(1, 1002) | st.sampled_from([2**31 - 1, 2**31]),
                    "NextToken": ways,
                    "SortBy": st.sampled_from(["NAME", "TIMESTAMP"]),
                    "AggregateBy": st.sampled_from(["SEGMENTS", "TIMESTAMPS"]),
                },
            )
        )
    )
    answered(application, "GetLabelDetection", request)


@settings(max_examples=150, **QUIET)
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
