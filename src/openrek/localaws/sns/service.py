"""The embedded SNS: standard topics, as durable as a job."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import delete, insert, select

from openrek.awsmodel.calls import Caller, Operation, Params, ServiceError
from openrek.localaws.arns import parse_arn
from openrek.localaws.schema import publications
from openrek.localaws.sns import permissions, subscriptions, topics
from openrek.localaws.sns.errors import invalid, topic_not_found
from openrek.localaws.sns.posting import Poster
from openrek.localaws.sns.protocols import PROTOCOLS
from openrek.localaws.sns.publications import LARGEST, Draft, Publication, draft, weight
from openrek.localaws.sns.signing import Signer
from openrek.localaws.sns.subscribers import is_raw
from openrek.localaws.sns.topics import Topic
from openrek.localaws.store import Store, Transaction

REMEMBERED_DAYS = 7
_MOST_ENTRIES = 10
_ID = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_ID = 80
Finder = Callable[[Transaction], Topic]


class Topics:
    """All topics of all accounts and regions.

    Parameters
    ----------
    store
        Where they are kept, together with the queues to which they deliver.
    endpoint
        Address of this server for the links in notifications that no caller's request brought about.
    signer
        Signs notifications; the store's own if None, which takes about a second to make in a new store.

    Attributes
    ----------
    poster
        Posts what waits for HTTP endpoints, as long as it runs.
    """

    def __init__(self, store: Store, *, endpoint: str, signer: Signer | None = None) -> None:
        self.store = store
        self._endpoint = endpoint
        self.signer = signer or Signer.kept(store)
        self.poster = Poster(store)

    def operations(self) -> Mapping[str, Operation]:
        """The operations of SNS by name."""
        reading, writing = self.store.reading, self.store.writing
        return {
            "AddPermission": writing(permissions.add_permission),
            "ConfirmSubscription": writing(subscriptions.confirm_subscription),
            "CreateTopic": writing(topics.create_topic),
            "DeleteTopic": writing(topics.delete_topic),
            "GetSubscriptionAttributes": reading(subscriptions.get_subscription_attributes),
            "GetTopicAttributes": reading(topics.get_topic_attributes),
            "ListSubscriptions": reading(subscriptions.list_subscriptions),
            "ListSubscriptionsByTopic": reading(subscriptions.list_subscriptions_by_topic),
            "ListTagsForResource": reading(topics.list_tags_for_resource),
            "ListTopics": reading(topics.list_topics),
            "Publish": self.publish_operation,
            "PublishBatch": self.publish_batch_operation,
            "RemovePermission": writing(permissions.remove_permission),
            "SetSubscriptionAttributes": writing(subscriptions.set_subscription_attributes),
            "SetTopicAttributes": writing(topics.set_topic_attributes),
            "Subscribe": writing(partial(subscriptions.subscribe, signer=self.signer)),
            "TagResource": writing(topics.tag_resource),
            "Unsubscribe": writing(partial(subscriptions.unsubscribe, signer=self.signer)),
            "UntagResource": writing(topics.untag_resource),
        }

    def publish(
        self,
        topic_arn: str,
        message: str,
        *,
        subject: str | None = None,
        attributes: Mapping[str, Mapping[str, Any]] | None = None,
        publication_id: str | None = None,
    ) -> str:
        """Publish a message for the server itself, and return its id. Blocks until it is on disk in every subscribed queue.

        Parameters
        ----------
        publication_id
            Names the publication: repeated within seven days it delivers nothing again and returns the same id.

        Raises
        ------
        ServiceError
            The topic does not exist (`NotFoundException`), or SNS would refuse the message.
        """
        params: Params = {"Message": message, "MessageAttributes": dict(attributes or {})}
        if subject is not None:
            params["Subject"] = subject
        made = draft(params)

        def find(tx: Transaction) -> Topic:
            topic = topics.find(tx, *topics.located(topic_arn))
            if topic is None:
                raise topic_not_found()
            return topic

        prepared = self.store.read_now(lambda tx: self._prepare(tx, find, [made], self._endpoint))
        return self.store.submit(lambda tx: self._publish(tx, find, prepared, publication_id)[0]).result()

    async def publish_operation(self, caller: Caller, params: Params) -> Params:
        """Publish: to a topic, by either of the two ARN parameters."""
        made = draft(params)
        arn = params.get("TopicArn") or params.get("TargetArn")
        if not arn:
            if params.get("PhoneNumber"):
                raise invalid("PhoneNumber Reason: openrek sends no text messages")
            raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
        target = parse_arn(arn)
        if not params.get("TopicArn") and target is not None and target.resource.startswith("endpoint/"):
            raise invalid("TargetArn Reason: No endpoint found for the target arn specified")
        [message_id] = await self._publish_for(caller, arn, [made])
        return {"MessageId": message_id}

    async def publish_batch_operation(self, caller: Caller, params: Params) -> Params:
        """PublishBatch: all or none."""
        entries = params["PublishBatchRequestEntries"]
        _check_entries(entries)
        drafts = [draft(entry) for entry in entries]
        if sum(weight(entry) for entry in entries) > LARGEST:
            raise ServiceError("BatchRequestTooLongException", "The length of all the messages put together is more than the limit.")
        ids = await self._publish_for(caller, params["TopicArn"], drafts)
        return {
            "Successful": [{"Id": entry["Id"], "MessageId": message_id} for entry, message_id in zip(entries, ids, strict=True)],
            "Failed": [],
        }

    async def sweep(self) -> None:
        """Forget publications that named themselves too long ago, and subscriptions that nobody can restore any more."""
        await self.store.write(subscriptions.forget_ended)
        await self.store.write(
            lambda tx: (
                tx.sql.execute(delete(publications).where(publications.c.published_at < tx.now - REMEMBERED_DAYS * 86_400_000)).rowcount
            )
        )

    async def _publish_for(self, caller: Caller, arn: str, drafts: Sequence[Draft]) -> list[str]:
        def find(tx: Transaction) -> Topic:
            return topics.by_arn(tx, caller, arn)

        prepared = await self.store.read(lambda tx: self._prepare(tx, find, drafts, caller.endpoint))
        return await self.store.write(lambda tx: self._publish(tx, find, prepared, None))

    def _prepare(self, tx: Transaction, find: Finder, drafts: Sequence[Draft], endpoint: str) -> list[Publication]:
        """Make publications of drafts; sign them here already, because that takes long and the writer has others waiting."""
        topic = find(tx)
        version = topic.attributes.get("SignatureVersion", "1")
        prepared = [Publication(topic.arn, made, tx.now, endpoint, version) for made in drafts]
        enveloped = {one.protocol for one in subscriptions.of_topic(tx, topic) if not is_raw(one.attributes)}
        for publication in prepared:
            for protocol in enveloped:
                publication.sign(protocol, self.signer)
        return prepared

    def _publish(self, tx: Transaction, find: Finder, prepared: Sequence[Publication], publication_id: str | None) -> list[str]:
        topic = find(tx)
        if publication_id is not None:
            known = _remembered(tx, topic, publication_id)
            if known is not None:
                return [known]
            _remember(tx, topic, publication_id, prepared[0].message_id)
        for subscription in subscriptions.of_topic(tx, topic):
            if not subscription.confirmed:
                continue
            for publication in prepared:
                if subscriptions.wants(subscription, publication.text(subscription.protocol), publication.draft.attributes):
                    PROTOCOLS[subscription.protocol].deliver(tx, subscription, publication, self.signer)
        return [publication.message_id for publication in prepared]


def sns_operations(topics: Topics) -> Mapping[str, Operation]:
    """The operations of SNS by name."""
    return topics.operations()


def _remembered(tx: Transaction, topic: Topic, publication_id: str) -> str | None:
    message_id: str | None = tx.sql.execute(
        select(publications.c.message_id).where(
            publications.c.topic_id == topic.id,
            publications.c.publication_id == publication_id,
            publications.c.published_at >= tx.now - REMEMBERED_DAYS * 86_400_000,
        )
    ).scalar()
    return message_id


def _remember(tx: Transaction, topic: Topic, publication_id: str, message_id: str) -> None:
    key = {"topic_id": topic.id, "publication_id": publication_id}
    # One that was forgotten may still be there.
    tx.sql.execute(delete(publications).filter_by(**key))
    tx.sql.execute(insert(publications).values(**key, message_id=message_id, published_at=tx.now))


def _check_entries(entries: Sequence[Params]) -> None:
    if not entries:
        raise ServiceError("EmptyBatchRequestException", "The batch request doesn't contain any entries.")
    if len(entries) > _MOST_ENTRIES:
        raise ServiceError("TooManyEntriesInBatchRequestException", "The batch request contains more entries than permissible.")
    ids = [entry["Id"] for entry in entries]
    if len(set(ids)) != len(ids):
        raise ServiceError("BatchEntryIdsNotDistinctException", "Two or more batch entries in the request have the same Id.")
    for one in ids:
        if len(one) > _LONGEST_ID:
            raise ServiceError("InvalidBatchEntryIdException", f"The Id of a batch entry in the batch request is too long: {one}")
        if not _ID.fullmatch(one):
            reason = f"The Id of a batch entry in the batch request contains an impermissible character: {one}"
            raise ServiceError("InvalidBatchEntryIdException", reason)
