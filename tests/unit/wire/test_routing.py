from __future__ import annotations

import pytest

from openrek.awsmodel.services import load_service
from openrek.wire.routing import Signature, bucket_in_host, find_signature, headers_in_query, service_by_action, service_by_target

SERVICES = [load_service(name) for name in ("rekognition", "sqs", "sns", "iam", "sts", "s3")]
V4 = "AWS4-HMAC-SHA256 Credential={}/20250101/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=abc"


@pytest.mark.parametrize(
    ("headers", "query", "signature"),
    [
        ({"authorization": V4.format("AKID", "rekognition")}, {}, Signature("AKID", "rekognition", "eu-west-1")),
        ({"authorization": V4.format("a/b/c", "s3").replace(", ", ",")}, {}, Signature("a/b/c", "s3", "eu-west-1")),
        ({}, {"X-Amz-Credential": "AKID/20250101/us-east-1/sts/aws4_request"}, Signature("AKID", "sts", "us-east-1")),
        (
            {"authorization": V4.format("AKID", "iam")},
            {"X-Amz-Credential": "B/20250101/us-east-1/sts/aws4_request"},
            Signature("AKID", "iam", "eu-west-1"),
        ),
        ({}, {"AWSAccessKeyId": "AKID", "Signature": "s", "Expires": "1"}, Signature("AKID", "s3", "")),
        ({}, {"AWSAccessKeyId": "AKID", "Signature": "s", "Action": "Publish"}, None),
        ({"authorization": "AWS AKID:signature="}, {}, Signature("AKID", "s3", "")),
        (
            {
                "authorization": "AWS4-ECDSA-P256-SHA256 Credential=AKID/20250101/s3/aws4_request, SignedHeaders=a",
                "x-amz-region-set": "eu-west-1,us-east-1",
            },
            {},
            Signature("AKID", "s3", "eu-west-1"),
        ),
        (
            {"authorization": "AWS4-ECDSA-P256-SHA256 Credential=AKID/20250101/s3/aws4_request", "x-amz-region-set": "*"},
            {},
            Signature("AKID", "s3", ""),
        ),
        ({"authorization": "Bearer x"}, {}, None),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=nonsense"}, {}, None),
        ({"authorization": "AWS4-HMAC-SHA256"}, {}, None),
        ({}, {}, None),
    ],
)
def test_signatures(headers: dict[str, str], query: dict[str, str], signature: Signature | None) -> None:
    assert find_signature(headers, query) == signature


@pytest.mark.parametrize(
    ("target", "service"),
    [
        ("RekognitionService.DetectFaces", "rekognition"),
        ("AmazonSQS.Nonsense", "sqs"),
        ("Logs_20140328.PutLogEvents", None),
        ("", None),
        (".x", None),
    ],
)
def test_targets(target: str, service: str | None) -> None:
    found = service_by_target({"x-amz-target": target}, SERVICES)
    assert (found.name if found else None) == service


@pytest.mark.parametrize(
    ("path", "query", "service"),
    [
        ("/", {"Action": "Publish", "Version": "2010-03-31"}, "sns"),
        ("/", {"Action": "Nonsense", "Version": "2010-05-08"}, "iam"),
        ("/", {"Action": "GetCallerIdentity", "Version": "2011-06-15"}, "sts"),
        ("/", {"Action": "SendMessage", "Version": "2012-11-05"}, None),
        ("/", {"Action": "ConfirmSubscription", "TopicArn": "t", "Token": "t"}, "sns"),
        ("/", {"Action": "Unsubscribe", "SubscriptionArn": "s"}, "sns"),
        ("/bucket/key", {"Action": "Unsubscribe"}, None),
        ("/", {"Version": "2010-03-31"}, None),
    ],
)
def test_actions(path: str, query: dict[str, str], service: str | None) -> None:
    found = service_by_action(path, query, SERVICES)
    assert (found.name if found else None) == service


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("localhost:4599", None),
        ("127.0.0.1:4599", None),
        ("[::1]:4599", None),
        ("[::1]", None),
        ("bucket.localhost:4599", "bucket"),
        ("My.Bucket.localhost", "my.bucket"),
        ("bucket.s3.localhost:4599", "bucket"),
        ("a.b.s3.eu-west-1.localhost", "a.b"),
        ("s3.localhost", None),
        ("s3.us-gov-west-1.localhost", None),
        ("bucket.s3.video.example", "bucket"),
        ("bucket.video.example:80", "bucket"),
        ("video.example", None),
        ("evil-video.example", None),
        ("other.example", None),
        ("s3-backup.localhost", "s3-backup"),
        ("", None),
    ],
)
def test_buckets_in_host_names(host: str, bucket: str | None) -> None:
    assert bucket_in_host(host, ("video.example", "localhost")) == bucket


def test_headers_in_presigned_urls() -> None:
    carried = {"x-amz-meta-camera": "12", "X-Amz-Meta-Café": "ü", "x-amz-storage-class": "STANDARD"}
    others = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32", "x-id": "PutObject"}
    for signature in ({"X-Amz-Credential": "AKID/20250101/us-east-1/s3/aws4_request"}, {"AWSAccessKeyId": "AKID", "Signature": "s"}):
        assert headers_in_query(signature | carried | others) == {name.lower(): value for name, value in carried.items()}
    assert headers_in_query(carried) == {}
