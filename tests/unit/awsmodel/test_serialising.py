from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.replies import Reply
from openrek.awsmodel.serialise import Serialised, serialise, serialise_json_element
from openrek.awsmodel.services import load_service
from openrek.errors import ModelMismatchError

BOX = {"Width": 0.11109819263219833, "Top": 0.08, "Left": 0.88812053, "Height": 1}
ROW = {"Timestamp": 0, "Label": {"Name": "Größe", "Confidence": 60.517918, "Instances": [{"BoundingBox": BOX}], "Parents": []}}
ROW_JSON = (
    '{"Timestamp":0,"Label":{"Name":"Größe","Confidence":60.51791763305664,"Instances":[{"BoundingBox":{"Width":0.11109819263219833,'
    '"Top":0.07999999821186066,"Left":0.8881205320358276,"Height":1.0}}],"Parents":[]}}'
)
MOMENT = datetime(2017, 11, 16, 20, 49, 24, 756_000, tzinfo=UTC)


class Pieces:
    length = 4

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"abcd"


def reply(service_name: str, operation_name: str, result: dict[str, Any] | None) -> Reply:
    service = load_service(service_name)
    operation = service.operation(operation_name)
    assert operation is not None
    return serialise(service, operation, result, "request-id")


class TestJson:
    def test_row(self) -> None:
        assert serialise_json_element("rekognition", "LabelDetection", ROW).decode() == ROW_JSON

    @pytest.mark.parametrize("elements", [[ROW_JSON.encode()] * 3, b",".join([ROW_JSON.encode()] * 3)])
    def test_rows_are_spliced_in(self, elements: list[bytes] | bytes) -> None:
        answer = reply("rekognition", "GetLabelDetection", {"JobStatus": "SUCCEEDED", "Labels": Serialised(elements), "NextToken": None})
        assert answer.body == f'{{"JobStatus":"SUCCEEDED","Labels":[{ROW_JSON},{ROW_JSON},{ROW_JSON}]}}'.encode()
        assert answer.headers == [("x-amzn-RequestId", "request-id"), ("Content-Type", "application/x-amz-json-1.1")]
        assert reply("rekognition", "GetLabelDetection", {"Labels": Serialised([])}).body == b'{"Labels":[]}'

    def test_scalars(self) -> None:
        assert reply("rekognition", "DescribeCollection", {"FaceCount": 3, "CreationTimestamp": MOMENT}).body == (
            b'{"FaceCount":3,"CreationTimestamp":1510865364.756}'
        )
        assert reply("rekognition", "DescribeCollection", {"CreationTimestamp": 1510865364}).body == b'{"CreationTimestamp":1510865364}'
        message = {"MessageId": "1", "Body": '\u2028"\\\n\x00🎬', "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": b"hi"}}}
        answer = reply("sqs", "ReceiveMessage", {"Messages": [message]})
        assert isinstance(answer.body, bytes)
        assert json.loads(answer.body)["Messages"][0]["Body"] == message["Body"]
        assert b'"BinaryValue":"aGk="' in answer.body

    @pytest.mark.parametrize("result", [None, {}])
    def test_nothing_to_say(self, result: dict[str, Any] | None) -> None:
        assert reply("rekognition", "DeleteUser", result).body == b"{}"
        assert reply("sqs", "ReceiveMessage", result).body == b"{}"
        assert reply("sqs", "DeleteMessage", result).body == b""

    @pytest.mark.parametrize(
        "result",
        [
            {"Lables": []},
            {"Labels": [{"Timestamp": 0, "label": {}}]},
            {"Labels": [{"Timestamp": 0.5}]},
            {"Labels": [{"Timestamp": True}]},
            {"Labels": [{"Timestamp": 2**63}]},
            {"Labels": [None]},
            {"Labels": "none"},
            {"Labels": {"a": 1}},
            {"Labels": [[]]},
            {"JobId": 1},
            {"JobId": "\ud800"},
            {"VideoMetadata": []},
            {"VideoMetadata": {"FrameRate": float("nan")}},
            {"VideoMetadata": {"FrameRate": 1e39}},
            {"VideoMetadata": {"FrameRate": "25"}},
            {"VideoMetadata": {"FrameRate": False}},
            {"Labels": [{"Label": {"Instances": Serialised(b"{}"), "Confidence": b"1"}}]},
        ],
    )
    def test_what_the_model_does_not_have_is_refused(self, result: dict[str, Any]) -> None:
        with pytest.raises(ModelMismatchError):
            reply("rekognition", "GetLabelDetection", result)

    def test_a_result_of_an_operation_without_output_is_refused(self) -> None:
        with pytest.raises(ModelMismatchError, match="no output"):
            reply("sqs", "DeleteMessage", {"a": 1})

    @pytest.mark.parametrize("value", [datetime(2017, 11, 16), "2017", True])
    def test_a_timestamp_needs_a_zone(self, value: object) -> None:
        with pytest.raises(ModelMismatchError):
            reply("rekognition", "DescribeCollection", {"CreationTimestamp": value})


class TestQuery:
    def test_wrappers(self) -> None:
        answer = reply("sns", "CreateTopic", {"TopicArn": "a<b>&c"})
        assert answer.body == (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<CreateTopicResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
            b"<CreateTopicResult><TopicArn>a&lt;b&gt;&amp;c</TopicArn></CreateTopicResult>"
            b"<ResponseMetadata><RequestId>request-id</RequestId></ResponseMetadata></CreateTopicResponse>"
        )
        assert ("Content-Type", "text/xml") in answer.headers
        assert reply("sns", "DeleteTopic", {}).body == (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<DeleteTopicResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
            b"<ResponseMetadata><RequestId>request-id</RequestId></ResponseMetadata></DeleteTopicResponse>"
        )

    def test_lists_and_maps(self) -> None:
        body = reply("iam", "ListRoleTags", {"Tags": [{"Key": "a", "Value": ""}], "IsTruncated": False}).body
        assert "<Tags><member><Key>a</Key><Value/></member></Tags><IsTruncated>false</IsTruncated>" in str(body)
        body = reply("sns", "GetTopicAttributes", {"Attributes": {"Owner": "0"}}).body
        assert "<Attributes><entry><key>Owner</key><value>0</value></entry></Attributes>" in str(body)


