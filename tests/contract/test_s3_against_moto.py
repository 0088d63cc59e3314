"""One boto3 program, run against moto and against ours: the answers are the same, but for what is listed and justified here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from s3_servers import client, serving

MIB = 1024 * 1024
Answers = list[tuple[str, Any]]

# Members that say who, and such as moto leaves out.
IGNORED = {
    "ResponseMetadata",
    "Owner",
    "Initiator",
    "BucketArn",
    "AccessPointAlias",
    "BucketRegion",
    "AcceptRanges",
    "Location",
    # What a client asked, repeated.
    "EncodingType",
    "Marker",
    "ContinuationToken",
    "NextKeyMarker",
    "NextUploadIdMarker",
    # S3 computes a checksum where the client sends none, and tells its kind.
    "ChecksumCRC64NVME",
    "ChecksumType",
    "ChecksumAlgorithm",
}
# Where we follow AWS's reference and moto does not: of which answer, and what we say.
DIFFERENT: dict[tuple[str, int], Any] = {
    ("buckets", 5): {"Buckets": [{"Name": "abroad", "CreationDate": "a time"}, {"Name": "first", "CreationDate": "a time"}]},  # by name
    ("buckets", 13): {},  # moto: status 204
    ("objects", 24): (412, "PreconditionFailed"),  # moto passes over conditions of a copy
    ("versions", 8): {"VersionId": "null"},
    ("versions", 12): (405, "MethodNotAllowed"),  # a delete marker can only be deleted
    ("versions", 16): {"DeleteMarker": True},
    ("uploads", 7): (400, "InvalidPartOrder"),
    ("uploads", 9): {"ETag": '"dc2bc882b07e1e67a48bed8997ce6caf-2"'},  # moto: version null in a bucket without versions
    ("uploads", 12): {"ContentRange": "bytes 5242880-5242886/5242887", "ContentType": "video/mp4"},
}


class Program:
    """Calls a client and writes down what it answers."""

    def __init__(self, s3: Any) -> None:
        self.s3 = s3
        self.answers: Answers = []
        self._ids: dict[str, str] = {}

    def __call__(self, method: str, /, **params: Any) -> dict[str, Any]:
        call = f"{len(self.answers)} {method} {_short(self._plain(params))}"
        try:
            result = getattr(self.s3, method)(**params)
        except ClientError as error:
            self.answers.append((call, (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"])))
            return {}
        if "Body" in result:
            result["Body"] = result["Body"].read()
        self.answers.append((call, (result["ResponseMetadata"]["HTTPStatusCode"], self._plain(result))))
        return dict(result)

    def _plain(self, value: Any) -> Any:
        """Without what differs from run to run: times, and ids by the order of their appearance."""
        if isinstance(value, dict):
            kept = {name: self._named(name, item) for name, item in value.items() if name not in IGNORED}
            return {name: item for name, item in kept.items() if item not in (None, [], {}, "")}
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        return "a time" if isinstance(value, datetime) else value

    def _named(self, name: str, value: Any) -> Any:
        if re.search(r"VersionId|UploadId|Token", name) and value not in (None, "", "null"):
            return self._ids.setdefault(value, f"id {len(self._ids)}")
        return self._plain(value)


def _short(params: dict[str, Any]) -> dict[str, Any]:
    return {name: f"{len(value)} bytes" if isinstance(value, bytes) and len(value) > 99 else value for name, value in params.items()}


def buckets(do: Program) -> None:
    do("create_bucket", Bucket="first")
    do("create_bucket", Bucket="first")
    do("create_bucket", Bucket="abroad", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    do("create_bucket", Bucket="abroad", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    do("create_bucket", Bucket="classic", CreateBucketConfiguration={"LocationConstraint": "us-east-1"})
    do("list_buckets")
    do("head_bucket", Bucket="first")
    do("head_bucket", Bucket="nobody")
    do("get_bucket_location", Bucket="first")
    do("get_bucket_location", Bucket="abroad")
    do("list_objects_v2", Bucket="nobody")
    do("get_bucket_versioning", Bucket="first")
    do("get_bucket_tagging", Bucket="first")
    do("put_bucket_tagging", Bucket="first", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    do("get_bucket_tagging", Bucket="first")
    do("delete_bucket_tagging", Bucket="first")
    do("get_bucket_policy", Bucket="first")
    do("get_bucket_cors", Bucket="first")
    do("put_object", Bucket="first", Key="k", Body=b"x")
    do("delete_bucket", Bucket="first")
    do("delete_object", Bucket="first", Key="k")
    do("delete_bucket", Bucket="first")
    do("delete_bucket", Bucket="first")


def objects(do: Program) -> None:
    do("create_bucket", Bucket="bucket")
    do("get_object", Bucket="bucket", Key="absent")
    do("head_object", Bucket="bucket", Key="absent")
    do("put_object", Bucket="nobody", Key="k", Body=b"x")
    do(
        "put_object",
        Bucket="bucket",
        Key="a/k",
        Body=b"hello",
        ContentType="text/x-mine",
        CacheControl="no-store",
        ContentDisposition="inline",
        ContentLanguage="de",
        Metadata={"one": "1"},
        Tagging="t=1",
    )
    do("get_object", Bucket="bucket", Key="a/k")
    do("head_object", Bucket="bucket", Key="a/k")
    do("get_object_tagging", Bucket="bucket", Key="a/k")
    for text in ("bytes=0-0", "bytes=1-", "bytes=-2", "bytes=2-99", "bytes=9-"):
        do("get_object", Bucket="bucket", Key="a/k", Range=text)
    etag = f'"{hashlib.md5(b"hello").hexdigest()}"'
    for conditions in ({"IfMatch": etag}, {"IfMatch": '"x"'}, {"IfNoneMatch": etag}, {"IfNoneMatch": '"x"'}):
        do("get_object", Bucket="bucket", Key="a/k", **conditions)
    do("put_object", Bucket="bucket", Key="a/k", Body=b"x", IfNoneMatch="*")
    do("copy_object", Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "a/k"})
    do("head_object", Bucket="bucket", Key="copy")
    do("copy_object", Bucket="bucket", Key="copy", CopySource="bucket/a/k", MetadataDirective="REPLACE", Metadata={"two": "2"})
    do("head_object", Bucket="bucket", Key="copy")
    do("copy_object", Bucket="bucket", Key="copy", CopySource="bucket/copy")
    do("copy_object", Bucket="bucket", Key="copy", CopySource="bucket/absent")
    do("copy_object", Bucket="bucket", Key="copy", CopySource="bucket/a/k", CopySourceIfMatch='"x"')
    do("get_object_attributes", Bucket="bucket", Key="a/k", ObjectAttributes=["ETag", "ObjectSize", "StorageClass"])
    do("delete_objects", Bucket="bucket", Delete={"Objects": [{"Key": "copy"}, {"Key": "absent"}]})
    do("delete_object", Bucket="bucket", Key="absent")
    do("list_objects_v2", Bucket="bucket")


def listings(do: Program) -> None:
    do("create_bucket", Bucket="bucket")
    for key in ("a", "a/1", "a/2", "b/x/1", "b/y", "c d", "ä", "z"):
        do("put_object", Bucket="bucket", Key=key, Body=key.encode())
    for query in ({}, {"Prefix": "a"}, {"Delimiter": "/"}, {"Prefix": "b/", "Delimiter": "/"}, {"Prefix": "none"}, {"Delimiter": "x/"}):
        do("list_objects_v2", Bucket="bucket", **query)
        do("list_objects", Bucket="bucket", **query)
        do("list_object_versions", Bucket="bucket", **query)
    do("list_objects_v2", Bucket="bucket", StartAfter="a/2")
    do("list_objects", Bucket="bucket", Marker="a/2")
    page = do("list_objects_v2", Bucket="bucket", MaxKeys=3)
    do("list_objects_v2", Bucket="bucket", MaxKeys=100, ContinuationToken=page["NextContinuationToken"])
    do("list_objects_v2", Bucket="bucket", MaxKeys=0)


def versions(do: Program) -> None:
    do("create_bucket", Bucket="bucket")
    do("put_object", Bucket="bucket", Key="k", Body=b"null")
    do("put_bucket_versioning", Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    do("get_bucket_versioning", Bucket="bucket")
    first = do("put_object", Bucket="bucket", Key="k", Body=b"one")["VersionId"]
    do("put_object", Bucket="bucket", Key="k", Body=b"two")
    do("get_object", Bucket="bucket", Key="k")
    do("get_object", Bucket="bucket", Key="k", VersionId=first)
    do("get_object", Bucket="bucket", Key="k", VersionId="null")
    marker = do("delete_object", Bucket="bucket", Key="k")["VersionId"]
    do("get_object", Bucket="bucket", Key="k")
    do("head_object", Bucket="bucket", Key="k")
    do("get_object", Bucket="bucket", Key="k", VersionId=marker)
    do("list_objects_v2", Bucket="bucket")
    do("list_object_versions", Bucket="bucket")
    do("copy_object", Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "k", "VersionId": first})
    do("delete_object", Bucket="bucket", Key="k", VersionId=marker)
    do("get_object", Bucket="bucket", Key="k")
    do("delete_object", Bucket="bucket", Key="k", VersionId=first)
    do("list_object_versions", Bucket="bucket", Prefix="k")
    do("delete_objects", Bucket="bucket", Delete={"Objects": [{"Key": "k", "VersionId": "null"}]})
    do("list_object_versions", Bucket="bucket", Prefix="k")


def uploads(do: Program) -> None:
    do("create_bucket", Bucket="bucket")
    first, last = b"a" * (5 * MIB), b"the end"
    named = {"Bucket": "bucket", "Key": "k"}
    named["UploadId"] = do("create_multipart_upload", **named, ContentType="video/mp4", Metadata={"m": "1"})["UploadId"]
    do("list_multipart_uploads", Bucket="bucket")
    tags = [do("upload_part", **named, PartNumber=number, Body=body)["ETag"] for number, body in ((1, first), (2, last))]
    do("list_parts", **named)
    for parts in ([(1, '"x"')], [(2, tags[1]), (1, tags[0])], [(1, tags[0]), (3, tags[1])]):
        listed = [{"PartNumber": number, "ETag": tag} for number, tag in parts]
        do("complete_multipart_upload", **named, MultipartUpload={"Parts": listed})
    listed = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
    do("complete_multipart_upload", **named, MultipartUpload={"Parts": listed})
    do("head_object", Bucket="bucket", Key="k")
    do("get_object", Bucket="bucket", Key="k", Range=f"bytes={5 * MIB - 2}-{5 * MIB + 2}")
    do("head_object", Bucket="bucket", Key="k", PartNumber=2)
    do("list_multipart_uploads", Bucket="bucket")
    named["UploadId"] = do("create_multipart_upload", **{name: named[name] for name in ("Bucket", "Key")})["UploadId"]
    do("upload_part_copy", **named, PartNumber=1, CopySource="bucket/k", CopySourceRange="bytes=0-9")
    do("list_parts", **named)
    do("abort_multipart_upload", **named)
    do("list_parts", **named)
    do("abort_multipart_upload", **named)


@pytest.mark.parametrize("program", [buckets, objects, listings, versions, uploads], ids=lambda program: program.__name__)
def test_the_same_answers(program: Callable[[Program], None], tmp_path: Path) -> None:
    with mock_aws():
        theirs = Program(client(None))
        program(theirs)
    with serving(tmp_path) as endpoint:
        ours = Program(client(endpoint))
        program(ours)
    assert [call for call, _ in ours.answers] == [call for call, _ in theirs.answers]
    for number, ((call, answer), (_, other)) in enumerate(zip(ours.answers, theirs.answers, strict=True)):
        expected = DIFFERENT.get((program.__name__, number))
        if expected is None:
            assert answer == other, call
        else:
            assert answer != other, call
            assert answer == expected if isinstance(expected, tuple) else expected.items() <= answer[1].items(), call
