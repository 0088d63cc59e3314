"""What delivery needs to know of a subscription."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol


class Subscriber(Protocol):
    """The part of a subscription that matters for delivery."""

    @property
    def arn(self) -> str:
        """What the subscription is called."""
        ...

    @property
    def endpoint(self) -> str:
        """Where notifications go."""
        ...

    @property
    def attributes(self) -> Mapping[str, str]:
        """What was set."""
        ...


def dead_letter_target(attributes: Mapping[str, str]) -> str | None:
    """ARN of a subscription's dead-letter queue."""
    text = attributes.get("RedrivePolicy")
    return str(json.loads(text)["deadLetterTargetArn"]) if text else None


def is_raw(attributes: Mapping[str, str]) -> bool:
    """Whether a subscription gets bare messages, without an envelope."""
    return attributes.get("RawMessageDelivery") == "true"
