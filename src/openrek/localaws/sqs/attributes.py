"""Attributes of a queue: names, defaults, rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from openrek.awsmodel.calls import ServiceError
from openrek.localaws import json_text
from openrek.localaws.arns import parse_arn
from openrek.localaws.sqs.errors import invalid_value

LARGEST_MESSAGE = 1_048_576
"""Bytes, of one message and of one batch."""

RANGES: Mapping[str, tuple[int, int]] = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
    "MaximumMessageSize": (1024, LARGEST_MESSAGE),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
DEFAULTS: Mapping[str, str] = {
    "DelaySeconds": "0",
    "MaximumMessageSize": str(LARGEST_MESSAGE),
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
COUNTED = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible")
DERIVED = (*COUNTED, "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn")
_DOCUMENTS = ("Policy", "RedriveAllowPolicy", "RedrivePolicy")
_SETTABLE = (*RANGES, *_DOCUMENTS, "KmsMasterKeyId", "SqsManagedSseEnabled")
_FIFO_SWITCHES = ("FifoQueue", "ContentBasedDeduplication")
_FIFO_DETAILS = ("DeduplicationScope", "FifoThroughputLimit")
READABLE = ("All", *DERIVED, *_SETTABLE, *_FIFO_SWITCHES, *_FIFO_DETAILS)
_WHOLE_NUMBER = re.compile(r"\d{1,10}", re.ASCII)


def validate(attributes: Mapping[str, str]) -> dict[str, str]:
    """Check attributes that someone wants to set, and bring their values into the form in which they are kept.

    An empty value stands for "none" where a queue may be without the attribute.

    Raises
    ------
    ServiceError
        The attribute is unknown, not for standard queues, or its value breaks its rule.
    """
    checked: dict[str, str] = {}
    for name, value in attributes.items():
        if name in _FIFO_DETAILS:
            raise ServiceError("InvalidAttributeName", f"You can specify the {name} only when FifoQueue is set to true.")
        if name not in _SETTABLE:
            raise ServiceError("InvalidAttributeName", f"Unknown Attribute {name}.")
        checked[name] = _checked(name, value)
    if checked.get("KmsMasterKeyId") and checked.get("SqsManagedSseEnabled") == "true":
        raise ServiceError(
            "InvalidAttributeName",
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
        )
    return checked


def merged(kept: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """A queue's attributes after changes that `validate` has passed."""
    result = {**kept, **changes}
    if changes.get("KmsMasterKeyId"):
        result["SqsManagedSseEnabled"] = "false"
    elif changes.get("SqsManagedSseEnabled") == "true":
        result.pop("KmsMasterKeyId", None)
        result.pop("KmsDataKeyReusePeriodSeconds", None)
    return {name: value for name, value in result.items() if value}


def shown(kept: Mapping[str, str]) -> dict[str, str]:
    """The attributes that GetQueueAttributes tells, but for the derived ones."""
    result = {**DEFAULTS, **kept}
    if not kept.get("KmsMasterKeyId"):
        result.pop("KmsDataKeyReusePeriodSeconds", None)
    elif "KmsDataKeyReusePeriodSeconds" not in result:
        result["KmsDataKeyReusePeriodSeconds"] = "300"
    return result


def number(kept: Mapping[str, str], name: str) -> int:
    """The value of a numeric attribute."""
    return int(kept.get(name) or DEFAULTS[name])


def dead_letters(kept: Mapping[str, str]) -> tuple[str, int] | None:
    """ARN of the dead-letter queue and the number of receives before a message goes there, if the queue has one."""
    text = kept.get("RedrivePolicy")
    if not text:
        return None
    policy = json.loads(text)
    return policy["deadLetterTargetArn"], int(policy["maxReceiveCount"])


def accepts_dead_letters(kept: Mapping[str, str], source: str) -> bool:
    """Whether a queue lets the queue of ARN `source` use it for dead letters."""
    policy = json.loads(kept.get("RedriveAllowPolicy") or '{"redrivePermission": "allowAll"}')
    permission = policy["redrivePermission"]
    return permission == "allowAll" or (permission == "byQueue" and source in policy["sourceQueueArns"])


def _checked(name: str, value: str) -> str:
    if name in RANGES:
        low, high = RANGES[name]
        if not _WHOLE_NUMBER.fullmatch(value) or not low <= int(value) <= high:
            raise ServiceError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
        return str(int(value))
    if name == "SqsManagedSseEnabled":
        if value.lower() not in ("true", "false"):
            raise ServiceError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
        return value.lower()
    if name in _DOCUMENTS and value:
        return _checked_document(name, value)
    return value


def _checked_document(name: str, text: str) -> str:
    try:
        document = json_text.parse(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        if name == "Policy":
            raise ServiceError("InvalidAttributeValue", "Invalid value for the parameter Policy.")
        raise invalid_value(text, name, "Not a valid JSON map.")
    if name == "RedrivePolicy":
        return _checked_redrive_policy(text, document) if document else ""
    if name == "RedriveAllowPolicy":
        _check_redrive_allow_policy(text, document)
    return text


def _checked_redrive_policy(text: str, policy: dict[str, Any]) -> str:
    for part in ("deadLetterTargetArn", "maxReceiveCount"):
        if part not in policy:
            raise invalid_value(text, "RedrivePolicy", f"Redrive policy does not contain mandatory attribute: {part}.")
    count = str(policy["maxReceiveCount"])
    if not _WHOLE_NUMBER.fullmatch(count) or not 1 <= int(count) <= 1000:
        raise invalid_value(
            text, "RedrivePolicy", f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
        )
    target = parse_arn(str(policy["deadLetterTargetArn"]))
    if target is None or target.service != "sqs":
        raise invalid_value(text, "RedrivePolicy", "Invalid value for deadLetterTargetArn.")
    return json.dumps({"deadLetterTargetArn": str(target), "maxReceiveCount": int(count)}, separators=(",", ":"))


def _check_redrive_allow_policy(text: str, policy: dict[str, Any]) -> None:
    permission, sources = policy.get("redrivePermission"), policy.get("sourceQueueArns")
    reason = None
    if permission not in ("allowAll", "denyAll", "byQueue"):
        reason = "redrivePermission must be one of allowAll, denyAll, byQueue."
    elif permission != "byQueue" and sources is not None:
        reason = "sourceQueueArns is only valid when redrivePermission is byQueue."
    elif permission == "byQueue" and not _are_queue_arns(sources):
        reason = "sourceQueueArns must hold 1 to 10 queue ARNs when redrivePermission is byQueue."
    if reason is not None:
        raise invalid_value(text, "RedriveAllowPolicy", reason)


def _are_queue_arns(sources: object) -> bool:
    return isinstance(sources, list) and 1 <= len(sources) <= 10 and all(parse_arn(str(arn)) is not None for arn in sources)
