"""Requests that the service model refuses: status, headers, name and the whole message, as they stand on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgi_client import Answer
from local_application import LocalApplication

VIDEO = {"S3Object": {"Bucket": "bucket", "Name": "video.mp4"}}
CHANNEL = {"SNSTopicArn": "arn:aws:sns:us-east-1:000000000000:topic", "RoleArn": "arn:aws:iam::000000000000:role/role"}
JOB = {"JobId": "ab" * 32}
FILTER = "[A-Za-z0-9àâèçñó'-_(). ]*"


def refused(answer: Answer, name: str, message: str, status: int = 400) -> None:
    """The answer is that error, in header and body alike."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert answer.headers["x-amzn-errortype"] == name
    request_id = answer.headers["x-amzn-requestid"]
    assert json.loads(answer.body) == {"__type": name, "Code": name, "Logref": request_id, "Message": message}


def broken(value: str, where: str, constraint: str) -> str:
    return f"Value{value} at '{where}' failed to satisfy constraint: Member must {constraint}"


def one(value: str, where: str, constraint: str) -> str:
    return f"1 validation error detected: {broken(value, where, constraint)}"


GET = [
    ({"MaxResults": 0}, one(" '0'", "maxResults", "have value greater than or equal to 1")),
    ({"MaxResults": -(2**31)}, one(" '-2147483648'", "maxResults", "have value greater than or equal to 1")),
    ({"JobId": "no spaces"}, one(" 'no spaces'", "jobId", "satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$")),
    ({"JobId": "trailing\n"}, one(" 'trailing\n'", "jobId", "satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$")),
    ({"JobId": "ﬁve"}, one(" 'ﬁve'", "jobId", "satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$")),
    ({"JobId": "a" * 65}, one(f" '{'a' * 65}'", "jobId", "have length less than or equal to 64")),
    ({"JobId": None}, one(" null", "jobId", "not be null")),
    ({"NextToken": "t" * 256}, one(f" '{'t' * 256}'", "nextToken", "have length less than or equal to 255")),
    ({"SortBy": "CONFIDENCE"}, one(" 'CONFIDENCE'", "sortBy", "satisfy enum value set: [NAME, TIMESTAMP]")),
    ({"SortBy": ""}, one(" ''", "sortBy", "satisfy enum value set: [NAME, TIMESTAMP]")),
    ({"AggregateBy": "segments"}, one(" 'segments'", "aggregateBy", "satisfy enum value set: [TIMESTAMPS, SEGMENTS]")),
    (
        {"MaxResults": 0, "SortBy": "X"},
        f"2 validation errors detected: {broken(' ' + repr('0'), 'maxResults', 'have value greater than or equal to 1')}; "
        f"{broken(' ' + repr('X'), 'sortBy', 'satisfy enum value set: [NAME, TIMESTAMP]')}",
    ),
    (
        {"JobId": ""},
        f"2 validation errors detected: {broken(' ' + repr(''), 'jobId', 'satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$')}; "
        f"{broken(' ' + repr(''), 'jobId', 'have length greater than or equal to 1')}",
    ),
]
TOKEN = "satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$"
TOPIC = r"satisfy regular expression pattern: (^arn:aws:sns:.*:\w{12}:.+$)"
ROLE = r"satisfy regular expression pattern: arn:aws:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
TAG = r"satisfy regular expression pattern: [a-zA-Z0-9_.\-:+=\/]+"
START = [
    ({"Video": None}, one(" null", "video", "not be null")),
    ({"MinConfidence": -0.5}, one(" '-0.5'", "minConfidence", "have value greater than or equal to 0")),
    ({"MinConfidence": 100.5}, one(" '100.5'", "minConfidence", "have value less than or equal to 100")),
    ({"ClientRequestToken": "a token"}, one(" 'a token'", "clientRequestToken", TOKEN)),
    ({"ClientRequestToken": "t" * 65}, one(f" '{'t' * 65}'", "clientRequestToken", "have length less than or equal to 64")),
    ({"JobTag": "two words"}, one(" 'two words'", "jobTag", TAG)),
    ({"JobTag": "t" * 1025}, one(f" '{'t' * 1025}'", "jobTag", "have length less than or equal to 1024")),
    ({"Video": {"S3Object": {"Bucket": "b", "Name": "n"}}}, one(" 'b'", "video.s3Object.bucket", "have length greater than or equal to 3")),
    (
        {"Video": {"S3Object": {"Bucket": "a/b", "Name": "n"}}},
        one(" 'a/b'", "video.s3Object.bucket", r"satisfy regular expression pattern: [0-9A-Za-z\.\-_]*"),
    ),
    (
        {"Video": {"S3Object": {"Bucket": "bucket", "Name": ""}}},
        one(" ''", "video.s3Object.name", "have length greater than or equal to 1"),
    ),
    (
        {"Video": {"S3Object": {"Bucket": "bucket", "Name": "n" * 1025}}},
        one(f" '{'n' * 1025}'", "video.s3Object.name", "have length less than or equal to 1024"),
    ),
    (
        {"Video": {"S3Object": {"Bucket": "bucket", "Name": "n", "Version": ""}}},
        one(" ''", "video.s3Object.version", "have length greater than or equal to 1"),
    ),
    ({"NotificationChannel": {"SNSTopicArn": CHANNEL["SNSTopicArn"]}}, one(" null", "notificationChannel.roleArn", "not be null")),
    ({"NotificationChannel": CHANNEL | {"SNSTopicArn": "topic"}}, one(" 'topic'", "notificationChannel.sNSTopicArn", TOPIC)),
    ({"NotificationChannel": CHANNEL | {"RoleArn": "role"}}, one(" 'role'", "notificationChannel.roleArn", ROLE)),
    (
        {"Features": ["GENERAL_LABELS", "GENERAL_LABELS"]},
        one(" '[GENERAL_LABELS, GENERAL_LABELS]'", "features", "have length less than or equal to 1"),
    ),
    (
        {"Features": ["IMAGE_PROPERTIES"]},
        "1 validation error detected: Value '[IMAGE_PROPERTIES]' at 'features' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must satisfy enum value set: [GENERAL_LABELS]]",
    ),
    (
        {"Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Person", "#"]}}},
        "1 validation error detected: Value '[Person, #]' at 'settings.generalLabels.labelInclusionFilters' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 50, Member must have length greater than or equal to 0, "
        f"Member must satisfy regular expression pattern: {FILTER}]",
    ),
    (
        {"Settings": {"GeneralLabels": {"LabelCategoryExclusionFilters": ["a"] * 101}}},
        one(
            f" '[{', '.join('a' * 101)}]'", "settings.generalLabels.labelCategoryExclusionFilters", "have length less than or equal to 100"
        ),
    ),
]


