"""HTTP and HTTPS endpoints: what they are sent, by way of `posts`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from openrek.localaws.sns import delivery, posts
from openrek.localaws.sns.errors import invalid
from openrek.localaws.sns.publications import Publication
from openrek.localaws.sns.signing import Signer
from openrek.localaws.sns.subscribers import Subscriber, dead_letter_target, is_raw
from openrek.localaws.sns.topics import Topic, find, located
from openrek.localaws.store import Transaction

_CONFIRM = (
    "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
)
_RESTORE = (
    "You have chosen to deactivate subscription {subscription}.\n"
    "To cancel this operation and restore the subscription, visit the SubscribeURL included in this message."
)


@dataclass(frozen=True, slots=True)
class HttpDestination:
    """Endpoints of one scheme. They get nothing before they have confirmed that they want it."""

    scheme: str
    settable = frozenset({"DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"})
    must_confirm = True

    def check(self, endpoint: str, _: Topic) -> None:
        """Refuse what is not a URL of the scheme."""
        try:
            parts = urlsplit(endpoint)
            known = parts.scheme == self.scheme and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known:
            raise invalid("Endpoint must match the specified protocol")

    def deliver(self, tx: Transaction, subscriber: Subscriber, publication: Publication, signer: Signer) -> None:
        """Have the notification posted, or the bare message if raw delivery is on."""
        raw = is_raw(subscriber.attributes)
        body = publication.text(self.scheme) if raw else publication.envelope(self.scheme, subscriber.arn, signer)
        headers = {
            "x-amz-sns-message-type": "Notification",
            "x-amz-sns-message-id": publication.message_id,
            "x-amz-sns-topic-arn": publication.topic,
            "x-amz-sns-subscription-arn": subscriber.arn,
        }
        if raw:
            headers["x-amz-sns-rawdelivery"] = "true"
        _send(tx, publication.topic, subscriber, headers, body, dead_letter_target(subscriber.attributes))


def ask(tx: Transaction, topic: str, subscriber: Subscriber, token: str, address: str, signer: Signer) -> None:
    """Ask an endpoint to confirm.

    Parameters
    ----------
    topic
        ARN.
    address
        Of this server, for links.
    """
    _invite(tx, topic, subscriber, token, address, signer, "SubscriptionConfirmation", _CONFIRM.format(topic=topic))


def tell_end(tx: Transaction, topic: str, subscriber: Subscriber, token: str, address: str, signer: Signer) -> None:
    """Tell an endpoint that its subscription has ended, and how it can be restored. Parameters as of `ask`."""
    text = _RESTORE.format(subscription=subscriber.arn)
    _invite(tx, topic, subscriber, token, address, signer, "UnsubscribeConfirmation", text)


def _invite(tx: Transaction, topic: str, subscriber: Subscriber, token: str, address: str, signer: Signer, kind: str, message: str) -> None:
    account, region, name = located(topic)
    known = find(tx, account, region, name)
    version = known.attributes.get("SignatureVersion", "1") if known is not None else "1"
    told = {
        "Type": kind,
        "MessageId": str(uuid.uuid4()),
        "Token": token,
        "TopicArn": topic,
        "Message": message,
        "SubscribeURL": f"{address}/?Action=ConfirmSubscription&TopicArn={quote(topic, safe=':')}&Token={token}",
        "Timestamp": f"{datetime.fromtimestamp(tx.now / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{tx.now % 1000:03d}Z",
        "SignatureVersion": version,
    }
    signed = "".join(
        f"{name}\n{told[name]}\n" for name in ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    )
    told["Signature"] = signer.sign(signed, version)
    told["SigningCertURL"] = address + signer.path
    headers = {"x-amz-sns-message-type": kind, "x-amz-sns-message-id": told["MessageId"], "x-amz-sns-topic-arn": topic}
    if kind != "SubscriptionConfirmation":
        headers["x-amz-sns-subscription-arn"] = subscriber.arn
    _send(tx, topic, subscriber, headers, json.dumps(told, indent=2, separators=(",", " : "), ensure_ascii=False), None)


def _send(tx: Transaction, topic: str, subscriber: Subscriber, headers: Mapping[str, str], body: str, dead_letters: str | None) -> None:
    account, region, name = located(topic)
    known = find(tx, account, region, name)
    policy = delivery.effective(known.attributes if known is not None else {}, subscriber.attributes)
    posts.enqueue(
        tx,
        account=account,
        topic_arn=topic,
        subscription_arn=subscriber.arn,
        endpoint=subscriber.endpoint,
        headers={**headers, "Content-Type": policy["requestPolicy"]["headerContentType"]},
        body=body,
        pauses=delivery.pauses(policy),
        dead_letters=dead_letters,
    )