class TestS3:
    def test_headers(self) -> None:
        answer = reply(
            "s3",
            "HeadObject",
            {"ContentLength": 7, "ETag": '"e"', "LastModified": MOMENT, "Metadata": {"a": "b"}, "DeleteMarker": True, "Expires": None},
        )
        assert answer.body == b""
        assert answer.headers == [
            ("x-amz-request-id", "request-id"),
            ("x-amz-id-2", "request-id"),
            ("Content-Length", "7"),
            ("ETag", '"e"'),
            ("Last-Modified", "Thu, 16 Nov 2017 20:49:24 GMT"),
            ("x-amz-meta-a", "b"),
            ("x-amz-delete-marker", "true"),
        ]

    def test_download(self) -> None:
        body = Pieces()
        answer = reply("s3", "GetObject", {"Body": body, "ContentType": "video/mp4"})
        assert answer.body is body
        assert answer.status == 200
        assert ("Content-Type", "video/mp4") in answer.headers
        assert reply("s3", "GetObject", {"Body": body, "ContentRange": "bytes 0-3/9"}).status == 206
        assert reply("s3", "HeadObject", {"ContentRange": "bytes 0-3/9"}).status == 206
        assert ("Content-Type", "binary/octet-stream") in reply("s3", "GetObject", {"Body": b""}).headers
        with pytest.raises(ModelMismatchError):
            reply("s3", "GetObject", {"Body": "text"})

    def test_documents(self) -> None:
        contents = [{"Key": "a\x01\r", "LastModified": MOMENT, "Size": 5}, {"Key": "b"}]
        answer = reply(
            "s3", "ListObjectsV2", {"Name": "b", "Contents": contents, "CommonPrefixes": [{"Prefix": "p/"}], "IsTruncated": False}
        )
        assert answer.body == (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
            b"<Contents><Key>a&#x1;&#xd;</Key><LastModified>2017-11-16T20:49:24.756Z</LastModified><Size>5</Size></Contents>"
            b"<Contents><Key>b</Key></Contents><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><IsTruncated>false</IsTruncated></ListBucketResult>"
        )
        assert ("Content-Type", "application/xml") in answer.headers

    @pytest.mark.parametrize(("region", "inner"), [("eu-west-1", b">eu-west-1</LocationConstraint>"), (None, b"></LocationConstraint>")])
    def test_location_is_the_root_itself(self, region: str | None, inner: bytes) -> None:
        body = reply("s3", "GetBucketLocation", {"LocationConstraint": region}).body
        assert isinstance(body, bytes)
        assert body.endswith(b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' + inner)

    def test_attributes(self) -> None:
        owner = {"Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": "i"}, "Permission": "READ"}]}
        body = reply("s3", "GetObjectAcl", owner).body
        assert isinstance(body, bytes)
        assert b'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>i</ID></Grantee>' in body

    def test_text_payload_and_no_content(self) -> None:
        assert reply("s3", "GetBucketPolicy", {"Policy": "{}"}).body == b"{}"
        assert reply("s3", "DeleteObject", {"VersionId": "v"}).status == 204

    def test_metadata_beyond_latin1_is_encoded_as_in_mail(self) -> None:
        headers = dict(reply("s3", "HeadObject", {"Metadata": {"a": "東京", "b": "é"}}).headers)
        assert (headers["x-amz-meta-a"], headers["x-amz-meta-b"]) == ("=?utf-8?b?5p2x5Lqs?=", "é")

    @pytest.mark.parametrize("text", ["a\r\nSet-Cookie: b", "a\nb", "\0", "\x7f"])
    def test_a_header_takes_no_line_breaks(self, text: str) -> None:
        with pytest.raises(ServiceError) as caught:
            reply("s3", "GetObject", {"ContentDisposition": text})
        assert caught.value.code == "InvalidArgument"

    def test_mismatches(self) -> None:
        for result in ({"ETAG": "x"}, {"ContentLength": "5"}, {"Metadata": ["a"]}, {"LastModified": "now"}):
            with pytest.raises(ModelMismatchError):
                reply("s3", "HeadObject", result)
        with pytest.raises(ModelMismatchError):
            reply("s3", "ListObjectsV2", {"Contents": [{"key": "a"}]})


def test_rest_json() -> None:
    answer = reply("lambda", "Invoke", {"StatusCode": 202, "FunctionError": "Unhandled", "Payload": b"{}"})
    assert (answer.status, answer.body) == (202, b"{}")
    assert ("X-Amz-Function-Error", "Unhandled") in answer.headers
    assert reply("lambda", "GetFunctionConcurrency", {"ReservedConcurrentExecutions": 1}).body == b'{"ReservedConcurrentExecutions":1}'
    for status in (7, "200", 1000):
        with pytest.raises(ModelMismatchError):
            reply("lambda", "Invoke", {"StatusCode": status})


def test_unknown_shapes_and_services() -> None:
    with pytest.raises(LookupError):
        serialise_json_element("rekognition", "Nonsense", {})
    with pytest.raises(LookupError, match="nonsense"):
        load_service("nonsense")
