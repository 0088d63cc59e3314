"""Topics: found by ARN, made, listed, changed, deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, delete, func, insert, select, update

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws import pages
from openrek.localaws.arns import parse_arn, topic_arn
from openrek.localaws.schema import subscriptions, topics
from openrek.localaws.sns import attributes
from openrek.localaws.sns.errors import invalid, topic_not_found
from openrek.localaws.store import Transaction

PAGE = 100
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_FIFO_NAME = re.compile(r"[A-Za-z0-9_-]{1,251}\.fifo")
_MOST_TAGS = 50


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is now.

    Attributes
    ----------
    id
        Never used again.
    account, region, name
        Which make its ARN.
    attributes, tags
        What was set.
    unsubscribed
        Number of subscriptions that were deleted.
    """

    id: int
    account: str
    region: str
    name: str
    attributes: Mapping[str, str]
    tags: Mapping[str, str]
    unsubscribed: int

    @property
    def arn(self) -> str:
        """The topic's ARN."""
        return topic_arn(self.account, self.region, self.name)


def find(tx: Transaction, account: str, region: str, name: str) -> Topic | None:
    """The topic of that name."""
    if not _NAME.fullmatch(name):
        return None
    row: Any = tx.sql.execute(select(topics).where(topics.c.account == account, topics.c.region == region, topics.c.name == name)).first()
    if row is None:
        return None
    return Topic(row.id, row.account, row.region, row.name, row.attributes, row.tags, row.unsubscribed)


def by_arn(tx: Transaction, caller: Caller, arn: str | None) -> Topic:
    """The caller's topic of that ARN.

    Raises
    ------
    ServiceError
        It is no ARN, one of another region, or there is no such topic.
    """
    account, region, name = located(arn, caller.region)
    topic = find(tx, account, region, name) if account == caller.account else None
    if topic is None:
        raise topic_not_found()
    return topic


def located(arn: str | None, region: str | None = None) -> tuple[str, str, str]:
    """Account, region and name in a topic's ARN.

    Raises
    ------
    ServiceError
        It is no ARN of a topic, or one of another region than `region`.
    """
    parts = parse_arn(arn or "")
    if parts is None:
        elements = len((arn or "").split(":"))
        if elements < 6:
            raise invalid(f"TopicArn Reason: An ARN must have at least 6 elements, not {elements}")
        raise invalid("TopicArn")
    if parts.service != "sns" or region not in (None, parts.region):
        raise invalid("TopicArn")
    return parts.account, parts.region, parts.resource


