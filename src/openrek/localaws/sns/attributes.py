"""Attributes of a topic: names, rules, and what follows from them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from openrek.localaws import json_text
from openrek.localaws.sns import delivery
from openrek.localaws.sns.errors import invalid

_FEEDBACK = re.compile(r"(HTTP|Firehose|Lambda|SQS|Application)((Success|Failure)FeedbackRoleArn|SuccessFeedbackSampleRate)")
_SETTABLE = ("DeliveryPolicy", "DisplayName", "KmsMasterKeyId", "Policy", "SignatureVersion", "TracingConfig")
_LONGEST_DISPLAY_NAME = 100
_DELIVERY: dict[str, Any] = {
    "http": {
        "defaultHealthyRetryPolicy": {
            "minDelayTarget": 20,
            "maxDelayTarget": 20,
            "numRetries": 3,
            "numMaxDelayRetries": 0,
            "numNoDelayRetries": 0,
            "numMinDelayRetries": 0,
            "backoffFunction": "linear",
        },
        "disableSubscriptionOverrides": False,
        "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
    }
}
_OWNER_ACTIONS = (
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
)


def check(name: str, value: str, prefix: str) -> None:
    """Refuse an attribute that cannot be set, or that value of it; `prefix` stands before what is wrong."""
    if name not in _SETTABLE and not _FEEDBACK.fullmatch(name):
        raise invalid(f"{prefix}Unknown attribute {name}" if prefix else "AttributeName")
    if not value:
        return
    if name == "DisplayName" and len(value) > _LONGEST_DISPLAY_NAME:
        raise invalid(f"{prefix}DisplayName: must be at most {_LONGEST_DISPLAY_NAME} characters long")
    if name == "SignatureVersion" and value not in ("1", "2"):
        raise invalid(f"{prefix}SignatureVersion: Invalid value [{value}]. Must be 1 or 2.")
    if name == "TracingConfig" and value not in ("PassThrough", "Active"):
        raise invalid(f"{prefix}TracingConfig: Invalid value [{value}]. Must be PassThrough or Active.")
    if name == "DeliveryPolicy":
        delivery.check_of_topic(value, prefix)
    if name == "Policy" and not isinstance(_parsed(value), dict):
        raise invalid(f"{prefix}{name}: failed to parse JSON.")


def derived(arn: str, account: str, kept: Mapping[str, str]) -> dict[str, str]:
    """Attributes that a topic has without anybody setting them."""
    policy = _merged(_DELIVERY, _parsed(kept.get("DeliveryPolicy") or "{}"))
    return {
        "TopicArn": arn,
        "Owner": account,
        "DisplayName": "",
        "Policy": default_policy(arn, account),
        "EffectiveDeliveryPolicy": json.dumps(policy, separators=(",", ":")),
    }


def default_policy(arn: str, account: str) -> str:
    """The policy of a topic that was given none: its account may do everything."""
    policy = {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [f"SNS:{action}" for action in _OWNER_ACTIONS],
                "Resource": arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
            }
        ],
    }
    return json.dumps(policy, separators=(",", ":"))


def _parsed(text: str) -> Any:
    try:
        return json_text.parse(text)
    except ValueError:
        return None


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result
