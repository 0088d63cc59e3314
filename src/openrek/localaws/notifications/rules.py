"""A bucket's notification configuration: checked as S3 checks it, and which of its rules a change meets.

It is kept as the service model shapes it, with an id for every rule.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openrek.awsmodel.calls import Params, ServiceError
from openrek.awsmodel.services import load_service
from openrek.localaws.arns import parse_arn
from openrek.localaws.s3.errors import invalid_argument, not_implemented

_KINDS = {"LambdaFunctionConfigurations": "LambdaFunctionArn", "QueueConfigurations": "QueueArn", "TopicConfigurations": "TopicArn"}
_SERVICES = {"LambdaFunctionArn": "lambda", "QueueArn": "sqs", "TopicArn": "sns"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Which changes are told to whom.

    Attributes
    ----------
    id
        Told with every event.
    target
        ARN of a function, a queue or a topic.
    events
        "s3:ObjectCreated:*" and the like.
    prefix, suffix
        Of keys.
    """

    id: str
    target: str
    events: tuple[str, ...]
    prefix: str
    suffix: str

    def meets(self, event: str, key: str) -> bool:
        """Whether a change of an object is one of them; `event` without "s3:"."""
        named = any(_covers(one, f"s3:{event}") for one in self.events)
        return named and key.startswith(self.prefix) and key.endswith(self.suffix)

    def overlaps(self, other: Rule) -> bool:
        """Whether there may be a change that meets both."""
        same = any(_covers(one, two) or _covers(two, one) for one in self.events for two in other.events)
        prefixes = self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)
        suffixes = self.suffix.endswith(other.suffix) or other.suffix.endswith(self.suffix)
        return same and prefixes and suffixes


def checked(configuration: Mapping[str, Any]) -> Params:
    """A configuration as it is kept.

    Raises
    ------
    ServiceError
        S3 would refuse it, or it asks for what is not here.
    """
    if configuration.get("EventBridgeConfiguration") is not None:
        raise not_implemented("EventBridgeConfiguration", "openrek has no EventBridge: leave EventBridgeConfiguration out")
    kept: Params = {}
    for member, target in _KINDS.items():
        if configuration.get(member):
            kept[member] = [_checked_rule(rule, target) for rule in configuration[member]]
    found = list(rules(kept))
    if len({rule.id for rule in found}) != len(found):
        raise ServiceError("InvalidArgument", "Same ID used for multiple configurations. IDs must be unique")
    for one, two in itertools.combinations(found, 2):
        if one.overlaps(two):
            raise ServiceError(
                "InvalidArgument",
                "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
            )
    return kept


def rules(configuration: Mapping[str, Any]) -> Iterator[Rule]:
    """The rules of a configuration."""
    for member, target in _KINDS.items():
        for rule in configuration.get(member, ()):
            words = {one["Name"]: one["Value"] for one in rule.get("Filter", {}).get("Key", {}).get("FilterRules", ())}
            yield Rule(rule["Id"], rule[target], tuple(rule["Events"]), words.get("Prefix", ""), words.get("Suffix", ""))


def _checked_rule(rule: Mapping[str, Any], target: str) -> Params:
    arn = parse_arn(rule.get(target) or "")
    if arn is None or arn.service != _SERVICES[target]:
        raise invalid_argument("The ARN could not be parsed", target, rule.get(target) or "")
    if not rule.get("Events"):
        raise ServiceError("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
    known = load_service("s3").shapes["Event"].enum
    for event in rule["Events"]:
        if event not in known:
            raise invalid_argument("The event is not supported for notifications", "Event", event)
    kept: Params = {"Id": rule.get("Id") or str(uuid.uuid4()), target: rule[target], "Events": list(rule["Events"])}
    words = ((rule.get("Filter") or {}).get("Key") or {}).get("FilterRules")
    if words:
        kept["Filter"] = {"Key": {"FilterRules": _checked_words(words)}}
    return kept


def _checked_words(words: list[Mapping[str, Any]]) -> list[Params]:
    kept: dict[str, str] = {}
    for word in words:
        name = str(word.get("Name") or "").capitalize()
        if name not in ("Prefix", "Suffix"):
            raise invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", word.get("Name"))
        if name in kept:
            raise invalid_argument(f"Cannot specify more than one {name.lower()} rule in a filter.", "FilterRule", name.lower())
        kept[name] = word.get("Value") or ""
        if len(kept[name].encode()) > 1024:
            raise invalid_argument("Size of filter rule value cannot exceed 1024 bytes in UTF-8 encoding", "FilterRule.Value", kept[name])
    return [{"Name": name, "Value": value} for name, value in kept.items()]


def _covers(pattern: str, event: str) -> bool:
    return event.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == event
