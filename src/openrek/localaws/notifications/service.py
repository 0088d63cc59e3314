"""Event notifications of S3: on disk with whoever gets them before the request that changed the object is answered.

A server that dies in between has not answered: whoever asked asks again, and the event comes with the second answer.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from openrek.awsmodel.calls import Caller, Operation, Params, ServiceError
from openrek.localaws.arns import parse_arn
from openrek.localaws.functions import events
from openrek.localaws.notifications.records import record, trial_event
from openrek.localaws.notifications.rules import Rule, checked, rules
from openrek.localaws.s3.bucket import Change
from openrek.localaws.s3.operations import as_service_errors
from openrek.localaws.s3.storage import Storage
from openrek.localaws.sns import Topics
from openrek.localaws.sns.topics import find as find_topic
from openrek.localaws.sqs import mailbox
from openrek.localaws.sqs import queues as sqs_queues
from openrek.localaws.sqs.content import Content
from openrek.localaws.store import Store, Transaction

log = logging.getLogger(__name__)

_KEPT_AS = "notification"
_SUBJECT = "Amazon S3 Notification"
_SENDER = "AIDAIERWYNSNBY7YRB6SY"
_CHANGING = ("CompleteMultipartUpload", "CopyObject", "DeleteObject", "DeleteObjects", "PutObject")

Message = tuple[str, str]
"""ARN of who gets it, and the text."""

_changes: ContextVar[list[Change] | None] = ContextVar("changes", default=None)
"""What the request that is being answered has changed so far."""


def observe(change: Change) -> None:
    """Take note of a change: what a `Storage` tells its observer."""
    found = _changes.get()
    if found is not None:
        found.append(change)


class Notifications:
    """Tells of changes in buckets that have a notification configuration.

    Parameters
    ----------
    storage
        The buckets; `observe` is their observer.
    store
        The queues and functions.
    topics
        The topics.
    """

    def __init__(self, storage: Storage, store: Store, topics: Topics) -> None:
        self._storage = storage
        self._store = store
        self._topics = topics

    def operations(self, operations: Mapping[str, Operation]) -> Mapping[str, Operation]:
        """The operations of S3, such that changes are told, with those on configurations."""
        told = {name: self._telling(operation) if name in _CHANGING else operation for name, operation in operations.items()}
        return told | {
            "GetBucketNotificationConfiguration": self.get_configuration,
            "PutBucketNotificationConfiguration": self.put_configuration,
        }

    def get_configuration(self, caller: Caller, params: Params) -> Params:
        """GetBucketNotificationConfiguration."""
        with as_service_errors(caller, params):
            return dict(self._storage.bucket(params["Bucket"]).facts.documents.get(_KEPT_AS) or {})

    def put_configuration(self, caller: Caller, params: Params) -> Params:
        """PutBucketNotificationConfiguration: queues and topics get a test event."""
        with as_service_errors(caller, params):
            bucket = self._storage.bucket(params["Bucket"])
            configuration = checked(params["NotificationConfiguration"])
            found = list(rules(configuration))
            if not params.get("SkipDestinationValidation"):
                region = bucket.facts.region
                self._store.read_now(lambda tx: _check_targets(tx, found, region))
            bucket.configure(lambda facts: replace(facts, documents=facts.documents | {_KEPT_AS: configuration}))
        trial = trial_event(bucket.name, caller, self._store.clock.now())
        self._send([(rule.target, trial) for rule in found if ":lambda:" not in rule.target])
        return {}

    def _telling(self, operation: Operation) -> Operation:
        """The same operation; what it has changed is told before it returns, also if it fails halfway."""
        if inspect.iscoroutinefunction(operation):

            async def telling(caller: Caller, params: Params) -> Params:
                found: list[Change] = []
                token = _changes.set(found)
                try:
                    result: Params = await operation(caller, params)
                finally:
                    _changes.reset(token)
                    if found:
                        await asyncio.to_thread(self._tell, caller, found)
                return result

            return telling

        def telling_at_once(caller: Caller, params: Params) -> Any:
            found: list[Change] = []
            token = _changes.set(found)
            try:
                return operation(caller, params)
            finally:
                _changes.reset(token)
                if found:
                    self._tell(caller, found)

        return telling_at_once

    def _tell(self, caller: Caller, found: Iterable[Change]) -> None:
        """Tell of changes. Blocks until it is on disk."""
        self._send([message for change in found for message in self._messages(caller, change)])

    def _messages(self, caller: Caller, change: Change) -> list[Message]:
        try:
            bucket = self._storage.bucket(change.bucket)
        except ServiceError:  # it has been deleted meanwhile
            return []
        facts = bucket.facts
        met = [rule for rule in rules(facts.documents.get(_KEPT_AS) or {}) if rule.meets(change.event, change.key)]
        version = bucket.shown_version(change.entry) if met else None
        return [(rule.target, record(change, rule.id, caller, facts.region, version)) for rule in met]

    def _send(self, messages: Sequence[Message]) -> None:
        near = [message for message in messages if ":sns:" not in message[0]]
        if near:
            self._store.submit(lambda tx: _deliver(tx, near)).result()
        for arn, text in messages:
            if ":sns:" in arn:
                try:
                    self._topics.publish(arn, text, subject=_SUBJECT)
                except ServiceError as error:
                    log.warning("an event of S3 did not reach %s: %s", arn, error)


def _deliver(tx: Transaction, messages: Iterable[Message]) -> None:
    for arn, text in messages:
        queue = sqs_queues.by_arn(tx, arn)
        function = events.target(tx, arn)
        if queue is not None:
            mailbox.send(tx, queue, Content(text, {}, {"SenderId": _SENDER}))
        elif function is not None:
            events.enqueue(tx, function, arn, text.encode())
        else:
            log.warning("an event of S3 did not reach %s: it does not exist", arn)


_TARGETS: Mapping[str, tuple[str, Callable[[Transaction, str], object]]] = {
    "lambda": ("function", events.target),
    "sqs": ("queue", sqs_queues.by_arn),
    "sns": ("topic", lambda tx, arn: (parts := parse_arn(arn)) and find_topic(tx, parts.account, parts.region, parts.resource)),
}


def _check_targets(tx: Transaction, found: Iterable[Rule], region: str) -> None:
    for rule in found:
        parts = parse_arn(rule.target)
        known = _TARGETS.get(parts.service) if parts is not None else None
        if parts is None or known is None:
            raise _unusable("The ARN could not be parsed", rule.target)
        if parts.region != region:
            message = "The notification destination service region is not valid for the bucket location constraint"
            raise _unusable(message, rule.target)
        what, find = known
        if find(tx, rule.target) is None:
            message = "Unable to validate the following destination configurations"
            raise ServiceError(
                "InvalidArgument",
                message,
                details={"ArgumentName1": rule.target, "ArgumentValue1": f"The destination {what} does not exist"},
            )


def _unusable(message: str, arn: str) -> ServiceError:
    return ServiceError("InvalidArgument", message, details={"ArgumentName": "Arn", "ArgumentValue": arn})
