from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.parse import find_operation, parse
from openrek.awsmodel.requests import Request
from openrek.awsmodel.services import load_service

ROLE = {"Version": "2012-10-17"}


def json_params(body: bytes | str | dict[str, Any], target: str = "RekognitionService.StartLabelDetection") -> dict[str, Any]:
    raw = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    service = load_service({"RekognitionService": "rekognition", "AmazonSQS": "sqs"}[target.partition(".")[0]])
    request = Request("POST", "/", "", {"x-amz-target": target}, raw)
    match = find_operation(service, request)
    return parse(service, match.operation, request, match.labels)


def query_params(service_name: str, form: str) -> dict[str, Any]:
    service = load_service(service_name)
    request = Request("POST", "/", "", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, form.encode())
    match = find_operation(service, request)
    return parse(service, match.operation, request, match.labels)


def s3(method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b"") -> tuple[str, dict[str, Any]]:
    service = load_service("s3")
    request = Request(method, path, query, headers or {}, body)
    match = find_operation(service, request)
    return match.operation.name, parse(service, match.operation, request, match.labels)


class TestJson:
    def test_unknown_and_null_members_are_left_out(self) -> None:
        assert json_params({"Video": {"S3Object": {"Bucket": "b", "Nonsense": [1]}}, "JobTag": None, "Other": {}}) == {
            "Video": {"S3Object": {"Bucket": "b"}}
        }

    def test_no_body_is_an_empty_object(self) -> None:
        assert json_params(b"") == {}

    def test_numbers_become_what_the_shape_says(self) -> None:
        params = json_params({"MinConfidence": 50, "Settings": {"GeneralLabels": {}}})
        assert params["MinConfidence"] == 50.0
        assert type(params["MinConfidence"]) is float
        assert json_params({"MaxResults": 10.0}, "RekognitionService.GetLabelDetection") == {"MaxResults": 10}

    def test_blobs(self) -> None:
        assert json_params({"Image": {"Bytes": "aGVsbG8="}}, "RekognitionService.DetectFaces") == {"Image": {"Bytes": b"hello"}}

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"JobTag": 1}, "NUMBER_VALUE can not be converted to a String"),
            ({"JobTag": 1.5}, "DECIMAL_VALUE can not be converted to a String"),
            ({"JobTag": True}, "TRUE_VALUE can not be converted to a String"),
            ({"JobTag": ["a"]}, "Start of list found where not expected"),
            ({"JobTag": {}}, "Start of structure or map found where not expected."),
            ({"Video": "x"}, "Unexpected field type"),
            ({"Features": "GENERAL_LABELS"}, "Expected list or null"),
            ({"MinConfidence": "50"}, "STRING_VALUE can not be converted to a Float"),
            ({"MinConfidence": False}, "FALSE_VALUE can not be converted to a Float"),
            ({"MinConfidence": 1e39}, "The number does not fit into a Float"),
            ({"MinConfidence": 10**400}, "The number does not fit into a Float"),
        ],
    )
    def test_a_value_of_another_type_is_refused(self, body: dict[str, Any], message: str) -> None:
        with pytest.raises(ServiceError) as caught:
            json_params(body)
        assert (caught.value.code, caught.value.text, caught.value.status) == ("SerializationException", message, 400)

    @pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 1.5, "1", True, 10**30])
    def test_integers_have_32_bits(self, value: Any) -> None:
        with pytest.raises(ServiceError, match="Integer"):
            json_params({"MaxResults": value}, "RekognitionService.GetLabelDetection")

    @pytest.mark.parametrize(
        "body",
        [
            b'{"JobTag": "a"',
            b"[]",
            b'"x"',
            b"null",
            b"{",
            b'{"MinConfidence": NaN}',
            b'{"MinConfidence": -Infinity}',
            b'{"MinConfidence": 1e999}',
            b'{"JobTag": "\xff"}',
            b'{"JobTag": "\\ud800"}',
            b'{"MaxResults": ' + b"9" * 5000 + b"}",
            b'{"Other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b"\xef\xbb\xbf{}",
            b"{} {}",
        ],
    )
    def test_what_is_not_json_is_refused(self, body: bytes) -> None:
        with pytest.raises(ServiceError) as caught:
            json_params(body)
        assert (caught.value.code, caught.value.status) == ("SerializationException", 400)

    @pytest.mark.parametrize("data", ["a", "aGVsbG8", "not base64!", "aGVs bG8="])
    def test_a_blob_is_base64(self, data: str) -> None:
        with pytest.raises(ServiceError, match="base64"):
            json_params({"Image": {"Bytes": data}}, "RekognitionService.DetectFaces")

    @pytest.mark.parametrize(
        "target", ["RekognitionService.Nonsense", "Rekognition.StartLabelDetection", "StartLabelDetection", "", ".", "RekognitionService."]
    )
    def test_an_unknown_target_is_named(self, target: str) -> None:
        with pytest.raises(ServiceError) as caught:
            find_operation(load_service("rekognition"), Request("POST", "/", "", {"x-amz-target": target}))
        assert caught.value.code == "UnknownOperationException"
        assert target in caught.value.text


