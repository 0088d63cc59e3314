"""Request bodies that are read as a whole, compared with the digests that the client sent along."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping

from openrek.awsmodel.calls import ServiceError

_CHECKSUMS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}


def verify_document(body: bytes, headers: Mapping[str, str], trailers: Mapping[str, str]) -> None:
    """Compare a document with its `Content-MD5` and with those checksums that need no library.

    Raises
    ------
    ServiceError
        It is not what the client sent.
    """
    if "content-md5" in headers:
        if _decode(headers["content-md5"], 16) is None:
            raise ServiceError("InvalidDigest", "The Content-MD5 you specified was invalid.")
        if _decode(headers["content-md5"], 16) != hashlib.md5(body, usedforsecurity=False).digest():
            raise ServiceError("BadDigest", "The Content-MD5 you specified did not match what we received.")
    told = {**headers, **trailers}
    for algorithm, compute in _CHECKSUMS.items():
        value = told.get(f"x-amz-checksum-{algorithm}")
        if value is not None:
            expected = compute(body)
            if _decode(value, len(expected)) is None:
                raise ServiceError("InvalidRequest", f"Value for x-amz-checksum-{algorithm} header is invalid.")
            if _decode(value, len(expected)) != expected:
                raise ServiceError("BadDigest", f"The {algorithm.upper()} you specified did not match the calculated checksum.")


def _decode(text: str, length: int) -> bytes | None:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == length else None
