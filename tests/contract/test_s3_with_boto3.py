"""What SDKs do with the embedded S3 over HTTP: transfers in parts, presigned URLs, every form of a body, both kinds of addresses."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import random
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from s3_servers import client, new_bucket, serving

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s3")


@pytest.fixture(scope="module")
def endpoint(data: Path) -> Iterator[str]:
    with serving(data) as url:
        yield url


@pytest.fixture(scope="module")
def s3(endpoint: str) -> Any:
    return client(endpoint)


@pytest.fixture
def bucket(s3: Any) -> str:
    return new_bucket(s3)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 50 MiB that no two parts of are alike."""
    path = tmp_path_factory.mktemp("large") / "large.mp4"
    path.write_bytes(random.Random(1).randbytes(50 * MIB))
    return path


def test_large_files_go_up_and_down_in_parts(s3: Any, bucket: str, large: Path, tmp_path: Path, data: Path) -> None:
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    s3.upload_file(str(large), bucket, "folder/large.mp4", ExtraArgs={"ContentType": "video/mp4"}, Config=config)
    head = s3.head_object(Bucket=bucket, Key="folder/large.mp4", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ContentType"], head["ETag"][-3:]) == (50 * MIB, "video/mp4", '-7"')
    assert head["ChecksumType"] == "COMPOSITE"
    assert (data / "buckets" / bucket / "folder" / "large.mp4").read_bytes() == large.read_bytes()
    s3.download_file(bucket, "folder/large.mp4", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == large.read_bytes()
    s3.copy({"Bucket": bucket, "Key": "folder/large.mp4"}, bucket, "copy.mp4", Config=config)
    assert s3.head_object(Bucket=bucket, Key="copy.mp4")["ContentLength"] == 50 * MIB
    whole = io.BytesIO()
    s3.download_fileobj(bucket, "copy.mp4", whole, Config=TransferConfig(use_threads=False))
    assert hashlib.md5(whole.getvalue()).digest() == hashlib.md5(large.read_bytes()).digest()


def test_a_download_of_an_object_that_is_replaced_meanwhile(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"a" * (4 * MIB))
    body = s3.get_object(Bucket=bucket, Key="k")["Body"]
    first = body.read(1000)
    s3.put_object(Bucket=bucket, Key="k", Body=b"b" * (4 * MIB))
    assert first + body.read() == b"a" * (4 * MIB)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read(1) == b"b"


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(endpoint: str, bucket: str, version: str) -> None:
    s3 = client(endpoint, signature_version=version)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b/ü.txt", "ContentType": "text/plain"})
    assert ("X-Amz-Signature" in put) is (version == "s3v4")
    answer = httpx.put(put, content=b"presigned", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.headers["etag"]) == (200, f'"{hashlib.md5(b"presigned").hexdigest()}"')
    get = s3.generate_presigned_url(
        "get_object",
        Params={
            "Bucket": bucket,
            "Key": "a b/ü.txt",
            "ResponseContentType": "text/csv",
            "ResponseContentDisposition": 'attachment; filename="x"',
        },
    )
    answer = httpx.get(get)
    assert (answer.status_code, answer.content) == (200, b"presigned")
    assert (answer.headers["content-type"], answer.headers["content-disposition"]) == ("text/csv", 'attachment; filename="x"')
    answer = httpx.get(get, headers={"range": "bytes=3-5"})
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, b"sig", "bytes 3-5/9")
    head = s3.generate_presigned_url("head_object", Params={"Bucket": bucket, "Key": "a b/ü.txt"})
    assert httpx.head(head).headers["content-length"] == "9"
    delete = s3.generate_presigned_url("delete_object", Params={"Bucket": bucket, "Key": "a b/ü.txt"})
    assert httpx.delete(delete).status_code == 204
    assert httpx.get(get).status_code == 404


def test_presigned_urls_carry_headers(endpoint: str, bucket: str) -> None:
    """botocore's of version 2 in the query, those of JavaScript in any; its checksum of an empty body says nothing of what is sent."""
    params = {"Bucket": bucket, "Key": "k", "Metadata": {"camera": "7"}, "StorageClass": "STANDARD_IA", "ContentType": "video/mp4"}
    url = client(endpoint, signature_version="s3").generate_presigned_url("put_object", Params=params)
    assert "x-amz-meta-camera=7" in url
    s3 = client(endpoint, signature_version="s3v4")
    script = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    script += "&x-amz-meta-camera=7&x-amz-storage-class=STANDARD_IA&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32"
    for address in (url, script):
        assert httpx.put(address, content=b"x", headers={"content-type": "video/mp4"}).status_code == 200
        head = s3.head_object(Bucket=bucket, Key="k")
        assert (head["Metadata"], head["StorageClass"], head["ContentType"]) == ({"camera": "7"}, "STANDARD_IA", "video/mp4")
        s3.delete_object(Bucket=bucket, Key="k")


def test_addresses_with_the_bucket_in_the_host(endpoint: str, bucket: str) -> None:
    port = urlsplit(endpoint).port
    s3 = client(endpoint, s3={"addressing_style": "path"})
    s3.put_object(Bucket=bucket, Key="folder/k", Body=b"hello")
    for host in (f"{bucket}.localhost:{port}", f"{bucket}.s3.localhost:{port}", f"{bucket}.localhost"):
        answer = httpx.get(f"{endpoint}/folder/k", headers={"host": host})
        assert (answer.status_code, answer.content) == (200, b"hello")
    answer = httpx.put(f"{endpoint}/b/c", headers={"host": f"{bucket}.localhost:{port}"}, content=b"via host")
    assert answer.status_code == 200
    answer = httpx.get(f"{endpoint}/?list-type=2&delimiter=/", headers={"host": f"{bucket}.localhost:{port}"})
    assert answer.text.count("<CommonPrefixes>") == 2
    assert s3.get_object(Bucket=bucket, Key="b/c")["Body"].read() == b"via host"


def chunked(content: bytes, *trailers: str, signed: bool = True, size: int = 65536) -> bytes:
    """A body as streaming SDKs encode it."""
    signature = ";chunk-signature=" + "0" * 64 if signed else ""
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    body = b"".join(f"{len(piece):x}{signature}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return body + f"0{signature}\r\n".encode() + "".join(f"{trailer}\r\n" for trailer in trailers).encode() + b"\r\n"


CONTENT = bytes(range(256)) * 1000
CRC32 = base64.b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WRONG = base64.b64encode(b"none").decode()
DECODED = {"x-amz-decoded-content-length": str(len(CONTENT))}
FORMS: dict[str, tuple[dict[str, str], bytes, int]] = {
    "plain": ({}, CONTENT, 200),
    "unsigned": ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, CONTENT, 200),
    "hashed": ({"x-amz-content-sha256": SHA256}, CONTENT, 200),
    "hashed wrongly": ({"x-amz-content-sha256": "0" * 64}, CONTENT, 400),
    "signed chunks": ({"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", **DECODED}, chunked(CONTENT), 200),
    "signed chunks and trailer": (
        {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32", **DECODED},
        chunked(CONTENT, f"x-amz-checksum-crc32:{CRC32}", "x-amz-trailer-signature:" + "0" * 64),
        200,
    ),
    "unsigned chunks and trailer": (
        {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32", **DECODED},
        chunked(CONTENT, f"x-amz-checksum-crc32:{CRC32}", signed=False),
        200,
    ),
    "wrong trailer": (
        {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32", **DECODED},
        chunked(CONTENT, f"x-amz-checksum-crc32:{WRONG}", signed=False),
        400,
    ),
    "checksum in a header": ({"x-amz-checksum-crc32": CRC32}, CONTENT, 200),
    "wrong checksum in a header": ({"x-amz-checksum-crc32": WRONG}, CONTENT, 400),
    "wrong MD5": ({"content-md5": base64.b64encode(bytes(16)).decode()}, CONTENT, 400),
}


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_body(s3: Any, endpoint: str, bucket: str, form: str, framing: str) -> None:
    headers, body, status = FORMS[form]
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    encoding = "aws-chunked,gzip" if "chunks" in form else "gzip"
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=30)
    pieces = iter([body[:70000], body[70000:]])
    headers = headers | {"content-encoding": encoding} | ({"content-length": str(len(body))} if framing == "length" else {})
    connection.request("PUT", f"/{bucket}/k", pieces, headers, encode_chunked=framing == "chunked")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == status, text
    found = s3.get_object(Bucket=bucket, Key="k")
    if status == 200:
        assert (found["ContentLength"], found["ContentEncoding"]) == (len(CONTENT), "gzip")
        assert (found["ETag"], found["Body"].read()) == (f'"{hashlib.md5(CONTENT).hexdigest()}"', CONTENT)
    else:
        assert any(f"<Code>{code}</Code>" in text for code in ("BadDigest", "XAmzContentSHA256Mismatch"))
        assert found["Body"].read() == b"before"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_that_boto3_sends_and_verifies(s3: Any, bucket: str, algorithm: str) -> None:
    for body in (b"bytes", io.BytesIO(b"a stream")):
        told = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm=algorithm)
        found = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        found["Body"].read()  # verifies
        assert found[f"Checksum{algorithm}"] == told[f"Checksum{algorithm}"]
        assert f"Checksum{algorithm}" not in s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-1", ChecksumMode="ENABLED")


def test_answers_without_a_body(s3: Any, endpoint: str, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", CacheControl="no-cache")["ETag"]
    answer = httpx.get(f"{endpoint}/{bucket}/k", headers={"if-none-match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    answer = httpx.head(f"{endpoint}/{bucket}/absent")
    assert (answer.status_code, answer.content) == (404, b"")
    answer = httpx.head(f"{endpoint}/{bucket}/k", headers={"range": "bytes=1-2"})
    assert (answer.status_code, answer.headers["content-length"], answer.headers["content-range"]) == (206, "2", "bytes 1-2/5")
    answer = httpx.head(f"{endpoint}/{bucket}")
    assert (answer.status_code, answer.headers["x-amz-bucket-region"]) == (200, "us-east-1")
    answer = httpx.get(f"{endpoint}/{bucket}/k", headers={"range": "bytes=9-"})
    assert (answer.status_code, "<ActualObjectSize>5</ActualObjectSize>" in answer.text) == (416, True)


@pytest.mark.parametrize("query", ["acl", "torrent", "unknown", "select&select-type=2", "retention", "legal-hold"])
def test_what_is_not_there_never_writes(s3: Any, endpoint: str, bucket: str, query: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    answer = httpx.put(f"{endpoint}/{bucket}/k?{query}", content=b"overwritten?")
    assert answer.status_code >= 400 or query == "acl"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"


def test_odd_keys_over_http(s3: Any, bucket: str) -> None:
    keys = ["..", "../x", "a//b", "/", "a/", "a b+c", "ü", "%41", "?", "#", "&=", "nul\x00", "\x01\x7f", "\U0001f3a5", "é", "e\u0301"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), Metadata={"length": str(len(key))})
    for key in keys:
        found = s3.get_object(Bucket=bucket, Key=key)
        assert (found["Body"].read(), found["Metadata"]["length"]) == (key.encode(), str(len(key)))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
    assert [line["Key"] for page in pages for line in page["Contents"]] == sorted(keys, key=str.encode)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b+c"})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == b"a b+c"
    result = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in [*keys, "copy"] if key.isprintable()]})
    assert "Errors" not in result


def test_regions(endpoint: str) -> None:
    ireland = client(endpoint, region="eu-west-1")
    name = "made-in-ireland"
    with pytest.raises(ClientError, match="IllegalLocationConstraintException"):
        ireland.create_bucket(Bucket=name)
    ireland.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert client(endpoint).get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    client(endpoint).put_object(Bucket=name, Key="k", Body=b"from elsewhere")
    assert ireland.get_object(Bucket=name, Key="k")["Body"].read() == b"from elsewhere"


def test_one_writer_wins(s3: Any, endpoint: str, bucket: str) -> None:
    """Of many who create one key only if it is new, one does."""
    outcomes: list[int] = []

    def create(number: int) -> None:
        answer = httpx.put(f"{endpoint}/{bucket}/once", content=str(number).encode(), headers={"if-none-match": "*"})
        outcomes.append(answer.status_code)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [200] + [412] * 15


def test_an_upload_that_breaks_off(s3: Any, endpoint: str, bucket: str, data: Path) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=30)
    connection.putrequest("PUT", f"/{bucket}/k")
    connection.putheader("Content-Length", str(10 * MIB))
    connection.endheaders()
    connection.send(b"x" * (3 * MIB))
    connection.close()
    s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    unfinished = data / "s3" / "unfinished"
    for _ in range(500):
        if not any(unfinished.iterdir()):
            break
        threading.Event().wait(0.02)
    assert list(unfinished.iterdir()) == []
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"
