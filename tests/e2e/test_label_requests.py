"""What a request of label detection may ask for, on a real server: confidence, filters, versions, names of objects."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_media import TURNED, cat, fitted, motorcycle, nothing, slides, turn

from real_server import Server

Row = dict[str, Any]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("requests")


@pytest.fixture(scope="module")
def film(clips: Path) -> Path:
    return slides(clips / "film.mp4", [fitted(cat()), fitted(motorcycle())], 36)


@pytest.fixture(scope="module")
def everything(film: Path, server: Server) -> tuple[dict[str, Any], list[Row]]:
    """The film in a bucket, and all that can be found in it."""
    video = server.put("requests", "film.mp4", film)
    job_id = server.start(video, MinConfidence=0)
    assert server.wait(job_id)["JobStatus"] == "SUCCEEDED"
    return video, server.rows(job_id)


def asked(server: Server, video: dict[str, Any], **params: Any) -> list[Row]:
    job_id = server.start(video, **params)
    assert server.wait(job_id)["JobStatus"] == "SUCCEEDED"
    return server.rows(job_id)


def names(rows: list[Row]) -> set[str]:
    return {row["Label"]["Name"] for row in rows}


def at_least(rows: list[Row], confidence: float) -> Iterator[Row]:
    """Rows of everything, as a request with this confidence must get them."""
    confidence = struct.unpack("<f", struct.pack("<f", confidence))[0]
    for row in rows:
        label = row["Label"]
        if label["Confidence"] >= confidence:
            kept = [instance for instance in label["Instances"] if instance["Confidence"] >= confidence]
            yield row | {"Label": label | {"Instances": kept}}


class TestMinConfidence:
    def test_zero_is_everything(self, everything: tuple[dict[str, Any], list[Row]]) -> None:
        _, rows = everything
        confidences = [row["Label"]["Confidence"] for row in rows]
        assert {"Cat", "Motorcycle"} <= names(rows)
        assert min(confidences) < 50 < max(confidences)

    @pytest.mark.parametrize("confidence", [None, 5.5, 70, 100])
    def test_is_a_filter_of_labels_and_boxes(
        self, confidence: float | None, everything: tuple[dict[str, Any], list[Row]], server: Server
    ) -> None:
        video, rows = everything
        given = {} if confidence is None else {"MinConfidence": confidence}
        assert asked(server, video, **given) == list(at_least(rows, 50 if confidence is None else confidence))

    def test_a_confidence_that_was_returned_meets_itself(self, everything: tuple[dict[str, Any], list[Row]], server: Server) -> None:
        video, rows = everything
        highest = max(row["Label"]["Confidence"] for row in rows)
        found = asked(server, video, MinConfidence=highest)
        assert found == list(at_least(rows, highest))
        assert found


class TestFilters:
    @pytest.mark.parametrize(
        ("filters", "wanted"),
        [
            ({"LabelInclusionFilters": ["Cat"]}, {"Cat"}),
            ({"LabelInclusionFilters": ["cAT", "Unknown", "motorcycle"]}, {"Cat", "Motorcycle"}),
            ({"LabelInclusionFilters": ["Mammal"]}, {"Mammal"}),
            ({"LabelInclusionFilters": ["No Such Label"]}, set()),
            ({"LabelCategoryInclusionFilters": ["Animals and Pets"], "LabelExclusionFilters": ["Animal"]}, {"Cat", "Mammal", "Pet"}),
            (
                {
                    "LabelInclusionFilters": ["Motorcycle"],
                    "LabelCategoryInclusionFilters": ["Animals and Pets"],
                    "LabelExclusionFilters": ["Cat"],
                },
                None,
            ),
            ({"LabelInclusionFilters": ["Cat"], "LabelCategoryExclusionFilters": ["Animals and Pets"]}, set()),
            ({"LabelExclusionFilters": ["Cat"]}, None),
            ({"LabelInclusionFilters": [], "LabelCategoryInclusionFilters": []}, None),
        ],
    )
    def test_labels_and_categories(
        self, filters: dict[str, list[str]], wanted: set[str] | None, everything: tuple[dict[str, Any], list[Row]], server: Server
    ) -> None:
        video, rows = everything
        found = asked(server, video, MinConfidence=0, Settings={"GeneralLabels": filters})
        expected = [row for row in rows if admitted(row["Label"], filters)]
        assert found == expected
        if wanted is not None:
            assert names(found) & {"Cat", "Motorcycle", "Mammal", "Pet", "Animal"} == wanted & names(rows)

    def test_features_name_what_there_is(self, everything: tuple[dict[str, Any], list[Row]], server: Server) -> None:
        video, rows = everything
        assert asked(server, video, MinConfidence=0, Features=["GENERAL_LABELS"]) == rows


def admitted(label: dict[str, Any], filters: dict[str, list[str]]) -> bool:
    """The words of the specification."""
    folded = {kind: {value.casefold() for value in values} for kind, values in filters.items()}
    mine = {label["Name"].casefold()} | {alias["Name"].casefold() for alias in label["Aliases"]}
    categories = {category["Name"].casefold() for category in label["Categories"]}
    included, included_categories = (folded.get(f"Label{kind}InclusionFilters", set()) for kind in ("", "Category"))
    if mine & folded.get("LabelExclusionFilters", set()) or categories & folded.get("LabelCategoryExclusionFilters", set()):
        return False
    return bool(mine & included or categories & included_categories) if included or included_categories else True


class TestObjects:
    def test_the_version_that_was_asked_for(self, film: Path, clips: Path, server: Server) -> None:
        dark = slides(clips / "dark.mp4", [nothing()], 24)
        s3 = server.client("s3")
        s3.create_bucket(Bucket="versions")
        s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
        old, new = (s3.put_object(Bucket="versions", Key="v.mp4", Body=path.read_bytes())["VersionId"] for path in (film, dark))
        where = {"Bucket": "versions", "Name": "v.mp4"}
        jobs = [server.start({"S3Object": where | version}) for version in ({"Version": old}, {"Version": new}, {})]
        first, second, latest = (server.wait(job_id) for job_id in jobs)
        assert "Cat" in names(first["Labels"])
        assert first["Video"]["S3Object"]["Version"] == old
        assert second["Labels"] == latest["Labels"] == []
        assert latest["Video"] == {"S3Object": where}

    @pytest.mark.parametrize(
        "name", ["señal de prueba ✓ (1).mp4", "映画/\U0001f3ac.mp4", "no-ending", "a+b&c=d?e#f%41.mp4", "x" * 255 + "/y.mp4"]
    )
    def test_any_name(self, name: str, film: Path, server: Server) -> None:
        channel, queue = server.channel("names")
        job_id = server.start(server.put("names", name, film), NotificationChannel=channel)
        message = server.receive(queue)
        assert (message["JobId"], message["Status"]) == (job_id, "SUCCEEDED")
        assert message["Video"] == {"S3ObjectName": name, "S3Bucket": "names"}
        assert "Cat" in names(server.rows(job_id))

    def test_a_file_that_somebody_dropped(self, film: Path, server: Server) -> None:
        folder = server.data / "buckets" / "dropped"
        folder.mkdir()
        (folder / "film.mp4").write_bytes(film.read_bytes())
        assert "Cat" in names(asked(server, {"S3Object": {"Bucket": "dropped", "Name": "film.mp4"}}))

    def test_an_object_that_was_replaced(self, film: Path, clips: Path, server: Server) -> None:
        video = server.put("replaced", "film.mp4", film)
        assert "Cat" in names(asked(server, video))
        server.put("replaced", "film.mp4", slides(clips / "dark.mp4", [nothing()], 24))
        assert asked(server, video) == []


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_boxes_of_turned_videos_are_those_of_the_frame_as_shown(degrees: int, clips: Path, server: Server) -> None:
    upright = slides(clips / "upright.mp4", [fitted(cat())], 24)
    turned = turn(slides(clips / f"turned-{degrees}.mp4", [TURNED[degrees][0](fitted(cat()))], 24), degrees)
    one, other = (server.wait(server.start(server.put("turned", path.name, path))) for path in (upright, turned))
    assert other["VideoMetadata"] == one["VideoMetadata"]
    assert (one["VideoMetadata"]["FrameWidth"], one["VideoMetadata"]["FrameHeight"]) == (640, 360)
    assert names(one["Labels"]) == names(other["Labels"])
    boxes = [
        [row["Label"]["Instances"][0]["BoundingBox"] for row in page["Labels"] if row["Label"]["Name"] == "Cat"] for page in (one, other)
    ]
    assert len(boxes[0]) == len(boxes[1]) == 3
    for box, turned_box in zip(*boxes, strict=True):
        assert turned_box == pytest.approx(box, abs=0.02)


@pytest.mark.parametrize(
    ("operation", "body", "status", "name", "message"),
    [
        (
            "GetLabelDetection", b'{"JobId": "a b"}', 400, "ValidationException",
            "1 validation error detected: Value 'a b' at 'jobId' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$",
        ),
        (
            "GetLabelDetection", b'{"JobId": "ab", "MaxResults": 0}', 400, "ValidationException",
            "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        ("GetLabelDetection", b'{"JobId": "ab", "MaxResults": 1001}', 400, "ResourceNotFoundException", "Could not find JobId"),
        (
            "GetLabelDetection", b"{", 400, "SerializationException",
            "Could not parse the request body into JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ("GetLabelDetection", b'{"JobId": 7}', 400, "SerializationException", "NUMBER_VALUE can not be converted to a String"),
        (
            "GetLabelDetection", b" " * (16 * 1024 * 1024 + 1), 413, "RequestEntityTooLargeException",
            "The request is larger than 16777216 bytes",
        ),
        ("CreateProject", b"{}", 400, "UnknownOperationException", "The operation CreateProject is not available here"),
        ("GetLabelDetektion", b"{}", 400, "UnknownOperationException", "Unknown operation: RekognitionService.GetLabelDetektion"),
    ],
)  # fmt: skip
def test_what_a_real_server_refuses(operation: str, body: bytes, status: int, name: str, message: str, server: Server) -> None:
    found, headers, content = server.raw(operation, body)
    assert (found, headers["x-amzn-errortype"], headers["content-type"]) == (status, name, "application/x-amz-json-1.1")
    assert json.loads(content) == {"__type": name, "Code": name, "Logref": headers["x-amzn-requestid"], "Message": message}
