"""Where functions may run, and where their packages come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.clock import ManualClock
from openrek.localaws.s3.bucket import BucketFacts
from openrek.localaws.s3.storage import Storage
from openrek.server.functions import code_source, refusal
from openrek.settings import FunctionSettings, Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_they_run(host: str) -> None:
    assert refusal(Settings(host=host)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.test", "localhost.example.test"])
def test_elsewhere_they_run_only_if_a_setting_says_so(host: str) -> None:
    told = refusal(Settings(host=host))
    assert told is not None
    assert f"this server listens on {host}" in told
    assert "OPENREK_FUNCTIONS__ALLOWED=always" in told
    assert refusal(Settings(host=host, functions=FunctionSettings(allowed="always"))) is None


def test_switched_off() -> None:
    told = refusal(Settings(functions=FunctionSettings(allowed="never")))
    assert told == "Functions are switched off on this server: OPENREK_FUNCTIONS__ALLOWED is never."


def test_packages_from_the_embedded_buckets(tmp_path: Path) -> None:
    storage = Storage(tmp_path, ManualClock())
    storage.prepare()
    storage.create_bucket("packages", BucketFacts("us-east-1", 0))
    (tmp_path / "buckets" / "packages" / "code.zip").write_bytes(b"content")
    fetch = code_source(Settings(data=tmp_path), storage)
    assert fetch("packages", "code.zip", None) == b"content"
    for bucket, key in (("packages", "none.zip"), ("none", "code.zip")):
        with pytest.raises(ServiceError, match=r"Error occurred while GetObject\. .*s3://"):
            fetch(bucket, key, None)
