from __future__ import annotations

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.wire.documents import verify_document

RIGHT = {
    "content-md5": "XUFAKrxLKna5cZ2REBfFkg==",
    "x-amz-checksum-crc32": "NhCmhg==",
    "x-amz-checksum-sha1": "qvTGHdzF6KLavt4PO0gs2a6pQ00=",
    "x-amz-checksum-sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=",
    "x-amz-checksum-crc64nvme": "passed over",
}


def test_the_right_digests() -> None:
    verify_document(b"hello", RIGHT, {})
    verify_document(b"hello", {}, RIGHT)
    verify_document(b"", {}, {})


@pytest.mark.parametrize("name", [name for name in RIGHT if name != "x-amz-checksum-crc64nvme"])
def test_wrong_digests(name: str) -> None:
    for headers, trailers in (({name: RIGHT[name]}, {}), ({}, {name: RIGHT[name]})):
        if name != "content-md5" or headers:
            with pytest.raises(ServiceError) as caught:
                verify_document(b"hullo", headers, trailers)
            assert caught.value.code == "BadDigest"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("content-md5", "nonsense", "InvalidDigest"),
        ("content-md5", "YQ==", "InvalidDigest"),
        ("x-amz-checksum-sha1", "YQ==", "InvalidRequest"),
    ],
)
def test_what_is_no_digest(name: str, value: str, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        verify_document(b"hello", {name: value}, {})
    assert caught.value.code == code
