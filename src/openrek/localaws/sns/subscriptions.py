"""Subscriptions: made, confirmed, listed, changed, ended."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws import json_text, pages
from openrek.localaws.arns import parse_arn
from openrek.localaws.schema import ended_subscriptions, subscriptions, topics
from openrek.localaws.sns import delivery, filters, http_endpoints
from openrek.localaws.sns.errors import invalid, subscription_not_found
from openrek.localaws.sns.protocols import ELSEWHERE, PROTOCOLS
from openrek.localaws.sns.signing import Signer
from openrek.localaws.sns.topics import PAGE, Topic, after, by_arn, find, located
from openrek.localaws.store import Transaction

_SETTABLE = ("DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "SubscriptionRoleArn")
_DEFAULT_SCOPE = "MessageAttributes"
_RESTORABLE_DAYS = 3


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it is now.

    Attributes
    ----------
    id, topic_id
        Rows.
    arn, topic_arn, account, region
        What it is called, and where it belongs.
    protocol, endpoint
        Where notifications go.
    principal
        Who made it.
    attributes
        What was set.
    confirmed
        Whether notifications go there.
    """

    id: int
    topic_id: int
    arn: str
    topic_arn: str
    account: str
    region: str
    protocol: str
    endpoint: str
    principal: str
    attributes: Mapping[str, str]
    confirmed: bool


def of_topic(tx: Transaction, topic: Topic) -> list[Subscription]:
    """A topic's subscriptions, oldest first."""
    return _found(tx, subscriptions.c.topic_id == topic.id)


