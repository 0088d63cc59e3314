"""The whole text of what AWS says when a constraint of the model is broken."""

from __future__ import annotations

from typing import Any

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.services import load_service
from openrek.awsmodel.validate import validate, violations

JOB = "a" * 64
VIDEO = {"S3Object": {"Bucket": "bucket", "Name": "video.mp4"}}
CHANNEL = {"SNSTopicArn": "arn:aws:sns:us-east-1:000000000000:topic", "RoleArn": "arn:aws:iam::000000000000:role/role"}


def refusal(service_name: str, operation_name: str, params: dict[str, Any]) -> ServiceError:
    service = load_service(service_name)
    operation = service.operation(operation_name)
    assert operation is not None
    with pytest.raises(ServiceError) as caught:
        validate(service, operation, params)
    return caught.value


def failed(where: str, constraint: str) -> str:
    return f"Value {where} failed to satisfy constraint: {constraint}"


@pytest.mark.parametrize(
    ("operation", "params", "failures"),
    [
        (
            "GetLabelDetection",
            {"JobId": JOB, "MaxResults": 0},
            ["'0' at 'maxResults'", "Member must have value greater than or equal to 1"],
        ),
        ("GetLabelDetection", {}, ["null at 'jobId'", "Member must not be null"]),
        (
            "GetLabelDetection",
            {"JobId": JOB, "NextToken": "t" * 256},
            [f"'{'t' * 256}' at 'nextToken'", "Member must have length less than or equal to 255"],
        ),
        (
            "GetLabelDetection",
            {"JobId": JOB, "SortBy": "name"},
            ["'name' at 'sortBy'", "Member must satisfy enum value set: [NAME, TIMESTAMP]"],
        ),
        (
            "GetLabelDetection",
            {"JobId": "ä"},
            ["'ä' at 'jobId'", "Member must satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$"],
        ),
        (
            "StartLabelDetection",
            {"Video": {"S3Object": {"Bucket": "bucket", "Name": ""}}, "ClientRequestToken": ""},
            [
                *("'' at 'video.s3Object.name'", "Member must have length greater than or equal to 1"),
                # both of one value: the pattern, then the length
                *("'' at 'clientRequestToken'", "Member must satisfy regular expression pattern: ^[a-zA-Z0-9-_]+$"),
                *("'' at 'clientRequestToken'", "Member must have length greater than or equal to 1"),
            ],
        ),
        (
            "StartLabelDetection",
            {"Video": VIDEO, "MinConfidence": 101.0},
            ["'101.0' at 'minConfidence'", "Member must have value less than or equal to 100"],
        ),
        (
            "StartLabelDetection",
            {"Video": VIDEO, "NotificationChannel": {**CHANNEL, "SNSTopicArn": "topic"}},
            [
                "'topic' at 'notificationChannel.sNSTopicArn'",
                "Member must satisfy regular expression pattern: (^arn:aws:sns:.*:\\w{12}:.+$)",
            ],
        ),
        (
            "StartLabelDetection",
            {"Video": VIDEO, "Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Cat", "a~b"]}}},
            [
                "'[Cat, a~b]' at 'settings.generalLabels.labelInclusionFilters'",
                "Member must satisfy constraint: [Member must have length less than or equal to 50, Member must have length greater than "
                "or equal to 0, Member must satisfy regular expression pattern: [A-Za-z0-9àâèçñó'-_(). ]*]",
            ],
        ),
        (
            "StartLabelDetection",
            {"Video": VIDEO, "Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Cat", None]}}},
            [
                "'[Cat, null]' at 'settings.generalLabels.labelInclusionFilters'",
                "Member must satisfy constraint: [Member must have length less than or equal to 50, Member must have length greater than or "
                "equal to 0, Member must satisfy regular expression pattern: [A-Za-z0-9àâèçñó'-_(). ]*, Member must not be null]",
            ],
        ),
        (
            "StartSegmentDetection",
            {"Video": VIDEO, "SegmentTypes": [], "Filters": {"ShotFilter": {"MinSegmentConfidence": 49.5}}},
            [
                *("'49.5' at 'filters.shotFilter.minSegmentConfidence'", "Member must have value greater than or equal to 50"),
                *("'[]' at 'segmentTypes'", "Member must have length greater than or equal to 1"),
            ],
        ),
        (
            "StartTextDetection",
            {"Video": VIDEO, "Filters": {"WordFilter": {"MinBoundingBoxHeight": 1.5}}},
            ["'1.5' at 'filters.wordFilter.minBoundingBoxHeight'", "Member must have value less than or equal to 1"],
        ),
        (
            "TagResource",
            {"ResourceArn": "arn:aws:rekognition:us-east-1:1", "Tags": {"aws:a": "b"}},
            [
                "'{aws:a=b}' at 'tags'",
                "Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater "
                "than or equal to 1, Member must satisfy regular expression pattern: ^(?!aws:)[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*$]",
            ],
        ),
        (
            "TagResource",
            {"ResourceArn": "arn:aws:rekognition:us-east-1:1", "Tags": {"a": "b!"}},
            [
                "'{a=b!}' at 'tags'",
                "Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater "
                "than or equal to 0, Member must satisfy regular expression pattern: ^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$]",
            ],
        ),
        (
            "DetectFaces",
            {"Image": {"Bytes": b""}},
            ["'java.nio.HeapByteBuffer[pos=0 lim=0 cap=0]' at 'image.bytes'", "Member must have length greater than or equal to 1"],
        ),
        (
            "StartStreamProcessor",
            {"Name": "n", "StartSelector": {"KVSStreamStartSelector": {"ProducerTimestamp": -1}}},
            ["'-1' at 'startSelector.kVSStreamStartSelector.producerTimestamp'", "Member must have value greater than or equal to 0"],
        ),
    ],
)
def test_rekognition(operation: str, params: dict[str, Any], failures: list[str]) -> None:
    error = refusal("rekognition", operation, params)
    texts = [failed(where, constraint) for where, constraint in zip(failures[::2], failures[1::2], strict=True)]
    assert error.code == "ValidationException"
    assert error.text == f"{len(texts)} validation error{'s' if len(texts) > 1 else ''} detected: {'; '.join(texts)}"


