"""AddPermission and RemovePermission: statements of a topic's policy, by label."""

from __future__ import annotations

import json
from typing import Any

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.arns import partition
from openrek.localaws.sns.attributes import default_policy
from openrek.localaws.sns.errors import invalid
from openrek.localaws.sns.topics import Topic, by_arn, change
from openrek.localaws.store import Transaction

_ACTIONS = (
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
    "Receive",
)


def add_permission(tx: Transaction, caller: Caller, params: Params) -> Params:
    """AddPermission."""
    topic = by_arn(tx, caller, params["TopicArn"])
    actions, accounts = params["ActionName"], params["AWSAccountId"]
    if not actions or not accounts:
        raise invalid("Policy statement must name accounts and actions!")
    if any(action not in _ACTIONS for action in actions):
        raise invalid("Policy statement action out of service scope!")
    policy, statements = _policy(topic)
    if any(statement.get("Sid") == params["Label"] for statement in statements):
        raise invalid("Statement already exists")
    principals = [f"arn:{partition(topic.region)}:iam::{account}:root" for account in accounts]
    statements.append(
        {
            "Sid": params["Label"],
            "Effect": "Allow",
            "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
            "Action": f"SNS:{actions[0]}" if len(actions) == 1 else [f"SNS:{action}" for action in actions],
            "Resource": topic.arn,
        }
    )
    _keep(tx, topic, policy, statements)
    return {}


def remove_permission(tx: Transaction, caller: Caller, params: Params) -> Params:
    """RemovePermission: a label that is not there is removed."""
    topic = by_arn(tx, caller, params["TopicArn"])
    policy, statements = _policy(topic)
    left = [statement for statement in statements if statement.get("Sid") != params["Label"]]
    if len(left) != len(statements):
        _keep(tx, topic, policy, left)
    return {}


def _policy(topic: Topic) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    policy = json.loads(topic.attributes.get("Policy") or default_policy(topic.arn, topic.account))
    statements = policy.get("Statement", [])
    found = statements if isinstance(statements, list) else [statements]
    return policy, [statement for statement in found if isinstance(statement, dict)]


def _keep(tx: Transaction, topic: Topic, policy: dict[str, Any], statements: list[dict[str, Any]]) -> None:
    text = json.dumps({**policy, "Statement": statements}, separators=(",", ":"))
    change(tx, topic, {**topic.attributes, "Policy": text})
