"""What S3 tells about a change (S3 user guide, "Event message structure")."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from openrek.awsmodel.calls import Caller
from openrek.localaws.arns import partition
from openrek.localaws.s3.bucket import Change


def record(change: Change, rule: str, caller: Caller, region: str, version: str | None) -> str:
    """The JSON of one change.

    Parameters
    ----------
    rule
        Id of the rule of the configuration.
    caller
        Who changed it.
    region
        Of the bucket.
    version
        Of the object, in a bucket that has versions.
    """
    entry = change.entry
    about: dict[str, Any] = {"key": quote_plus(change.key, safe="/*")}
    if change.event.startswith("ObjectCreated"):
        about |= {"size": entry.size, "eTag": entry.etag}
    if version is not None:
        about["versionId"] = version
    about["sequencer"] = f"{change.stamp:018X}"
    owner = hashlib.sha256(caller.account.encode()).hexdigest()[:14].upper()
    told = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": timestamp(change.stamp // 1_000_000),
        "eventName": change.event,
        "userIdentity": {"principalId": f"AWS:{caller.access_key_id or 'ANONYMOUS'}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": caller.request_id, "x-amz-id-2": caller.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule,
            "bucket": {
                "name": change.bucket,
                "ownerIdentity": {"principalId": f"A{owner[1:]}"},
                "arn": f"arn:{partition(region)}:s3:::{change.bucket}",
            },
            "object": about,
        },
    }
    return json.dumps({"Records": [told]}, ensure_ascii=False, separators=(",", ":"))


def trial_event(bucket: str, caller: Caller, now: int) -> str:
    """What queues and topics are told when a configuration names them."""
    told = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": timestamp(now),
        "Bucket": bucket,
        "RequestId": caller.request_id,
        "HostId": caller.request_id,
    }
    return json.dumps(told, separators=(",", ":"))


def timestamp(milliseconds: int) -> str:
    """As S3 writes times in events."""
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