class TestQuery:
    def test_lists_maps_and_structures(self) -> None:
        assert query_params(
            "iam",
            "Action=TagRole&Version=2010-05-08&RoleName=r&Tags.member.2.Key=b&Tags.member.2.Value=&Tags.member.1.Key=a%26&Tags.member.1.Value=%C3%BC+1",
        ) == {"RoleName": "r", "Tags": [{"Key": "a&", "Value": "ü 1"}, {"Key": "b", "Value": ""}]}
        assert query_params(
            "sns", "Action=CreateTopic&Version=2010-03-31&Name=n&Attributes.entry.1.key=DisplayName&Attributes.entry.1.value=d"
        ) == {
            "Name": "n",
            "Attributes": {"DisplayName": "d"},
        }
        form = "Action=Publish&Message=m&MessageAttributes.entry.1.Name=a&MessageAttributes.entry.1.Value.DataType=Binary&MessageAttributes.entry.1.Value.BinaryValue=aGk%3D"
        assert query_params("sns", form) == {"Message": "m", "MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": b"hi"}}}

    def test_an_empty_list(self) -> None:
        assert query_params("iam", "Action=UntagRole&RoleName=r&TagKeys=") == {"RoleName": "r", "TagKeys": []}

    def test_ten_members_stay_in_order(self) -> None:
        keys = "&".join(f"TagKeys.member.{number}=k{number}" for number in reversed(range(1, 12)))
        assert query_params("iam", f"Action=UntagRole&{keys}")["TagKeys"] == [f"k{number}" for number in range(1, 12)]

    def test_scalars(self) -> None:
        assert query_params("sts", "Action=AssumeRole&DurationSeconds=900&RoleArn=a") == {"DurationSeconds": 900, "RoleArn": "a"}
        assert query_params("iam", "Action=GetAccountAuthorizationDetails&MaxItems=+5")["MaxItems"] == 5

    @pytest.mark.parametrize(
        ("service", "form"),
        [
            ("sts", "Action=AssumeRole&DurationSeconds=x"),
            ("sts", "Action=AssumeRole&DurationSeconds=99999999999"),
            ("iam", "Action=SetDefaultPolicyVersion&PolicyArn.x=1"),
            ("sns", "Action=Publish&MessageAttributes.entry.1.Value.DataType=String"),
            ("sns", "Action=Publish&MessageAttributes.entry.1.Name=a&MessageAttributes.entry.1.Value.BinaryValue=%21"),
        ],
    )
    def test_values_that_cannot_be_read(self, service: str, form: str) -> None:
        with pytest.raises(ServiceError) as caught:
            query_params(service, form)
        assert caught.value.code == "MalformedInput"

    @pytest.mark.parametrize("form", ["Action=Publish&Message=%ff", "Action=Publish&" + "a=b&" * 20_000])
    def test_forms_that_cannot_be_read(self, form: str) -> None:
        with pytest.raises(ServiceError, match="query string") as caught:
            query_params("sns", form)
        assert caught.value.code == "MalformedQueryString"

    def test_deep_names_do_no_harm(self) -> None:
        assert query_params("sns", f"Action=Publish&Message=m&{'a.' * 100_000}a=1") == {"Message": "m"}

    def test_unknown_actions(self) -> None:
        with pytest.raises(ServiceError, match="Could not find operation Nonsense for version 2010-03-31") as caught:
            query_params("sns", "Action=Nonsense&Version=2010-03-31")
        assert caught.value.code == "InvalidAction"


