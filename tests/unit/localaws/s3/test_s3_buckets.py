"""Buckets, their configurations, and copies between them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from s3_support import CALLER, S3, refused

from openrek.localaws.s3.names import is_bucket_name

IRELAND = replace(CALLER, region="eu-west-1")


def test_names() -> None:
    for name in ("abc", "a.b.c", "0-9", "x" * 63, "my-videos.example.com"):
        assert is_bucket_name(name)
    for name in (
        "ab",
        "x" * 64,
        "Upper",
        "under_score",
        "-a-b",
        "a-b-",
        ".abc",
        "a..b",
        "a.-b",
        "192.168.0.1",
        "xn--abc",
        "a-s3alias",
        "a/b",
        "",
        "...",
    ):
        assert not is_bucket_name(name)


def test_create_and_delete(s3: S3) -> None:
    assert s3("CreateBucket", Bucket="second")["Location"] == "/second"
    assert (s3.data / "buckets" / "second").is_dir()
    assert [bucket["Name"] for bucket in s3("ListBuckets")["Buckets"]] == ["second", "videos"]
    s3("DeleteBucket", Bucket="second")
    for operation in ("DeleteBucket", "HeadBucket", "GetBucketLocation", "ListObjects"):
        with refused("NoSuchBucket", 404):
            s3(operation, Bucket="second")
    with refused("InvalidBucketName", 400):
        s3("CreateBucket", Bucket="Not_A_Name")
    with refused("NotImplemented", 501):
        s3("CreateBucket", Bucket="locked", ObjectLockEnabledForBucket=True)


def test_create_again(s3: S3) -> None:
    s3.put("k", b"x")
    s3("CreateBucket", Bucket="videos")  # as in us-east-1 since the beginning
    assert s3.get("k") == b"x"
    with refused("BucketAlreadyOwnedByYou", 409):
        s3("CreateBucket", IRELAND, Bucket="videos", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3("CreateBucket", IRELAND, Bucket="irish", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for caller in (IRELAND, CALLER):
        with refused("BucketAlreadyOwnedByYou", 409):
            s3("CreateBucket", caller, Bucket="irish", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})


def test_regions(s3: S3) -> None:
    assert s3("HeadBucket", Bucket="videos")["BucketRegion"] == "us-east-1"
    assert s3("GetBucketLocation", Bucket="videos") == {}
    s3("CreateBucket", Bucket="from-afar", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3("GetBucketLocation", Bucket="from-afar") == {"LocationConstraint": "eu-west-1"}
    assert s3("HeadBucket", Bucket="from-afar")["BucketRegion"] == "eu-west-1"
    with refused("IllegalLocationConstraintException", 400, "unspecified"):
        s3("CreateBucket", IRELAND, Bucket="somewhere")
    with refused("IllegalLocationConstraintException", 400, "eu-central-1"):
        s3("CreateBucket", IRELAND, Bucket="somewhere", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    with refused("InvalidLocationConstraint", 400):
        s3("CreateBucket", Bucket="somewhere", CreateBucketConfiguration={"LocationConstraint": "us-east-1"})
    assert [bucket["Name"] for bucket in s3("ListBuckets", BucketRegion="eu-west-1")["Buckets"]] == ["from-afar"]


def test_a_folder_made_by_hand_is_a_bucket(s3: S3) -> None:
    folder = s3.data / "buckets" / "by-hand"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"x")
    (s3.data / "buckets" / "No Bucket").mkdir()
    assert [bucket["Name"] for bucket in s3("ListBuckets")["Buckets"]] == ["by-hand", "videos"]
    assert s3.keys("by-hand") == ["a.mp4"]
    s3.versioning("Enabled", "by-hand")
    assert s3("GetBucketVersioning", Bucket="by-hand") == {"Status": "Enabled"}
    shutil.rmtree(folder)
    with refused("NoSuchBucket"):
        s3.keys("by-hand")
    s3("CreateBucket", Bucket="by-hand")
    assert s3("GetBucketVersioning", Bucket="by-hand") == {}


def test_pages_of_buckets(s3: S3) -> None:
    for name in ("b-1", "b-2", "b-3", "c-1"):
        s3("CreateBucket", Bucket=name)
    page = s3("ListBuckets", MaxBuckets=2, Prefix="b-")
    assert ([bucket["Name"] for bucket in page["Buckets"]], page["Prefix"]) == (["b-1", "b-2"], "b-")
    page = s3("ListBuckets", MaxBuckets=2, Prefix="b-", ContinuationToken=page["ContinuationToken"])
    assert [bucket["Name"] for bucket in page["Buckets"]] == ["b-3"]
    assert "ContinuationToken" not in page
    for wrong in ({"MaxBuckets": 0}, {"ContinuationToken": "no token"}):
        with refused("InvalidArgument", 400):
            s3("ListBuckets", **wrong)


def test_a_bucket_begins_empty_after_another_of_its_name(s3: S3) -> None:
    s3.put("a/b", b"deep")
    s3.put("a", b"beside")
    s3("PutBucketTagging", Bucket="videos", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3("CreateMultipartUpload", Bucket="videos", Key="k")
    with refused("BucketNotEmpty", 409):
        s3("DeleteBucket", Bucket="videos")
    s3.delete("a/b")
    with refused("BucketNotEmpty", 409):
        s3("DeleteBucket", Bucket="videos")
    s3.delete("a")
    s3("DeleteBucket", Bucket="videos")
    s3("CreateBucket", Bucket="videos")
    assert s3("ListMultipartUploads", Bucket="videos")["Uploads"] == []
    with refused("NoSuchTagSet"):
        s3("GetBucketTagging", Bucket="videos")
    assert s3.keys() == []
    s3.put("a/", b"x")
    assert s3.keys() == ["a/"]


def test_versioning(s3: S3) -> None:
    assert s3("GetBucketVersioning", Bucket="videos") == {}
    with refused("IllegalVersioningConfigurationException", 400):
        s3("PutBucketVersioning", Bucket="videos", VersioningConfiguration={})
    with refused("NotImplemented", 501):
        s3("PutBucketVersioning", Bucket="videos", VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"})
    s3.versioning("Suspended")
    assert s3("GetBucketVersioning", Bucket="videos") == {"Status": "Suspended"}


@pytest.mark.parametrize(
    ("name", "member", "value", "shown", "missing"),
    [
        ("BucketPolicy", "Policy", '{"Version": "2012-10-17"}', {"Policy": '{"Version": "2012-10-17"}'}, "NoSuchBucketPolicy"),
        ("BucketTagging", "Tagging", {"TagSet": [{"Key": "a", "Value": "b"}]}, {"TagSet": [{"Key": "a", "Value": "b"}]}, "NoSuchTagSet"),
        (
            "BucketCors",
            "CORSConfiguration",
            {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 5}]},
            {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 5}]},
            "NoSuchCORSConfiguration",
        ),
    ],
)
def test_configurations_are_kept(s3: S3, name: str, member: str, value: Any, shown: Any, missing: str) -> None:
    with refused(missing, 404):
        s3(f"Get{name}", Bucket="videos")
    s3(f"Put{name}", Bucket="videos", **{member: value})
    again = S3(s3.data, s3.clock)
    assert again(f"Get{name}", Bucket="videos") == shown
    again(f"Delete{name}", Bucket="videos")
    with refused(missing, 404):
        s3(f"Get{name}", Bucket="videos")
    with refused("NoSuchBucket", 404):
        s3(f"Put{name}", Bucket="nobody", **{member: value})


def test_configurations_that_every_bucket_has(s3: S3) -> None:
    assert set(s3("GetPublicAccessBlock", Bucket="videos")["PublicAccessBlockConfiguration"].values()) == {True}
    s3("PutPublicAccessBlock", Bucket="videos", PublicAccessBlockConfiguration={"BlockPublicAcls": False})
    assert s3("GetPublicAccessBlock", Bucket="videos")["PublicAccessBlockConfiguration"] == {"BlockPublicAcls": False}
    s3("DeletePublicAccessBlock", Bucket="videos")
    with refused("NoSuchPublicAccessBlockConfiguration", 404):
        s3("GetPublicAccessBlock", Bucket="videos")
    rules = s3("GetBucketOwnershipControls", Bucket="videos")["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    s3("CreateBucket", Bucket="other", ObjectOwnership="ObjectWriter")
    rules = s3("GetBucketOwnershipControls", Bucket="other")["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "ObjectWriter"}]
    assert s3("GetBucketRequestPayment", Bucket="videos") == {"Payer": "BucketOwner"}
    with refused("NoSuchLifecycleConfiguration", 404):
        s3("GetBucketLifecycleConfiguration", Bucket="videos")
    with refused("MalformedPolicy", 400):
        s3("PutBucketPolicy", Bucket="videos", Policy="no JSON")
    with refused("InvalidTag", 400):
        s3("PutBucketTagging", Bucket="videos", Tagging={"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]})


def test_access_control_lists(s3: S3) -> None:
    s3.put("k", b"x", ACL="public-read")
    for found in (s3("GetBucketAcl", Bucket="videos"), s3("GetObjectAcl", Bucket="videos", Key="k")):
        (grant,) = found["Grants"]
        assert (grant["Permission"], grant["Grantee"]["ID"]) == ("FULL_CONTROL", found["Owner"]["ID"])
    s3("PutBucketAcl", Bucket="videos", ACL="private")
    s3("PutObjectAcl", Bucket="videos", Key="k", ACL="bucket-owner-full-control")
    for refusal in ({"ACL": "public-read"}, {"GrantRead": "uri=x"}, {"AccessControlPolicy": {}}):
        with refused("AccessControlListNotSupported", 400):
            s3("PutBucketAcl", Bucket="videos", **refusal)
        with refused("AccessControlListNotSupported", 400):
            s3("PutObjectAcl", Bucket="videos", Key="k", **refusal)
    with refused("NoSuchKey", 404):
        s3("GetObjectAcl", Bucket="videos", Key="absent")


def test_copies(s3: S3) -> None:
    s3("CreateBucket", Bucket="other")
    s3.put("a b/ü+?.mp4", b"x" * 3_000_000, ContentType="video/mp4", Metadata={"n": "1"}, Tagging="t=1", WebsiteRedirectLocation="/x")
    source = "videos/a%20b/%C3%BC%2B%3F.mp4"
    result = s3("CopyObject", Bucket="other", Key="c/opy", CopySource=source)["CopyObjectResult"]
    assert s3.get("c/opy", "other") == b"x" * 3_000_000
    head, original = s3.head("c/opy", "other"), s3.head("a b/ü+?.mp4")
    assert (head["ETag"], head["ContentType"], head["Metadata"], head["TagCount"]) == (original["ETag"], "video/mp4", {"n": "1"}, 1)
    assert result["ETag"] == original["ETag"]
    assert "WebsiteRedirectLocation" not in head
    s3(
        "CopyObject",
        Bucket="other",
        Key="c/opy",
        CopySource="/" + source,
        MetadataDirective="REPLACE",
        Metadata={"n": "2"},
        TaggingDirective="REPLACE",
        Tagging="t=2&u=3",
    )
    head = s3.head("c/opy", "other")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("binary/octet-stream", {"n": "2"}, 2)


def test_a_copy_to_itself(s3: S3) -> None:
    s3.put("k", b"x", Metadata={"n": "1"})
    with refused("InvalidRequest", 400, "to itself"):
        s3("CopyObject", Bucket="videos", Key="k", CopySource="videos/k")
    s3("CopyObject", Bucket="videos", Key="k", CopySource="videos/k", MetadataDirective="REPLACE", Metadata={"n": "2"})
    assert (s3.get("k"), s3.head("k")["Metadata"]) == (b"x", {"n": "2"})
    s3("CopyObject", Bucket="videos", Key="k", CopySource="videos/k", StorageClass="STANDARD_IA")
    assert s3.head("k")["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"CopySourceIfMatch": "ETAG"}, True),
        ({"CopySourceIfMatch": "x"}, False),
        ({"CopySourceIfNoneMatch": "x"}, True),
        ({"CopySourceIfNoneMatch": "ETAG"}, False),
        ({"CopySourceIfModifiedSince": -1}, True),
        ({"CopySourceIfModifiedSince": 0}, False),
        ({"CopySourceIfUnmodifiedSince": 0}, True),
        ({"CopySourceIfUnmodifiedSince": -1}, False),
        ({"CopySourceIfMatch": "ETAG", "CopySourceIfUnmodifiedSince": -1}, True),
        ({"CopySourceIfNoneMatch": "ETAG", "CopySourceIfModifiedSince": -1}, False),
    ],
)
def test_conditions_of_copies(s3: S3, conditions: dict[str, Any], holds: bool) -> None:
    etag = s3.put("k", b"x")["ETag"]
    modified = s3.head("k")["LastModified"]
    params = {
        name: modified + timedelta(seconds=value) if isinstance(value, int) else value.replace("ETAG", etag)
        for name, value in conditions.items()
    }
    if holds:
        s3("CopyObject", Bucket="videos", Key="copy", CopySource="videos/k", **params)
        return
    with refused("PreconditionFailed", 412):
        s3("CopyObject", Bucket="videos", Key="copy", CopySource="videos/k", **params)


def test_sources_that_are_not_there(s3: S3) -> None:
    for source in ("", "videos", "videos/", "/videos"):
        with refused("InvalidArgument", 400, "source bucket and key"):
            s3("CopyObject", Bucket="videos", Key="k", CopySource=source)
    with refused("NoSuchKey", 404):
        s3("CopyObject", Bucket="videos", Key="k", CopySource="videos/absent")
    with refused("NoSuchBucket", 404):
        s3("CopyObject", Bucket="videos", Key="k", CopySource="../absent")
    s3.versioning("Enabled")
    s3.put("gone", b"x")
    marker = s3.delete("gone")["VersionId"]
    with refused("NoSuchKey", 404):
        s3("CopyObject", Bucket="videos", Key="k", CopySource="videos/gone")
    with refused("InvalidRequest", 400, "delete marker"):
        s3("CopyObject", Bucket="videos", Key="k", CopySource=f"videos/gone?versionId={marker}")


def test_many_are_deleted_at_once(s3: S3) -> None:
    for number in range(5):
        s3.put(f"k/{number}", b"x")
    asked = [{"Key": f"k/{number}"} for number in range(4)] + [{"Key": "absent"}]
    assert s3("DeleteObjects", Bucket="videos", Delete={"Objects": asked}) == {"Deleted": asked, "Errors": []}
    assert s3.keys() == ["k/4"]
    assert s3("DeleteObjects", Bucket="videos", Delete={"Objects": [{"Key": "k/4"}], "Quiet": True}) == {"Deleted": [], "Errors": []}
    s3.versioning("Enabled")
    version = s3.put("v", b"x")["VersionId"]
    (deleted,) = s3("DeleteObjects", Bucket="videos", Delete={"Objects": [{"Key": "v"}]})["Deleted"]
    assert deleted["DeleteMarker"] is True
    both = [
        {"Key": "v", "VersionId": version},
        {"Key": "v", "VersionId": deleted["DeleteMarkerVersionId"]},
        {"Key": "v", "VersionId": "nonsense"},
    ]
    result = s3("DeleteObjects", Bucket="videos", Delete={"Objects": both})
    assert result["Deleted"] == [both[0], both[1] | {"DeleteMarker": True, "DeleteMarkerVersionId": both[1]["VersionId"]}]
    assert [error["Code"] for error in result["Errors"]] == ["InvalidArgument"]
    assert s3.versions() == []
    for count in (0, 1001):
        with refused("MalformedXML", 400):
            s3("DeleteObjects", Bucket="videos", Delete={"Objects": [{"Key": str(number)} for number in range(count)]})


def test_tags_of_objects(s3: S3) -> None:
    s3.plain("by hand").write_bytes(b"x")
    etag = s3.head("by hand")["ETag"]
    s3("PutObjectTagging", Bucket="videos", Key="by hand", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    head = s3.head("by hand")
    assert (head["TagCount"], head["ETag"]) == (1, etag)
    s3("DeleteObjectTagging", Bucket="videos", Key="by hand")
    assert s3("GetObjectTagging", Bucket="videos", Key="by hand") == {"TagSet": []}
    with refused("NoSuchKey", 404):
        s3("PutObjectTagging", Bucket="videos", Key="absent", Tagging={"TagSet": []})