def test_members_of_lists_of_structures_are_counted_from_one() -> None:
    shape = load_service("iam").shapes["TagRoleRequest"]
    found = violations(shape, {"RoleName": "r", "Tags": [{"Key": "a", "Value": ""}, {"Key": "", "Value": "b"}, {"Value": "c"}]})
    assert [violation.location for violation in found] == ["tags.2.member.key", "tags.2.member.key", "tags.3.member.key"]
    assert [violation.path for violation in found][-1] == ("Tags", "3", "Key")


def test_members_of_maps_are_named_by_their_keys() -> None:
    shape = load_service("sns").shapes["PublishInput"]
    found = violations(shape, {"Message": "m", "MessageAttributes": {"attr1": {"StringValue": "x"}}})
    assert [str(violation) for violation in found] == [
        failed("null at 'messageAttributes.attr1.member.dataType'", "Member must not be null")
    ]


def test_structures_are_shown_as_java_shows_them() -> None:
    shape = load_service("iam").shapes["TagRoleRequest"]
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
    (violation,) = violations(shape, {"RoleName": "r", "Tags": tags})
    assert str(violation).startswith("Value '[Tag(key=k0, value=v), Tag(key=k1, value=v), ")
    assert str(violation).endswith("at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50")


def test_a_huge_request_gets_a_short_answer() -> None:
    shape = load_service("iam").shapes["TagRoleRequest"]
    assert len(violations(shape, {"RoleName": "r", "Tags": [{}] * 100_000})) == 100


def test_secrets_are_not_shown() -> None:
    error = refusal("iam", "CreateLoginProfile", {"UserName": "u", "Password": ""})
    assert error.text.startswith("2 validation errors detected: Value at 'password' failed to satisfy constraint: ")


def test_length_counts_code_points() -> None:
    shape = load_service("rekognition").shapes["TagResourceRequest"]
    arn = "arn:aws:rekognition:us-east-1:000000000000:collection/c"
    assert violations(shape, {"ResourceArn": arn, "Tags": {"𝔘" * 128: "v"}}) == []
    assert len(violations(shape, {"ResourceArn": arn, "Tags": {"𝔘" * 129: "v"}})) == 1


@pytest.mark.parametrize(
    ("service", "operation", "params", "code", "message"),
    [
        (
            "iam",
            "GetRole",
            {},
            "ValidationError",
            "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null",
        ),
        (
            "sns",
            "TagResource",
            {"ResourceArn": "a"},
            "ValidationError",
            "1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null",
        ),
        (
            "sqs",
            "SendMessage",
            {"QueueUrl": "q"},
            "MissingRequiredParameterException",
            "The request must contain the parameter MessageBody.",
        ),
        (
            "sqs",
            "DeleteMessageBatch",
            {"QueueUrl": "q", "Entries": [{"Id": "1"}]},
            "MissingRequiredParameterException",
            "The request must contain the parameter Entries.1.ReceiptHandle.",
        ),
        (
            "s3",
            "GetObjectAttributes",
            {"Bucket": "b", "Key": "k"},
            "InvalidRequest",
            "Missing required header for this request: x-amz-object-attributes",
        ),
        (
            "s3",
            "UploadPart",
            {"Bucket": "b", "Key": "k", "UploadId": "u"},
            "InvalidRequest",
            "Missing required parameter for this request: partNumber",
        ),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b"},
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        ),
        (
            "s3",
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{}]}},
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        ),
    ],
)
def test_other_services_have_their_own_words(service: str, operation: str, params: dict[str, Any], code: str, message: str) -> None:
    error = refusal(service, operation, params)
    assert (error.code, error.text) == (code, message)


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        (
            "rekognition",
            "StartLabelDetection",
            {"Video": VIDEO, "MinConfidence": 50.0, "NotificationChannel": CHANNEL, "ClientRequestToken": "a-b_9"},
        ),
        ("rekognition", "GetLabelDetection", {"JobId": JOB, "MaxResults": 5000, "NextToken": ""}),
        ("rekognition", "GetLabelDetection", {"JobId": JOB, "MaxResults": 2**31 - 1}),
        ("s3", "PutObject", {"Bucket": "b", "Key": "k", "StorageClass": "NO_SUCH"}),  # S3's operations judge their values themselves
        ("sqs", "GetQueueAttributes", {"QueueUrl": "q", "AttributeNames": ["All", "NoSuch"]}),
    ],
)
def test_what_is_allowed_passes(service: str, operation: str, params: dict[str, Any]) -> None:
    model = load_service(service).operation(operation)
    assert model is not None
    validate(load_service(service), model, params)
