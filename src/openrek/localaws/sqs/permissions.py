"""AddPermission and RemovePermission: statements of a queue's policy, by label."""

from __future__ import annotations

import json
import re
from typing import Any

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws.arns import partition
from openrek.localaws.sqs.administration import change
from openrek.localaws.sqs.errors import invalid_value, missing_parameter
from openrek.localaws.sqs.queues import Queue, by_url
from openrek.localaws.store import Transaction

_ACTIONS = (
    "*",
    "ChangeMessageVisibility",
    "DeleteMessage",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
    "ReceiveMessage",
    "SendMessage",
)
_MOST_ACTIONS = 7
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)


def add_permission(tx: Transaction, caller: Caller, params: Params) -> Params:
    """AddPermission."""
    queue = by_url(tx, caller, params["QueueUrl"])
    label, accounts, actions = params["Label"], params["AWSAccountIds"], params["Actions"]
    if not _LABEL.fullmatch(label):
        raise invalid_value(label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
    if not actions:
        raise missing_parameter("Actions")
    if len(actions) > _MOST_ACTIONS:
        raise ServiceError("OverLimit", f"{len(actions)} Actions were found, maximum allowed is {_MOST_ACTIONS}.", status=403)
    for action in actions:
        if action not in _ACTIONS:
            reason = "Please refer to the appropriate WSDL for a list of valid actions. "
            raise invalid_value(f"SQS:{action}", "ActionName", reason)
    if not accounts or not all(_ACCOUNT.fullmatch(account) for account in accounts):
        raise invalid_value(f"[{', '.join(accounts)}]", "PrincipalId", "Unable to verify.")
    policy = _policy(queue)
    if any(statement.get("Sid") == label for statement in policy["Statement"]):
        raise invalid_value(label, "Label", "Already exists.")
    policy["Statement"].append(
        {
            "Sid": label,
            "Effect": "Allow",
            "Principal": {"AWS": _one_or_many([f"arn:{partition(queue.region)}:iam::{account}:root" for account in accounts])},
            "Action": _one_or_many([f"SQS:{action}" for action in actions]),
            "Resource": queue.arn,
        }
    )
    change(tx, queue, {**queue.attributes, "Policy": json.dumps(policy, separators=(",", ":"))})
    return {}


def remove_permission(tx: Transaction, caller: Caller, params: Params) -> Params:
    """RemovePermission: with its last statement goes the policy."""
    queue = by_url(tx, caller, params["QueueUrl"])
    label = params["Label"]
    policy = _policy(queue)
    left = [statement for statement in policy["Statement"] if statement.get("Sid") != label]
    if len(left) == len(policy["Statement"]):
        raise invalid_value(label, "Label", "can't find label.")
    kept = {name: value for name, value in queue.attributes.items() if name != "Policy"}
    if left:
        kept["Policy"] = json.dumps({**policy, "Statement": left}, separators=(",", ":"))
    change(tx, queue, kept)
    return {}


def _policy(queue: Queue) -> dict[str, Any]:
    text = queue.attributes.get("Policy")
    policy: dict[str, Any] = json.loads(text) if text else {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy"}
    statements = policy.get("Statement", [])
    found = statements if isinstance(statements, list) else [statements]
    return {**policy, "Statement": [statement for statement in found if isinstance(statement, dict)]}


def _one_or_many(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
