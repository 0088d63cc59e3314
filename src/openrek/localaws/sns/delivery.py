"""Delivery policies of HTTP endpoints: how often and when a delivery is tried again (SNS developer guide, "Message delivery retries")."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from openrek.localaws import json_text
from openrek.localaws.sns.errors import invalid

CONTENT_TYPE = "text/plain; charset=UTF-8"
_RETRIES: Mapping[str, Any] = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
_MOST_RETRIES = 100
_LONGEST_DELAY = 3600
_FUNCTIONS = ("linear", "arithmetic", "geometric", "exponential")
_HEADER = re.compile(r"[!-~]+(?: [!-~]+)*")


def check(text: str, prefix: str) -> None:
    """Refuse a subscription's policy that SNS would refuse; `prefix` stands before what is wrong.

    Raises
    ------
    ServiceError
        It is not a policy.
    """
    _check_parts(_object(text, prefix), ("healthyRetryPolicy", "throttlePolicy", "requestPolicy"), prefix)


def check_of_topic(text: str, prefix: str) -> None:
    """Refuse a topic's policy that SNS would refuse; parameters as of `check`.

    Raises
    ------
    ServiceError
        It is not a policy.
    """
    of_http = _object(text, prefix).get("http") or {}
    if not isinstance(of_http, dict):
        raise invalid(f"{prefix}DeliveryPolicy: http must be an object")
    _check_parts(of_http, ("defaultHealthyRetryPolicy", "defaultThrottlePolicy", "defaultRequestPolicy"), prefix)


def effective(topic: Mapping[str, str], subscription: Mapping[str, str]) -> dict[str, Any]:
    """The policy that holds for a subscription.

    Parameters
    ----------
    topic, subscription
        What was set of each.
    """
    of_topic = (_parsed(topic.get("DeliveryPolicy")).get("http")) or {}
    own = {} if of_topic.get("disableSubscriptionOverrides") else _parsed(subscription.get("DeliveryPolicy"))
    return {
        "healthyRetryPolicy": {
            **_RETRIES,
            **(of_topic.get("defaultHealthyRetryPolicy") or {}),
            **(own.get("healthyRetryPolicy") or {}),
        },
        "sicklyRetryPolicy": None,
        "throttlePolicy": own.get("throttlePolicy") or of_topic.get("defaultThrottlePolicy"),
        "requestPolicy": {
            "headerContentType": CONTENT_TYPE,
            **(of_topic.get("defaultRequestPolicy") or {}),
            **(own.get("requestPolicy") or {}),
        },
        "guaranteed": False,
    }


def pauses(policy: Mapping[str, Any]) -> list[float]:
    """Seconds before each further attempt: at once, after the shortest delay, growing, after the longest."""
    retries = policy["healthyRetryPolicy"]
    shortest, longest = retries["minDelayTarget"], retries["maxDelayTarget"]
    phases = [retries[name] for name in ("numNoDelayRetries", "numMinDelayRetries", "numMaxDelayRetries")]
    growing = max(0, retries["numRetries"] - sum(phases))
    steps = [number / (growing - 1) if growing > 1 else 0.0 for number in range(growing)]
    if retries["backoffFunction"] in ("linear", "arithmetic"):
        between = [shortest + step * (longest - shortest) for step in steps]
    else:
        between = [shortest * (longest / max(shortest, 1)) ** step for step in steps]
    between = [round(seconds, 3) for seconds in between]
    return [0.0] * phases[0] + [float(shortest)] * phases[1] + between + [float(longest)] * phases[2]


def _object(text: str, prefix: str) -> dict[str, Any]:
    try:
        policy = json_text.parse(text)
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        raise invalid(f"{prefix}DeliveryPolicy: failed to parse JSON.")
    return policy


def _check_parts(policy: Mapping[str, Any], names: tuple[str, str, str], prefix: str) -> None:
    """Check the three parts of a policy, which topics and subscriptions call by different names."""
    parts = [policy.get(name) or {} for name in names]
    strange = next((name for name, part in zip(names, parts, strict=True) if not isinstance(part, dict)), None)
    if strange is not None:
        raise invalid(f"{prefix}DeliveryPolicy: {strange} must be an object")
    retries, _, request = parts
    _check_retries({**_RETRIES, **retries}, prefix)
    kind = request.get("headerContentType", CONTENT_TYPE)
    if not isinstance(kind, str) or not _HEADER.fullmatch(kind):
        raise invalid(f"{prefix}DeliveryPolicy: headerContentType has no value that it may have")


def _check_retries(retries: Mapping[str, Any], prefix: str) -> None:
    wrong = next((name for name, value in retries.items() if name not in _RETRIES or not _is_fit(name, value)), None)
    if wrong is not None:
        raise invalid(f"{prefix}DeliveryPolicy: {wrong} has no value that it may have")
    if retries["minDelayTarget"] > retries["maxDelayTarget"]:
        raise invalid(f"{prefix}DeliveryPolicy: minDelayTarget must not be larger than maxDelayTarget")
    fixed = sum(retries[name] for name in ("numNoDelayRetries", "numMinDelayRetries", "numMaxDelayRetries"))
    if fixed > retries["numRetries"]:
        raise invalid(f"{prefix}DeliveryPolicy: numRetries must not be smaller than the number of retries in its phases")


def _is_fit(name: str, value: Any) -> bool:
    if name == "backoffFunction":
        return value in _FUNCTIONS
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return 1 <= value <= _LONGEST_DELAY if name.endswith("DelayTarget") else 0 <= value <= _MOST_RETRIES


def _parsed(text: str | None) -> dict[str, Any]:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}