@pytest.mark.parametrize(("change", "message"), GET)
def test_get(change: dict[str, Any], message: str, application: LocalApplication) -> None:
    refused(application.raw("GetLabelDetection", JOB | change), "ValidationException", message)


@pytest.mark.parametrize(("change", "message"), START)
def test_start(change: dict[str, Any], message: str, application: LocalApplication) -> None:
    refused(application.raw("StartLabelDetection", {"Video": VIDEO} | change), "ValidationException", message)


@pytest.mark.parametrize(
    ("operation", "body", "message"),
    [
        ("GetLabelDetection", {"JobId": 5}, "NUMBER_VALUE can not be converted to a String"),
        ("GetLabelDetection", {"JobId": True}, "TRUE_VALUE can not be converted to a String"),
        ("GetLabelDetection", {"JobId": ["a"]}, "Start of list found where not expected"),
        ("GetLabelDetection", {"JobId": {}}, "Start of structure or map found where not expected."),
        ("GetLabelDetection", JOB | {"MaxResults": "10"}, "STRING_VALUE can not be converted to an Integer"),
        ("GetLabelDetection", JOB | {"MaxResults": 1.5}, "DECIMAL_VALUE can not be converted to an Integer"),
        ("GetLabelDetection", JOB | {"MaxResults": 2**31}, "The number does not fit into an Integer"),
        ("GetLabelDetection", [], "Start of list found where not expected"),
        ("GetLabelDetection", b'"text"', "Unexpected field type"),
        ("StartLabelDetection", {"Video": "bucket/video.mp4"}, "Unexpected field type"),
        ("StartLabelDetection", {"Video": VIDEO, "Features": "GENERAL_LABELS"}, "Expected list or null"),
        ("StartLabelDetection", {"Video": VIDEO, "MinConfidence": "50"}, "STRING_VALUE can not be converted to a Float"),
        ("StartLabelDetection", {"Video": VIDEO, "MinConfidence": 1e39}, "The number does not fit into a Float"),
        ("StartLabelDetection", b'{"Video": NaN}', "NaN is not JSON"),
        ("StartLabelDetection", b"\xff\xfe", "The request body is not UTF-8"),
        ("StartLabelDetection", b"[" * 100_000, "The request body is nested too deeply"),
        (
            "StartLabelDetection",
            b'{"Video": ',
            "Could not parse the request body into JSON: Expecting value: line 1 column 11 (char 10)",
        ),
    ],
)
def test_values_of_the_wrong_type_and_what_is_no_json(operation: str, body: Any, message: str, application: LocalApplication) -> None:
    refused(application.raw(operation, body), "SerializationException", message)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        ("CreateProject", "The operation CreateProject is not available here"),
        ("StartStreamProcessor", "The operation StartStreamProcessor is not available here"),
        ("StartLabelDetektion", "Unknown operation: RekognitionService.StartLabelDetektion"),
        ("", None),
        ("a.b", None),
    ],
)
def test_operations_that_are_unknown_or_not_there_yet(operation: str, message: str | None, application: LocalApplication) -> None:
    answer = application.raw(operation, {})
    refused(answer, "UnknownOperationException", message or json.loads(answer.body)["Message"])
    assert operation in json.loads(answer.body)["Message"]


def test_members_that_the_model_does_not_have_are_passed_over(application: LocalApplication) -> None:
    answer = application.raw("GetLabelDetection", JOB | {"Unknown": {"a": [1]}, "maxresults": "x"})
    refused(answer, "ResourceNotFoundException", "Could not find JobId")


def test_a_body_that_is_too_large(open_application: Any) -> None:
    application = open_application(limits={"request_bytes": 1000})
    message = "The request is larger than 1000 bytes"
    refused(application.raw("GetLabelDetection", b" " * 1001), "RequestEntityTooLargeException", message, 413)
    assert application.raw("GetLabelDetection", json.dumps(JOB).encode().ljust(1000)).status == 400


def test_no_target_and_no_body(application: LocalApplication) -> None:
    answer = application.raw("StartLabelDetection", b"")
    refused(answer, "ValidationException", one(" null", "video", "not be null"))
    answer = application.raw("GetLabelDetection", JOB, headers={"x-amz-target": ""})
    assert json.loads(answer.body)["__type"] == "UnknownOperationException"


def test_boto3_sees_the_names(application: LocalApplication) -> None:
    rekognition = application.client(parameter_validation=False)
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException) as caught:
        rekognition.get_label_detection(**JOB)
    assert caught.value.response["Error"] == {"Code": "ResourceNotFoundException", "Message": "Could not find JobId"}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(rekognition.exceptions.ClientError) as caught:
        rekognition.get_label_detection(JobId="ab", MaxResults=0)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