def wants(subscription: Subscription, body: str, attributes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a message passes the subscription's filter policy, if it has one."""
    policy = subscription.attributes.get("FilterPolicy")
    return policy is None or filters.passes(policy, _scope(subscription.attributes), body, attributes)


def subscribe(tx: Transaction, caller: Caller, params: Params, *, signer: Signer) -> Params:
    """Subscribe: the same endpoint with the same attributes is the same subscription. One that must confirm is asked each time."""
    topic = by_arn(tx, caller, params["TopicArn"])
    protocol, endpoint = params["Protocol"], params.get("Endpoint") or ""
    destination = PROTOCOLS.get(protocol)
    if destination is None:
        if protocol in ELSEWHERE:
            spoken = ", ".join(PROTOCOLS)
            raise invalid(f"Protocol Reason: openrek does not deliver to {protocol}; it delivers to {spoken}")
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    destination.check(endpoint, topic)
    attributes = _checked(topic, protocol, {}, params.get("Attributes") or {}, "Attributes Reason: ")
    of_endpoint = (subscriptions.c.protocol == protocol) & (subscriptions.c.endpoint == endpoint)
    for known in _found(tx, (subscriptions.c.topic_id == topic.id) & of_endpoint):
        if any(known.attributes.get(name, _DEFAULTS.get(name)) != value for name, value in attributes.items()):
            raise invalid("Attributes Reason: Subscription already exists with different attributes")
        return _subscribed(tx, caller, known, params, signer)
    values: dict[str, Any] = {
        "topic_id": topic.id,
        "arn": f"{topic.arn}:{uuid.uuid4()}",
        "topic_arn": topic.arn,
        "account": topic.account,
        "region": topic.region,
        "protocol": protocol,
        "endpoint": endpoint,
        "principal": caller.principal,
        "attributes": attributes,
        "confirmed": not destination.must_confirm,
        "token": secrets.token_hex(144),
    }
    tx.sql.execute(insert(subscriptions).values(values))
    [made] = _found(tx, subscriptions.c.arn == values["arn"])
    return _subscribed(tx, caller, made, params, signer)


def _subscribed(tx: Transaction, caller: Caller, subscription: Subscription, params: Params, signer: Signer) -> Params:
    """The answer to Subscribe; an endpoint that has not confirmed yet is asked to."""
    if not subscription.confirmed:
        http_endpoints.ask(tx, subscription.topic_arn, subscription, _token(tx, subscription), caller.endpoint, signer)
        if not params.get("ReturnSubscriptionArn"):
            return {"SubscriptionArn": "pending confirmation"}
    return {"SubscriptionArn": subscription.arn}


def confirm_subscription(tx: Transaction, _: Caller, params: Params) -> Params:
    """ConfirmSubscription: works unsigned; the token is the proof. It also restores a subscription that its endpoint did not end."""
    parts = parse_arn(params["TopicArn"])
    if parts is None or parts.service != "sns":
        raise invalid("Topic")
    condition = (subscriptions.c.topic_arn == params["TopicArn"]) & (subscriptions.c.token == params["Token"])
    for subscription in _found(tx, condition):
        tx.sql.execute(update(subscriptions).where(subscriptions.c.id == subscription.id).values(confirmed=True))
        return {"SubscriptionArn": subscription.arn}
    restored = _restore(tx, params["TopicArn"], params["Token"])
    if restored is None:
        raise invalid("Token")
    return {"SubscriptionArn": restored}


def unsubscribe(tx: Transaction, caller: Caller, params: Params, *, signer: Signer) -> Params:
    """Unsubscribe: works unsigned, as the link in every notification; a subscription that is not there has ended."""
    arn = params["SubscriptionArn"]
    if not arn:
        raise invalid("SubscriptionArn Reason: no value for required parameter")
    parts, elements = parse_arn(arn), len(arn.split(":"))
    if parts is None or elements < 6:
        raise invalid(f"SubscriptionArn Reason: An ARN must have at least 6 elements, not {elements}")
    if elements == 6:
        raise invalid("SubscriptionId")
    for subscription in _found(tx, subscriptions.c.arn == arn):
        if caller.access_key_id and caller.account != subscription.account:
            raise ServiceError("AuthorizationErrorException", "Caller is not the owner of the subscription", status=403)
        if PROTOCOLS[subscription.protocol].must_confirm and subscription.confirmed:
            token = _remember_end(tx, subscription)
            http_endpoints.tell_end(tx, subscription.topic_arn, subscription, token, caller.endpoint, signer)
        tx.sql.execute(delete(subscriptions).where(subscriptions.c.id == subscription.id))
        tx.sql.execute(update(topics).where(topics.c.id == subscription.topic_id).values(unsubscribed=topics.c.unsubscribed + 1))
    return {}


def forget_ended(tx: Transaction) -> None:
    """Forget subscriptions that ended too long ago to be restored."""
    oldest = tx.now - _RESTORABLE_DAYS * 86_400_000
    tx.sql.execute(delete(ended_subscriptions).where(ended_subscriptions.c.ended_at < oldest))


def _remember_end(tx: Transaction, subscription: Subscription) -> str:
    """Keep a subscription that ends, so that it can be restored; returns the token for that."""
    token = secrets.token_hex(144)
    kept = {**asdict(subscription), "attributes": dict(subscription.attributes), "token": token}
    for name in ("id", "topic_id"):
        del kept[name]
    values = {"token": token, "account": subscription.account, "topic_arn": subscription.topic_arn}
    tx.sql.execute(insert(ended_subscriptions).values(**values, subscription=kept, ended_at=tx.now))
    return token


def _restore(tx: Transaction, topic_arn: str, token: str) -> str | None:
    """Bring an ended subscription back; its ARN, None if the token is not one of such a subscription."""
    own = (ended_subscriptions.c.token == token) & (ended_subscriptions.c.topic_arn == topic_arn)
    kept: Any = tx.sql.execute(select(ended_subscriptions.c.subscription).where(own)).scalar()
    topic = find(tx, *located(topic_arn))
    if kept is None or topic is None:
        return None
    of_endpoint = (subscriptions.c.protocol == kept["protocol"]) & (subscriptions.c.endpoint == kept["endpoint"])
    tx.sql.execute(delete(subscriptions).where((subscriptions.c.topic_id == topic.id) & of_endpoint))
    tx.sql.execute(insert(subscriptions).values(**kept, topic_id=topic.id))
    tx.sql.execute(delete(ended_subscriptions).where(own))
    return str(kept["arn"])


def _token(tx: Transaction, subscription: Subscription) -> str:
    return str(tx.sql.execute(select(subscriptions.c.token).where(subscriptions.c.id == subscription.id)).scalar())


def list_subscriptions(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListSubscriptions: a hundred at a time, in the order of ARNs."""
    return _page(tx, (subscriptions.c.account == caller.account) & (subscriptions.c.region == caller.region), params)


def list_subscriptions_by_topic(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListSubscriptionsByTopic."""
    return _page(tx, subscriptions.c.topic_id == by_arn(tx, caller, params["TopicArn"]).id, params)


def get_subscription_attributes(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetSubscriptionAttributes."""
    subscription = _owned(tx, caller, params["SubscriptionArn"])
    confirmed = "true" if subscription.confirmed else "false"
    attributes = {
        "SubscriptionArn": subscription.arn,
        "TopicArn": subscription.topic_arn,
        "Owner": subscription.account,
        "Protocol": subscription.protocol,
        "Endpoint": subscription.endpoint,
        "SubscriptionPrincipal": subscription.principal,
        "ConfirmationWasAuthenticated": confirmed,
        "PendingConfirmation": "false" if subscription.confirmed else "true",
        "RawMessageDelivery": "false",
        **subscription.attributes,
    }
    if "FilterPolicy" in attributes:
        attributes.setdefault("FilterPolicyScope", _DEFAULT_SCOPE)
    else:
        attributes.pop("FilterPolicyScope", None)
    if PROTOCOLS[subscription.protocol].must_confirm:
        topic = find(tx, *located(subscription.topic_arn))
        of_topic = topic.attributes if topic is not None else {}
        policy = delivery.effective(of_topic, subscription.attributes)
        attributes["EffectiveDeliveryPolicy"] = json.dumps(policy, separators=(",", ":"))
    return {"Attributes": attributes}


def set_subscription_attributes(tx: Transaction, caller: Caller, params: Params) -> Params:
    """SetSubscriptionAttributes: an empty value takes a policy away."""
    subscription = _owned(tx, caller, params["SubscriptionArn"])
    account, region, name = located(subscription.topic_arn)
    topic = find(tx, account, region, name)
    if topic is None:
        raise subscription_not_found()
    change = {params["AttributeName"]: params.get("AttributeValue") or ""}
    kept = _checked(topic, subscription.protocol, subscription.attributes, change, "")
    tx.sql.execute(update(subscriptions).where(subscriptions.c.id == subscription.id).values(attributes=kept))
    return {}


_DEFAULTS = {"RawMessageDelivery": "false", "FilterPolicyScope": _DEFAULT_SCOPE}


def _checked(topic: Topic, protocol: str, kept: Mapping[str, str], changes: Mapping[str, str], prefix: str) -> dict[str, str]:
    """A subscription's attributes after changes; `prefix` stands before what is wrong with these."""
    result = dict(kept)
    for name, value in changes.items():
        if name not in _SETTABLE:
            raise invalid(f"{prefix}AttributeName")
        if name not in PROTOCOLS[protocol].settable:
            raise invalid(f"{prefix}{name}: not supported for protocol {protocol}")
        if name == "RawMessageDelivery":
            if value.lower() not in ("true", "false"):
                raise invalid(f"{prefix}RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
            result[name] = value.lower()
        elif name == "FilterPolicyScope":
            if value not in ("MessageAttributes", "MessageBody"):
                reason = f"Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                raise invalid(f"{prefix}FilterPolicyScope: {reason}")
            result[name] = value
        elif value:
            if name == "DeliveryPolicy":
                delivery.check(value, prefix)
            result[name] = value
        else:
            result.pop(name, None)
    if result.get("FilterPolicy") == "{}":
        del result["FilterPolicy"]
    if "FilterPolicy" in result:
        try:
            filters.check(result["FilterPolicy"], _scope(result))
        except filters.FilterPolicyError as error:
            raise invalid(f"{prefix}{error}") from None
    if "RedrivePolicy" in changes and "RedrivePolicy" in result:
        _check_redrive_policy(topic, result["RedrivePolicy"], prefix)
    return result


def _check_redrive_policy(topic: Topic, text: str, prefix: str) -> None:
    try:
        policy = json_text.parse(text)
    except ValueError:
        raise invalid(f"{prefix}RedrivePolicy: failed to parse JSON.") from None
    target = parse_arn(str(policy.get("deadLetterTargetArn", ""))) if isinstance(policy, dict) else None
    if target is None or target.service != "sqs" or (target.account, target.region) != (topic.account, topic.region):
        raise invalid(f"{prefix}RedrivePolicy: deadLetterTargetArn is an invalid arn")


def _scope(attributes: Mapping[str, str]) -> filters.Scope:
    return "MessageBody" if attributes.get("FilterPolicyScope") == "MessageBody" else "MessageAttributes"


def _owned(tx: Transaction, caller: Caller, arn: str) -> Subscription:
    for subscription in _found(tx, subscriptions.c.arn == arn):
        if (subscription.account, subscription.region) == (caller.account, caller.region):
            return subscription
    raise subscription_not_found()


def _found(tx: Transaction, condition: ColumnElement[bool]) -> list[Subscription]:
    rows = tx.sql.execute(select(subscriptions).where(condition).order_by(subscriptions.c.id))
    return [
        Subscription(
            row.id,
            row.topic_id,
            row.arn,
            row.topic_arn,
            row.account,
            row.region,
            row.protocol,
            row.endpoint,
            row.principal,
            row.attributes,
            row.confirmed,
        )
        for row in rows
    ]


def _page(tx: Transaction, condition: ColumnElement[bool], params: Params) -> Params:
    rows = tx.sql.execute(
        select(subscriptions).where(condition, subscriptions.c.arn > after(params)).order_by(subscriptions.c.arn).limit(PAGE + 1)
    )
    page, token = pages.cut(list(rows), PAGE, lambda row: str(row.arn))
    result: Params = {
        "Subscriptions": [
            {
                "SubscriptionArn": row.arn if row.confirmed else "PendingConfirmation",
                "Owner": row.account,
                "Protocol": row.protocol,
                "Endpoint": row.endpoint,
                "TopicArn": row.topic_arn,
            }
            for row in page
        ]
    }
    if token is not None:
        result["NextToken"] = token
    return result
