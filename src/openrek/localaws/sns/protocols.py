"""Where notifications go, by the protocol of the subscription.

Another protocol is one more entry of `PROTOCOLS`. One that leaves this process must not do so inside the transaction: its
`deliver` writes down what is to be sent, and something else sends it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from openrek.localaws.arns import parse_arn
from openrek.localaws.functions import events
from openrek.localaws.sns import message_attributes
from openrek.localaws.sns.errors import invalid
from openrek.localaws.sns.http_endpoints import HttpDestination
from openrek.localaws.sns.publications import Publication
from openrek.localaws.sns.signing import Signer
from openrek.localaws.sns.subscribers import Subscriber, dead_letter_target, is_raw
from openrek.localaws.sns.topics import Topic
from openrek.localaws.sqs import mailbox
from openrek.localaws.sqs.content import Content
from openrek.localaws.sqs.queues import Queue, by_arn
from openrek.localaws.store import Transaction

_logger = logging.getLogger(__name__)
_SENDER = "AIDAIT2UOQQY3AUEKVGXU"
"""What AWS's queues show as the sender of a notification."""


class Destination(Protocol):
    """One protocol."""

    @property
    def settable(self) -> frozenset[str]:
        """Attributes that its subscriptions may have."""
        ...

    @property
    def must_confirm(self) -> bool:
        """Whether an endpoint gets nothing before it has confirmed that it wants it."""
        ...

    def check(self, endpoint: str, topic: Topic) -> None:
        """Refuse an endpoint that the protocol cannot reach."""
        ...

    def deliver(self, tx: Transaction, subscriber: Subscriber, publication: Publication, signer: Signer) -> None:
        """Deliver, or write down what is to be delivered."""
        ...


class QueueDestination:
    """A queue of the same account, in the transaction of the publication.

    A queue that is not there, or takes only smaller messages, gets nothing; the notification then goes to the dead-letter queue
    of the subscription, if it has one.
    """

    settable = frozenset({"FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"})
    must_confirm = False

    def check(self, endpoint: str, topic: Topic) -> None:
        """Refuse what is not the ARN of a standard queue of the topic's account."""
        parts = parse_arn(endpoint)
        if parts is None or parts.service != "sqs":
            raise invalid("SQS endpoint ARN")
        if parts.resource.endswith(".fifo"):
            raise invalid("Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics")
        if parts.account != topic.account:
            raise invalid("Endpoint Reason: openrek delivers within one account; subscribe a queue of the topic's account")

    def deliver(self, tx: Transaction, subscriber: Subscriber, publication: Publication, signer: Signer) -> None:
        """Send the notification, or the bare message with its attributes if raw delivery is on."""
        content = _content(subscriber, publication, signer)
        queue = by_arn(tx, subscriber.endpoint)
        if queue is not None and _fits(content, queue):
            mailbox.send(tx, queue, content)
            return
        reason = "the queue does not exist" if queue is None else "it is larger than the queue's MaximumMessageSize"
        _give_up(tx, subscriber, publication, content, reason)


class FunctionDestination:
    """A function of the same account: the event waits for it from the transaction of the publication on.

    What the function makes of it is not SNS's affair; only for a function that is not there the dead-letter queue of the
    subscription gets what a queue would have got.
    """

    settable = frozenset({"FilterPolicy", "FilterPolicyScope", "RedrivePolicy"})
    must_confirm = False

    def check(self, endpoint: str, topic: Topic) -> None:
        """Refuse what is not the ARN of a function of the topic's account and region."""
        parts = parse_arn(endpoint)
        if parts is None or parts.service != "lambda" or not parts.resource.startswith("function:"):
            raise invalid("Lambda endpoint ARN")
        if (parts.account, parts.region) != (topic.account, topic.region):
            raise invalid("Endpoint Reason: openrek delivers within one account and region; subscribe a function of the topic's")

    def deliver(self, tx: Transaction, subscriber: Subscriber, publication: Publication, signer: Signer) -> None:
        """Have the event wait for the function."""
        function = events.target(tx, subscriber.endpoint)
        if function is not None:
            payload = publication.event(subscriber.arn, signer).encode()
            events.enqueue(tx, function, subscriber.endpoint, payload)
            return
        _give_up(tx, subscriber, publication, _content(subscriber, publication, signer), "the function does not exist")


def _give_up(tx: Transaction, subscriber: Subscriber, publication: Publication, content: Content, reason: str) -> None:
    """Send what could not be delivered to the subscription's dead-letter queue, if it has one that takes it."""
    dead_letters = dead_letter_target(subscriber.attributes)
    target = by_arn(tx, dead_letters) if dead_letters is not None else None
    if target is not None and _fits(content, target):
        mailbox.send(tx, target, content)
        return
    _logger.warning("Notification %s did not reach %s: %s.", publication.message_id, subscriber.endpoint, reason)


def _content(subscriber: Subscriber, publication: Publication, signer: Signer) -> Content:
    system = {"SenderId": _SENDER}
    if publication.draft.group is not None:
        system["MessageGroupId"] = publication.draft.group
    if is_raw(subscriber.attributes):
        return Content(publication.text("sqs"), message_attributes.for_queue(publication.draft.attributes), system)
    return Content(publication.envelope("sqs", subscriber.arn, signer), {}, system)


def _fits(content: Content, queue: Queue) -> bool:
    return content.size <= queue.number("MaximumMessageSize")


PROTOCOLS: Mapping[str, Destination] = {
    "sqs": QueueDestination(),
    "lambda": FunctionDestination(),
    "http": HttpDestination("http"),
    "https": HttpDestination("https"),
}
ELSEWHERE = ("application", "email", "email-json", "firehose", "sms")
"""Protocols of AWS that this server does not speak."""
