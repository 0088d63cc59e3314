"""One publication: checked as SNS checks it, and as each subscriber gets it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from openrek.awsmodel.calls import Params
from openrek.localaws import json_text
from openrek.localaws.sns import message_attributes
from openrek.localaws.sns.errors import invalid
from openrek.localaws.sns.signing import Signer

LARGEST = 262_144
"""Bytes of a message with its attributes, and of a batch."""
_LONGEST_SUBJECT = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_GROUP = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that somebody wants published.

    Attributes
    ----------
    texts
        Text by protocol; `default` is always there.
    subject, group
        If given.
    attributes
        As in the service model.
    """

    texts: Mapping[str, str]
    subject: str | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    group: str | None = None


def draft(params: Params) -> Draft:
    """The message of a Publish request or of an entry of its batch.

    Raises
    ------
    ServiceError
        SNS would refuse it.
    """
    subject, text, attributes = params.get("Subject"), params["Message"], params.get("MessageAttributes") or {}
    if subject is not None and (not 1 <= len(subject) <= _LONGEST_SUBJECT or _CONTROL.search(subject)):
        raise invalid("Subject")
    if not text:
        raise invalid("Empty message")
    message_attributes.check(attributes)
    if weight(params) > LARGEST:
        raise invalid("Message too long")
    if params.get("MessageDeduplicationId") is not None:
        raise invalid(
            "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type"
        )
    group = params.get("MessageGroupId")
    if group is not None and not _GROUP.fullmatch(group):
        raise invalid("MessageGroupId Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
    return Draft(_texts(text, params.get("MessageStructure")), subject, attributes, group)


def weight(params: Params) -> int:
    """Bytes that count towards the limit."""
    return len(params["Message"].encode()) + message_attributes.size(params.get("MessageAttributes") or {})


def _texts(text: str, structure: str | None) -> dict[str, str]:
    if structure is None:
        return {"default": text}
    if structure != "json":
        raise invalid("MessageStructure")
    try:
        parsed = json_text.parse(text)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise invalid("Message Structure - JSON message body failed to parse")
    texts = {key: value for key, value in parsed.items() if isinstance(value, str)}
    if "default" not in texts:
        raise invalid("Message Structure - No default entry in JSON message body")
    return texts


class Publication:
    """A draft on its way to the subscribers of a topic.

    Parameters
    ----------
    topic
        ARN.
    made
        What is published.
    now
        When, in milliseconds.
    endpoint
        Address of this server in the links of the envelope.
    version
        Of the signature.
    """

    def __init__(self, topic: str, made: Draft, now: int, endpoint: str, version: str) -> None:
        self.topic = topic
        self.draft = made
        self.message_id = str(uuid.uuid4())
        self.timestamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{now % 1000:03d}Z"
        self._endpoint = endpoint
        self._version = version
        self._signatures: dict[str, str] = {}

    def text(self, protocol: str) -> str:
        """The message for a protocol."""
        return self.draft.texts.get(protocol, self.draft.texts["default"])

    def sign(self, protocol: str, signer: Signer) -> str:
        """The signature of the message for a protocol; made once."""
        text = self.text(protocol)
        if text not in self._signatures:
            self._signatures[text] = signer.sign(self._canonical(text), self._version)
        return self._signatures[text]

    def envelope(self, protocol: str, subscription: str, signer: Signer) -> str:
        """The notification for a subscription by ARN, in the order and layout of AWS."""
        fields: dict[str, Any] = {"Type": "Notification", "MessageId": self.message_id, "TopicArn": self.topic}
        if self.draft.subject is not None:
            fields["Subject"] = self.draft.subject
        fields |= {
            "Message": self.text(protocol),
            "Timestamp": self.timestamp,
            "SignatureVersion": self._version,
            "Signature": self.sign(protocol, signer),
            "SigningCertURL": self._endpoint + signer.path,
            "UnsubscribeURL": f"{self._endpoint}/?Action=Unsubscribe&SubscriptionArn={subscription}",
        }
        if self.draft.attributes:
            fields["MessageAttributes"] = message_attributes.for_envelope(self.draft.attributes)
        return json.dumps(fields, indent=2, separators=(",", " : "), ensure_ascii=False)

    def event(self, subscription: str, signer: Signer) -> str:
        """The event for a function that is subscribed, as Lambda gets it: names and order are not those of the envelope."""
        told = {
            "Type": "Notification",
            "MessageId": self.message_id,
            "TopicArn": self.topic,
            "Subject": self.draft.subject,
            "Message": self.text("lambda"),
            "Timestamp": self.timestamp,
            "SignatureVersion": self._version,
            "Signature": self.sign("lambda", signer),
            "SigningCertUrl": self._endpoint + signer.path,
            "UnsubscribeUrl": f"{self._endpoint}/?Action=Unsubscribe&SubscriptionArn={subscription}",
            "MessageAttributes": message_attributes.for_envelope(self.draft.attributes),
        }
        record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription, "Sns": told}
        return json.dumps({"Records": [record]}, ensure_ascii=False)

    def _canonical(self, text: str) -> str:
        """What is signed (SNS developer guide, "Verifying the signatures of Amazon SNS messages")."""
        signed = [("Message", text), ("MessageId", self.message_id)]
        if self.draft.subject is not None:
            signed.append(("Subject", self.draft.subject))
        signed += [("Timestamp", self.timestamp), ("TopicArn", self.topic), ("Type", "Notification")]
        return "".join(f"{name}\n{value}\n" for name, value in signed)
