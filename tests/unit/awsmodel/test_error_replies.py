from __future__ import annotations

import json

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.errors import error_reply, internal_error
from openrek.awsmodel.replies import Reply
from openrek.awsmodel.services import load_service
from openrek.errors import ModelMismatchError


def reply(service: str, error: ServiceError) -> Reply:
    return error_reply(load_service(service), error, "request-id", "/bucket/key")


def test_rekognition() -> None:
    answer = reply("rekognition", ServiceError("InvalidS3ObjectException", "Unable to get object metadata from S3."))
    assert answer.status == 400
    assert answer.body == (
        b'{"__type":"InvalidS3ObjectException","Code":"InvalidS3ObjectException","Logref":"request-id",'
        b'"Message":"Unable to get object metadata from S3."}'
    )
    assert answer.headers == [
        ("x-amzn-RequestId", "request-id"),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("x-amzn-errortype", "InvalidS3ObjectException"),
    ]


@pytest.mark.parametrize(
    ("code", "asked", "status"),
    [
        ("InternalServerError", 400, 500),
        ("ThrottlingException", 400, 400),
        ("ProvisionedThroughputExceededException", 400, 400),
        ("ValidationException", 400, 400),
        ("RequestEntityTooLargeException", 413, 413),
    ],
)
def test_status_of_rekognition(code: str, asked: int, status: int) -> None:
    assert reply("rekognition", ServiceError(code, status=asked)).status == status


def test_details_of_a_modelled_error() -> None:
    answer = reply("rekognition", ServiceError("HumanLoopQuotaExceededException", "m", details={"QuotaCode": "q"}))
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["QuotaCode"] == "q"
    for code in ("HumanLoopQuotaExceededException", "Unmodelled"):
        with pytest.raises(ModelMismatchError):
            reply("rekognition", ServiceError(code, "m", details={"Nonsense": "q"}))


def test_sqs_tells_the_code_of_its_old_protocol() -> None:
    answer = reply("sqs", ServiceError("QueueDoesNotExist", "The specified queue does not exist."))
    assert answer.body == b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}'
    assert ("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender") in answer.headers
    assert ("x-amzn-query-error", "ReceiptHandleIsInvalid;Sender") in reply("sqs", ServiceError("ReceiptHandleIsInvalid")).headers
    assert ("x-amzn-query-error", "InternalFailure;Receiver") in reply("sqs", internal_error(load_service("sqs"))).headers


@pytest.mark.parametrize("code", ["NotFoundException", "NotFound"])
def test_query_errors_are_known_by_name_and_by_code(code: str) -> None:
    answer = reply("sns", ServiceError(code, "Topic <x> does not exist"))
    assert answer.status == 404
    assert answer.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error>'
        b"<Type>Sender</Type><Code>NotFound</Code><Message>Topic &lt;x&gt; does not exist</Message></Error>"
        b"<RequestId>request-id</RequestId></ErrorResponse>"
    )


def test_s3() -> None:
    answer = reply(
        "s3",
        ServiceError("NoSuchKey", "The specified key does not exist.", details={"Key": "key"}, headers={"x-amz-delete-marker": "true"}),
    )
    assert answer.status == 404
    assert answer.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>'
        b"<Key>key</Key><Resource>/bucket/key</Resource><RequestId>request-id</RequestId><HostId>request-id</HostId></Error>"
    )
    assert ("x-amz-delete-marker", "true") in answer.headers
    assert reply("s3", ServiceError("InvalidRange", status=416)).status == 416


def test_not_modified_has_no_body() -> None:
    answer = reply("s3", ServiceError("NotModified", status=304, headers={"ETag": '"e"'}))
    assert (answer.status, answer.body) == (304, b"")
    assert ("ETag", '"e"') in answer.headers
    assert not any(name == "Content-Type" for name, _ in answer.headers)


def test_rest_json() -> None:
    answer = reply("lambda", ServiceError("ResourceNotFoundException", "Function not found"))
    assert answer.status == 404
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {"Type": "User", "Message": "Function not found"}
    assert ("x-amzn-errortype", "ResourceNotFoundException") in answer.headers


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("rekognition", "InternalServerError"),
        ("sqs", "InternalFailure"),
        ("sns", "InternalFailure"),
        ("iam", "InternalFailure"),
        ("sts", "InternalFailure"),
        ("s3", "InternalError"),
        ("lambda", "ServiceException"),
        ("logs", "InternalServerException"),
    ],
)
def test_our_own_failures_tell_nothing(service: str, code: str) -> None:
    answer = reply(service, internal_error(load_service(service)))
    assert answer.status == 500
    assert isinstance(answer.body, bytes)
    assert b"We encountered an internal error. Please try again." in answer.body
    assert code in answer.body.decode() + str(answer.headers)
