"""Every checksum in every form: verified, kept, told when asked for."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from s3_support import S3, Body, refused

from openrek.localaws.s3.checksums import combine, compute
from openrek.localaws.s3.records import Part

# Published check values of b"123456789": the CRC catalogue's, and FIPS 180.
CHECKS = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}
VALUES = {name: base64.b64encode(bytes.fromhex(value)).decode() for name, value in CHECKS.items()}
CONTENT = b"123456789"
OTHER = {name: base64.b64encode(bytes(len(bytes.fromhex(value)))).decode() for name, value in CHECKS.items()}


@pytest.mark.parametrize("algorithm", CHECKS)
def test_in_a_header(s3: S3, algorithm: str) -> None:
    told = s3.put("k", CONTENT, **{f"Checksum{algorithm}": VALUES[algorithm], "ChecksumAlgorithm": algorithm})
    assert (told[f"Checksum{algorithm}"], told["ChecksumType"]) == (VALUES[algorithm], "FULL_OBJECT")
    for found in (s3.head("k", ChecksumMode="ENABLED"), s3("GetObject", Bucket="videos", Key="k", ChecksumMode="ENABLED")):
        assert {name: found[name] for name in found if name.startswith("Checksum")} == {
            f"Checksum{algorithm}": VALUES[algorithm],
            "ChecksumType": "FULL_OBJECT",
        }
    assert not any(name.startswith("Checksum") for name in s3.head("k"))
    with refused("BadDigest", 400, algorithm):
        s3.put("k", b"other", **{f"Checksum{algorithm}": VALUES[algorithm]})
    for invalid in ("x", "AAAA", VALUES[algorithm] + "=", ""):
        with refused("InvalidRequest", 400, f"x-amz-checksum-{algorithm.lower()}"):
            s3.put("k", CONTENT, **{f"Checksum{algorithm}": invalid})
    assert s3.get("k") == CONTENT
    assert s3.unfinished() == []


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("algorithm", CHECKS)
def test_in_a_trailer(s3: S3, algorithm: str, announced: bool) -> None:
    name = f"x-amz-checksum-{algorithm.lower()}"
    params: dict[str, Any] = {"Bucket": "videos", "Key": "k"} | ({"ChecksumAlgorithm": algorithm} if announced else {})
    told = s3("PutObject", **params, Body=Body(CONTENT, {name: VALUES[algorithm], "x-amz-trailer-signature": "x"}))
    assert told[f"Checksum{algorithm}"] == VALUES[algorithm]
    with refused("BadDigest"):
        s3("PutObject", **params, Body=Body(CONTENT, {name: OTHER[algorithm]}))
    with refused("InvalidRequest"):
        s3("PutObject", **params, Body=Body(CONTENT, {name: "AAA"}))
    assert s3.head("k", ChecksumMode="ENABLED")[f"Checksum{algorithm}"] == VALUES[algorithm]


def test_of_nothing(s3: S3) -> None:
    assert s3.put("k", b"")["ChecksumCRC64NVME"] == "AAAAAAAAAAA="
    assert s3.put("k", b"", ChecksumCRC32="AAAAAA==")["ChecksumCRC32"] == "AAAAAA=="
    s3.put("k", b"", ChecksumSHA1=base64.b64encode(hashlib.sha1(b"").digest()).decode())


def test_without_one_the_default_is_computed(s3: S3) -> None:
    assert s3.put("k", CONTENT)["ChecksumCRC64NVME"] == VALUES["CRC64NVME"]
    assert s3.put("k", CONTENT, ChecksumAlgorithm="SHA1")["ChecksumSHA1"] == VALUES["SHA1"]


def test_content_md5(s3: S3) -> None:
    right = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    s3.put("k", CONTENT, ContentMD5=right)
    with refused("BadDigest", 400, "Content-MD5"):
        s3.put("k", b"other", ContentMD5=right)
    for invalid in ("x", "AAAA", right[:-1], hashlib.md5(CONTENT).hexdigest()):
        with refused("InvalidDigest", 400):
            s3.put("k", CONTENT, ContentMD5=invalid)


def test_two_at_once_and_unknown_ones(s3: S3) -> None:
    with refused("InvalidRequest", 400, "single"):
        s3.put("k", CONTENT, ChecksumCRC32=VALUES["CRC32"], ChecksumSHA1=VALUES["SHA1"])
    with refused("InvalidRequest", 400, "unsupported"):
        s3.put("k", CONTENT, ChecksumAlgorithm="CRC16")
    with refused("NotImplemented", 501, "XXHASH64"):
        s3.put("k", CONTENT, ChecksumXXHASH64="x")


def test_a_copy_keeps_the_algorithm_or_changes_it(s3: S3) -> None:
    s3.put("k", CONTENT, ChecksumSHA256=VALUES["SHA256"])
    copied = s3("CopyObject", Bucket="videos", Key="same", CopySource="videos/k")["CopyObjectResult"]
    assert copied["ChecksumSHA256"] == VALUES["SHA256"]
    copied = s3("CopyObject", Bucket="videos", Key="other", CopySource="videos/k", ChecksumAlgorithm="CRC32C")["CopyObjectResult"]
    assert copied["ChecksumCRC32C"] == VALUES["CRC32C"]
    assert s3.head("other", ChecksumMode="ENABLED")["ChecksumCRC32C"] == VALUES["CRC32C"]
    s3.plain("hand").write_bytes(CONTENT)
    assert "ChecksumType" not in s3.head("hand", ChecksumMode="ENABLED")
    copied = s3("CopyObject", Bucket="videos", Key="of hand", CopySource="videos/hand")["CopyObjectResult"]
    assert copied["ChecksumCRC64NVME"] == VALUES["CRC64NVME"]
    assert copied["ETag"] == f'"{hashlib.md5(CONTENT).hexdigest()}"'


def test_attributes_tell_it(s3: S3) -> None:
    s3.put("k", CONTENT, ChecksumCRC32=VALUES["CRC32"])
    names = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = s3("GetObjectAttributes", Bucket="videos", Key="k", ObjectAttributes=names)
    found.pop("LastModified")
    assert found == {
        "ETag": hashlib.md5(CONTENT).hexdigest(),
        "Checksum": {"ChecksumCRC32": VALUES["CRC32"], "ChecksumType": "FULL_OBJECT"},
        "StorageClass": "STANDARD",
        "ObjectSize": 9,
    }


@given(blocks=st.lists(st.binary(max_size=40), min_size=1, max_size=6), algorithm=st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]))
def test_whole_from_parts(blocks: list[bytes], algorithm: str) -> None:
    parts = [Part(number, len(block), compute(algorithm, [block])) for number, block in enumerate(blocks, 1)]
    assert combine(algorithm, "FULL_OBJECT", parts).value == compute(algorithm, [b"".join(blocks)])
    raw = b"".join(base64.b64decode(part.checksum) for part in parts)
    assert combine(algorithm, "COMPOSITE", parts).value == f"{compute(algorithm, [raw])}-{len(parts)}"


@given(blocks=st.lists(st.binary(max_size=200)))
def test_crc32_is_that_of_zlib(blocks: list[bytes]) -> None:
    assert base64.b64decode(compute("CRC32", blocks)) == zlib.crc32(b"".join(blocks)).to_bytes(4, "big")