def create_topic(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreateTopic: the same name with the same attributes and tags is the same topic."""
    name, given = params["Name"], dict(params.get("Attributes") or {})
    if given.pop("FifoTopic", "false").lower() == "true" and _FIFO_NAME.fullmatch(name):
        raise invalid("Attributes Reason: openrek has no FIFO topics; create a standard topic")
    if params.get("DataProtectionPolicy"):
        raise invalid("DataProtectionPolicy Reason: openrek does not look into messages; leave it out")
    if not _NAME.fullmatch(name):
        raise invalid("Topic Name")
    tags = checked_tags(params.get("Tags") or [])
    for attribute, value in given.items():
        attributes.check(attribute, value, "Attributes Reason: ")
    topic = find(tx, caller.account, caller.region, name)
    if topic is not None:
        shown = {**attributes.derived(topic.arn, topic.account, topic.attributes), **topic.attributes}
        if any(shown.get(attribute) != value for attribute, value in given.items()):
            raise invalid("Attributes Reason: Topic already exists with different attributes")
        if any(topic.tags.get(key) != value for key, value in tags.items()):
            raise invalid("Tags Reason: Topic already exists with different tags")
        return {"TopicArn": topic.arn}
    values: dict[str, Any] = {
        "account": caller.account,
        "region": caller.region,
        "name": name,
        "created_at": tx.now,
        "attributes": {attribute: value for attribute, value in given.items() if value},
        "tags": tags,
        "unsubscribed": 0,
    }
    tx.sql.execute(insert(topics).values(values))
    return {"TopicArn": topic_arn(caller.account, caller.region, name)}


def delete_topic(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DeleteTopic: with its subscriptions; a topic that is not there is deleted."""
    account, region, name = located(params["TopicArn"], caller.region)
    topic = find(tx, account, region, name) if account == caller.account else None
    if topic is not None:
        tx.sql.execute(delete(topics).where(topics.c.id == topic.id))
    return {}


def list_topics(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListTopics: a hundred at a time, in the order of names."""
    rows = tx.sql.execute(
        select(topics.c.name)
        .where(topics.c.account == caller.account, topics.c.region == caller.region, topics.c.name > after(params))
        .order_by(topics.c.name)
        .limit(PAGE + 1)
    )
    page, token = pages.cut(list(rows.scalars()), PAGE, str)
    result: Params = {"Topics": [{"TopicArn": topic_arn(caller.account, caller.region, name)} for name in page]}
    if token is not None:
        result["NextToken"] = token
    return result


def get_topic_attributes(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetTopicAttributes."""
    topic = by_arn(tx, caller, params["TopicArn"])
    confirmed, pending = tx.sql.execute(
        select(
            func.coalesce(func.sum(case((subscriptions.c.confirmed, 1), else_=0)), 0),
            func.coalesce(func.sum(case((subscriptions.c.confirmed, 0), else_=1)), 0),
        ).where(subscriptions.c.topic_id == topic.id)
    ).one()
    return {
        "Attributes": {
            **attributes.derived(topic.arn, topic.account, topic.attributes),
            **topic.attributes,
            "SubscriptionsConfirmed": str(confirmed),
            "SubscriptionsPending": str(pending),
            "SubscriptionsDeleted": str(topic.unsubscribed),
        }
    }


def set_topic_attributes(tx: Transaction, caller: Caller, params: Params) -> Params:
    """SetTopicAttributes: an empty value goes back to the default."""
    topic = by_arn(tx, caller, params["TopicArn"])
    name, value = params["AttributeName"], params.get("AttributeValue") or ""
    attributes.check(name, value, "")
    kept = {**topic.attributes, name: value}
    if not value:
        del kept[name]
    change(tx, topic, kept)
    return {}


def change(tx: Transaction, topic: Topic, kept: dict[str, str]) -> None:
    """Keep other attributes."""
    tx.sql.execute(update(topics).where(topics.c.id == topic.id).values(attributes=kept))


def tag_resource(tx: Transaction, caller: Caller, params: Params) -> Params:
    """TagResource: a new value replaces the old one of its key."""
    topic = _resource(tx, caller, params["ResourceArn"])
    tags = {**topic.tags, **checked_tags(params["Tags"])}
    if len(tags) > _MOST_TAGS:
        raise _too_many_tags()
    tx.sql.execute(update(topics).where(topics.c.id == topic.id).values(tags=tags))
    return {}


def untag_resource(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UntagResource."""
    topic = _resource(tx, caller, params["ResourceArn"])
    tags = {key: value for key, value in topic.tags.items() if key not in params["TagKeys"]}
    tx.sql.execute(update(topics).where(topics.c.id == topic.id).values(tags=tags))
    return {}


def list_tags_for_resource(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListTagsForResource."""
    tags = _resource(tx, caller, params["ResourceArn"]).tags
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def checked_tags(tags: list[Params]) -> dict[str, str]:
    """Tags by key; none twice, and not too many."""
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) != len(tags):
        raise invalid("Duplicated keys are not allowed.")
    if len(found) > _MOST_TAGS:
        raise _too_many_tags()
    return found


def after(params: Params) -> str:
    """The key after which a page begins.

    Raises
    ------
    ServiceError
        The token is not one of ours.
    """
    if not params.get("NextToken"):
        return ""
    key = pages.key(params["NextToken"])
    if key is None:
        raise invalid("NextToken Reason: It was not returned by this operation")
    return key


def _too_many_tags() -> ServiceError:
    return ServiceError("TagLimitExceededException", "Could not complete request: tag quota of per resource exceeded")


def _resource(tx: Transaction, caller: Caller, arn: str) -> Topic:
    parts = parse_arn(arn)
    topic = find(tx, parts.account, parts.region, parts.resource) if parts is not None and parts.service == "sns" else None
    if topic is None or (topic.account, topic.region) != (caller.account, caller.region):
        raise ServiceError("ResourceNotFoundException", "Resource does not exist", status=404)
    return topic