class TestS3:
    @pytest.mark.parametrize(
        ("method", "path", "query", "headers", "operation"),
        [
            ("GET", "/", "", {}, "ListBuckets"),
            ("GET", "/", "x-id=ListBuckets", {}, "ListBuckets"),
            ("PUT", "/b", "", {}, "CreateBucket"),
            ("PUT", "/b/", "", {}, "CreateBucket"),
            ("HEAD", "/b", "", {}, "HeadBucket"),
            ("DELETE", "/b", "", {}, "DeleteBucket"),
            ("GET", "/b", "", {}, "ListObjects"),
            ("GET", "/b", "list-type=2&prefix=a", {}, "ListObjectsV2"),
            ("GET", "/b", "versions", {}, "ListObjectVersions"),
            ("GET", "/b", "versions=&prefix=x", {}, "ListObjectVersions"),
            ("GET", "/b", "uploads", {}, "ListMultipartUploads"),
            ("GET", "/b", "location", {}, "GetBucketLocation"),
            ("GET", "/b", "versioning", {}, "GetBucketVersioning"),
            ("PUT", "/b", "versioning", {}, "PutBucketVersioning"),
            ("POST", "/b", "delete", {}, "DeleteObjects"),
            ("GET", "/b", "lifecycle", {}, "GetBucketLifecycleConfiguration"),
            ("PUT", "/b/k", "", {}, "PutObject"),
            ("PUT", "/b/k", "x-id=PutObject", {}, "PutObject"),
            ("PUT", "/b/k", "X-Amz-Algorithm=a&X-Amz-Credential=c&X-Amz-Signature=s", {}, "PutObject"),
            ("PUT", "/b/k", "AWSAccessKeyId=a&Signature=s&Expires=1", {}, "PutObject"),
            ("PUT", "/b/k", "", {"x-amz-copy-source": "a/b"}, "CopyObject"),
            ("PUT", "/b/k", "acl", {}, "PutObjectAcl"),
            ("PUT", "/b/k", "tagging", {}, "PutObjectTagging"),
            ("PUT", "/b/k", "partNumber=1&uploadId=u", {}, "UploadPart"),
            ("PUT", "/b/k", "partNumber=1&uploadId=u", {"x-amz-copy-source": "a/b"}, "UploadPartCopy"),
            ("POST", "/b/k", "uploads", {}, "CreateMultipartUpload"),
            ("POST", "/b/k", "uploads=", {}, "CreateMultipartUpload"),
            ("POST", "/b/k", "uploadId=u", {}, "CompleteMultipartUpload"),
            ("DELETE", "/b/k", "uploadId=u", {}, "AbortMultipartUpload"),
            ("GET", "/b/k", "uploadId=u", {}, "ListParts"),
            ("GET", "/b/k", "", {}, "GetObject"),
            ("GET", "/b/k", "partNumber=1", {}, "GetObject"),
            ("GET", "/b/k", "versionId=v&response-content-type=a", {}, "GetObject"),
            ("GET", "/b/k", "cachebuster=1", {}, "GetObject"),
            ("GET", "/b/k", "attributes", {"x-amz-object-attributes": "ETag"}, "GetObjectAttributes"),
            ("HEAD", "/b/k", "", {}, "HeadObject"),
            ("DELETE", "/b/k", "versionId=v", {}, "DeleteObject"),
        ],
    )
    def test_operations(self, method: str, path: str, query: str, headers: dict[str, str], operation: str) -> None:
        assert s3(method, path, query, headers)[0] == operation

    @pytest.mark.parametrize(
        ("method", "path", "query"),
        [
            ("PUT", "/b/k", "nonsense"),
            ("PUT", "/b/k", "nonsense=1"),
            ("PUT", "/b/k", "torrent"),
            ("PUT", "/b/k", "versionId=v"),
            ("PUT", "/b/k", "uploads"),
            ("DELETE", "/b/k", "acl"),
            ("DELETE", "/b", "nonsense"),
            ("DELETE", "/b", "versioning"),
            ("GET", "/b/k", "nonsense"),
            ("GET", "/b/k", "policy"),
            ("POST", "/b", ""),
            ("POST", "/b/k", "uploadId=u&acl"),
            ("PATCH", "/b/k", ""),
            ("OPTIONS", "/b/k", ""),
            ("GET", "//k", ""),
        ],
    )
    def test_an_unknown_sub_resource_is_not_implemented(self, method: str, path: str, query: str) -> None:
        with pytest.raises(ServiceError) as caught:
            s3(method, path, query)
        assert (caught.value.code, caught.value.status) == ("NotImplemented", 501)

    @pytest.mark.parametrize(
        ("path", "key"),
        [
            ("/b/a/b", "a/b"),
            ("/b/a/", "a/"),
            ("/b//a", "/a"),
            ("/b/a//b", "a//b"),
            ("/b/%E6%9D%B1+%2B%20%2F", "東++ /"),
            ("/b/a%00b", "a\0b"),
            ("/b/a%0Ab", "a\nb"),
            ("/b/..%2F..", "../.."),
            ("/b/%25", "%"),
            ("/b/a%zz", "a%zz"),
            ("/b/a;b=c?".rstrip("?"), "a;b=c"),
        ],
    )
    def test_keys(self, path: str, key: str) -> None:
        assert s3("GET", path)[1] == {"Bucket": "b", "Key": key}

    @pytest.mark.parametrize("path", ["/b/%ff", "/%ff/k", "/b/%ED%A0%80"])
    def test_a_key_that_is_not_utf8(self, path: str) -> None:
        with pytest.raises(ServiceError) as caught:
            s3("GET", path)
        assert caught.value.code == "InvalidURI"

    def test_headers_metadata_and_query(self) -> None:
        headers = {
            "x-amz-meta-One": "1",
            "x-amz-meta-two": "b, c",
            "content-type": "video/mp4",
            "x-amz-server-side-encryption-bucket-key-enabled": "TRUE",
            "if-none-match": "*",
            "x-amz-object-lock-retain-until-date": "2030-01-02T03:04:05Z",
        }
        _, params = s3("PUT", "/b/k", "", {name.lower(): value for name, value in headers.items()}, b"body")
        assert params == {
            "Bucket": "b",
            "Key": "k",
            "Body": b"body",
            "Metadata": {"one": "1", "two": "b, c"},
            "ContentType": "video/mp4",
            "BucketKeyEnabled": True,
            "IfNoneMatch": "*",
            "ObjectLockRetainUntilDate": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        }
        _, params = s3("GET", "/b", "list-type=2&max-keys=7&prefix=a%2Bb+c&encoding-type=url&fetch-owner=true")
        assert params == {"Bucket": "b", "MaxKeys": 7, "Prefix": "a+b c", "EncodingType": "url", "FetchOwner": True}

    def test_dates_that_cannot_be_read_are_ignored_as_http_has_it(self) -> None:
        _, params = s3("GET", "/b/k", "", {"if-modified-since": "yesterday", "if-unmodified-since": "Thu, 16 Nov 2017 20:49:24 GMT"})
        assert params == {"Bucket": "b", "Key": "k", "IfUnmodifiedSince": datetime(2017, 11, 16, 20, 49, 24, tzinfo=UTC)}

    def test_lists_in_headers(self) -> None:
        _, params = s3("GET", "/b/k", "attributes", {"x-amz-object-attributes": "ETag, ObjectSize,ObjectParts"})
        assert params["ObjectAttributes"] == ["ETag", "ObjectSize", "ObjectParts"]

    @pytest.mark.parametrize("query", ["max-keys=x", "max-keys=", "max-keys=1.5", "max-keys=99999999999", "max-keys=\u0661"])
    def test_numbers_that_cannot_be_read(self, query: str) -> None:
        with pytest.raises(ServiceError) as caught:
            s3("GET", "/b", query)
        assert (caught.value.code, caught.value.details) == ("InvalidArgument", {"ArgumentName": "max-keys"})

    @pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
    def test_xml(self, namespace: str) -> None:
        body = f"<?xml version='1.0'?><Delete{namespace}><Object><Key>a&amp;b</Key></Object>\n<Quiet>true</Quiet><Object><Key/><VersionId>v</VersionId><Other/></Object></Delete>"
        assert s3("POST", "/b", "delete", {}, body.encode())[1]["Delete"] == {
            "Objects": [{"Key": "a&b"}, {"Key": "", "VersionId": "v"}],
            "Quiet": True,
        }

    def test_xml_attributes(self) -> None:
        body = (
            b'<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><AccessControlList><Grant>'
            b'<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>i</ID></Grantee>'
            b"<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"
        )
        assert s3("PUT", "/b/k", "acl", {}, body)[1]["AccessControlPolicy"] == {
            "Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": "i"}, "Permission": "READ"}]
        }

    @pytest.mark.parametrize(
        "body",
        [
            b"<Delete>",
            b"<Delete><Quiet>perhaps</Quiet></Delete>",
            b"<Other/>",
            b"nonsense",
            b"\xff\xfe",
            b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>',
            b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Delete/>',
            b"<Delete>&undefined;</Delete>",
            b"<Delete><Object><Key><b/></Key></Object></Delete>",
            b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
            b"<Delete>" * 200_000,
            b"<Delete>" + b"<a>" * 200_000 + b"</a>" * 200_000 + b"</Delete",
        ],
    )
    def test_xml_that_cannot_be_read(self, body: bytes) -> None:
        with pytest.raises(ServiceError) as caught:
            s3("POST", "/b", "delete", {}, body)
        assert caught.value.code == "MalformedXML"


class TestRestJson:
    def test_labels_query_and_body(self) -> None:
        service = load_service("lambda")
        body = b'{"Description": "d", "Timeout": 3}'
        request = Request("PUT", "/2015-03-31/functions/my-function/configuration", "", {"content-type": "application/json"}, body)
        match = find_operation(service, request)
        assert match.operation.name == "UpdateFunctionConfiguration"
        assert parse(service, match.operation, request, match.labels) == {"FunctionName": "my-function", "Description": "d", "Timeout": 3}

    def test_blob_payload(self) -> None:
        service = load_service("lambda")
        path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af/invocations"
        request = Request("POST", path, "Qualifier=1", {"x-amz-invocation-type": "Event"}, b"\x00{}")
        match = find_operation(service, request)
        assert parse(service, match.operation, request, match.labels) == {
            "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "InvocationType": "Event",
            "Qualifier": "1",
            "Payload": b"\x00{}",
        }

    def test_malformed_body(self) -> None:
        service = load_service("lambda")
        request = Request("POST", "/2015-03-31/functions", "", {}, b"{")
        match = find_operation(service, request)
        with pytest.raises(ServiceError) as caught:
            parse(service, match.operation, request, match.labels)
        assert caught.value.code == "InvalidRequestContentException"
