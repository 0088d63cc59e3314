"""ReceiveMessage: its parameters, and a received message as the service model shapes it."""

from __future__ import annotations

from openrek.awsmodel.calls import Params
from openrek.localaws.sqs.content import attributes_digest, on_the_wire, selected
from openrek.localaws.sqs.errors import invalid_value
from openrek.localaws.sqs.mailbox import LONGEST_VISIBILITY, Received, Wanted

_MOST_MESSAGES = 10
_LONGEST_WAIT = 20


def wanted(params: Params) -> Wanted:
    """How many messages a request asks for, and for how long it hides them."""
    limit = params.get("MaxNumberOfMessages")
    if limit is None:
        limit = 1
    if not 1 <= limit <= _MOST_MESSAGES:
        raise invalid_value(limit, "MaxNumberOfMessages", f"Must be between 1 and {_MOST_MESSAGES}, if provided.")
    visibility = params.get("VisibilityTimeout")
    if visibility is not None and not 0 <= visibility <= LONGEST_VISIBILITY:
        raise invalid_value(visibility, "VisibilityTimeout", f"Must be >= 0 and <= {LONGEST_VISIBILITY}, if provided.")
    return Wanted(limit, visibility)


def wait_seconds(params: Params) -> int | None:
    """How long a request waits; None leaves it to the queue."""
    seconds: int | None = params.get("WaitTimeSeconds")
    if seconds is not None and not 0 <= seconds <= _LONGEST_WAIT:
        raise invalid_value(seconds, "WaitTimeSeconds", f"Must be >= 0 and <= {_LONGEST_WAIT}, if provided.")
    return seconds


def system_names(params: Params) -> set[str]:
    """The system attributes that a request asks for, by either of the two parameters; names that are none do no harm."""
    return {*(params.get("MessageSystemAttributeNames") or ()), *(params.get("AttributeNames") or ())}


def shaped(received: Received, key: bytes, system: set[str], attribute_names: list[str]) -> Params:
    """A received message with the attributes that were asked for; the digest is that of the attributes in it."""
    message: Params = {
        "MessageId": received.message_id,
        "ReceiptHandle": received.handle.seal(key),
        "MD5OfBody": received.body_md5,
        "Body": received.body,
    }
    everything = {
        **received.system,
        "SentTimestamp": str(received.sent_at),
        "ApproximateReceiveCount": str(received.receives),
        "ApproximateFirstReceiveTimestamp": str(received.first_received_at),
    }
    if received.origin is not None:
        everything["DeadLetterQueueSourceArn"] = received.origin
    told = everything if "All" in system else {name: value for name, value in everything.items() if name in system}
    if told:
        message["Attributes"] = told
    attributes = selected(received.attributes, attribute_names)
    if attributes:
        message["MessageAttributes"] = on_the_wire(attributes)
        message["MD5OfMessageAttributes"] = attributes_digest(attributes)
    return message
