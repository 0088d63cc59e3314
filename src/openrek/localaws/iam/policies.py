"""Managed policies and their versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.arns import parse_arn, partition
from openrek.localaws.iam.documents import LARGEST_MANAGED, check_identity_policy, encoded
from openrek.localaws.iam.errors import already_exists, delete_conflict, invalid_arn, limit_exceeded, no_such_entity
from openrek.localaws.iam.managed import ManagedPolicy, known, managed
from openrek.localaws.iam.names import checked_tags, listed_tags, new_id, page, with_tags, without_tags
from openrek.localaws.schema import attachments, policies, policy_versions, principals
from openrek.localaws.store import Transaction

_MOST_VERSIONS = 5
_VERSION = re.compile(r"v([1-9]\d{0,8})(\..*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of an account, as it is now."""

    id: int
    arn: str
    name: str
    unique_id: str
    path: str
    description: str | None
    default_version: int
    last_version: int
    created_at: int
    updated_at: int
    tags: dict[str, str]


def create_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreatePolicy: its document is version 1."""
    name, path = params["PolicyName"], params.get("Path") or "/"
    check_identity_policy(params["PolicyDocument"], LARGEST_MANAGED)
    same = select(func.count()).where(policies.c.account == caller.account, policies.c.folded == name.lower())
    if tx.sql.execute(same).scalar():
        raise already_exists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    values: dict[str, Any] = {
        "account": caller.account,
        "arn": f"arn:{partition(caller.region)}:iam::{caller.account}:policy{path}{name}",
        "name": name,
        "folded": name.lower(),
        "unique_id": new_id("ANPA"),
        "path": path,
        "description": params.get("Description"),
        "default_version": 1,
        "last_version": 0,
        "created_at": tx.now,
        "updated_at": tx.now,
        "tags": checked_tags(params.get("Tags") or []),
    }
    tx.sql.execute(insert(policies).values(values))
    _add_version(tx, find(tx, caller, values["arn"]), params["PolicyDocument"])
    return {"Policy": _shaped(tx, find(tx, caller, values["arn"]), description=False)}


def get_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetPolicy: also one that AWS manages."""
    theirs = managed(params["PolicyArn"])
    if theirs is not None:
        return {"Policy": _shaped_managed(tx, caller, theirs)}
    return {"Policy": _shaped(tx, find(tx, caller, params["PolicyArn"]))}


def list_policies(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListPolicies: the account's, and of those that AWS manages the ones known here."""
    scope, prefix = params.get("Scope") or "All", params.get("PathPrefix") or "/"
    found: list[Params] = []
    if scope in ("All", "Local"):
        rows = tx.sql.execute(select(policies).where(policies.c.account == caller.account))
        found += [_shaped(tx, _policy(row), description=False, tags=False) for row in rows]
    if scope in ("All", "AWS"):
        found += [_shaped_managed(tx, caller, theirs) for theirs in known(partition(caller.region))]
    if params.get("OnlyAttached"):
        found = [policy for policy in found if policy["AttachmentCount"]]
    found = [policy for policy in found if policy["Path"].startswith(prefix)]
    return page(params, "Policies", found, lambda policy: f"{policy['PolicyName']} {policy['Arn']}", lambda policy: policy)


def delete_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DeletePolicy: not while it is attached, or has more than its default version."""
    policy = find(tx, caller, params["PolicyArn"])
    if _attached(tx, caller.account, policy.arn):
        raise delete_conflict("Cannot delete a policy attached to entities.")
    if len(_versions(tx, policy)) > 1:
        raise delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    tx.sql.execute(delete(policies).where(policies.c.id == policy.id))
    return {}


def create_policy_version(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreatePolicyVersion."""
    policy = find(tx, caller, params["PolicyArn"])
    check_identity_policy(params["PolicyDocument"], LARGEST_MANAGED)
    if len(_versions(tx, policy)) >= _MOST_VERSIONS:
        raise limit_exceeded(
            f"A managed policy can have up to {_MOST_VERSIONS} versions. "
            "Before you create a new version, you must delete an existing version."
        )
    number = _add_version(tx, policy, params["PolicyDocument"])
    default = bool(params.get("SetAsDefault"))
    if default:
        _change(tx, policy, default_version=number)
    return {"PolicyVersion": {"VersionId": f"v{number}", "IsDefaultVersion": default, "CreateDate": tx.now // 1000}}


def get_policy_version(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetPolicyVersion."""
    theirs = managed(params["PolicyArn"])
    if theirs is not None:
        if theirs.document is None or params["VersionId"] != "v1":
            raise no_such_entity(f"The document of {theirs.arn}, version {params['VersionId']}, is AWS's and not known here.")
        version: Params = {"Document": encoded(theirs.document), "VersionId": "v1", "IsDefaultVersion": True, "CreateDate": 0}
        return {"PolicyVersion": version}
    policy = find(tx, caller, params["PolicyArn"])
    row = _version(tx, policy, params["VersionId"])
    return {"PolicyVersion": {"Document": encoded(row.document), **_shaped_version(policy, row)}}


def list_policy_versions(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListPolicyVersions: the latest first."""
    policy = find(tx, caller, params["PolicyArn"])
    return {"Versions": [_shaped_version(policy, row) for row in _versions(tx, policy)], "IsTruncated": False}


def delete_policy_version(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DeletePolicyVersion: not the default one."""
    policy = find(tx, caller, params["PolicyArn"])
    row = _version(tx, policy, params["VersionId"])
    if row.number == policy.default_version:
        raise delete_conflict("Cannot delete the default version of a policy.")
    tx.sql.execute(delete(policy_versions).where(policy_versions.c.policy_id == policy.id, policy_versions.c.number == row.number))
    return {}


def set_default_policy_version(tx: Transaction, caller: Caller, params: Params) -> Params:
    """SetDefaultPolicyVersion."""
    policy = find(tx, caller, params["PolicyArn"])
    _change(tx, policy, default_version=_version(tx, policy, params["VersionId"]).number)
    return {}


def tag_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """TagPolicy."""
    policy = find(tx, caller, params["PolicyArn"])
    _change(tx, policy, tags=with_tags(policy.tags, params["Tags"]))
    return {}


def untag_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UntagPolicy."""
    policy = find(tx, caller, params["PolicyArn"])
    _change(tx, policy, tags=without_tags(policy.tags, params["TagKeys"]))
    return {}


def list_policy_tags(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListPolicyTags."""
    tags = listed_tags(find(tx, caller, params["PolicyArn"]).tags)
    return page(params, "Tags", tags, lambda tag: str(tag["Key"]), lambda tag: tag)


def list_entities_for_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListEntitiesForPolicy: roles and users to which it is attached."""
    arn = params["PolicyArn"]
    if managed(arn) is None:
        find(tx, caller, arn)
    rows = tx.sql.execute(
        select(principals)
        .join(attachments, attachments.c.principal_id == principals.c.id)
        .where(attachments.c.policy_arn == arn, principals.c.account == caller.account)
        .order_by(principals.c.name)
    )
    wanted, prefix = params.get("EntityFilter"), params.get("PathPrefix") or "/"
    result: Params = {"PolicyGroups": [], "PolicyRoles": [], "PolicyUsers": [], "IsTruncated": False}
    for row in rows:
        noun = row.kind.capitalize()
        if wanted in (None, noun) and row.path.startswith(prefix):
            result[f"Policy{noun}s"].append({f"{noun}Name": row.name, f"{noun}Id": row.unique_id})
    return result


def find(tx: Transaction, caller: Caller, arn: str) -> Policy:
    """The account's policy of that ARN.

    Raises
    ------
    ServiceError
        There is none.
    """
    if parse_arn(arn) is None:
        raise invalid_arn(f"ARN {arn} is not valid.")
    row = tx.sql.execute(select(policies).where(policies.c.account == caller.account, policies.c.arn == arn)).first()
    if row is None:
        raise no_such_entity(f"Policy {arn} was not found.")
    return _policy(row)


def _add_version(tx: Transaction, policy: Policy, document: str) -> int:
    number = policy.last_version + 1
    tx.sql.execute(insert(policy_versions).values(policy_id=policy.id, number=number, document=document, created_at=tx.now))
    _change(tx, policy, last_version=number, updated_at=tx.now)
    return number


def _change(tx: Transaction, policy: Policy, **columns: Any) -> None:
    tx.sql.execute(update(policies).where(policies.c.id == policy.id).values(**columns))


def _versions(tx: Transaction, policy: Policy) -> list[Any]:
    rows = tx.sql.execute(select(policy_versions).where(policy_versions.c.policy_id == policy.id).order_by(policy_versions.c.number.desc()))
    return list(rows)


def _version(tx: Transaction, policy: Policy, version: str) -> Any:
    match = _VERSION.fullmatch(version)
    for row in _versions(tx, policy):
        if match is not None and row.number == int(match[1]):
            return row
    raise no_such_entity(f"Policy {policy.arn} version {version} does not exist or is not attachable.")


def _attached(tx: Transaction, account: str, arn: str) -> int:
    query = (
        select(func.count())
        .select_from(attachments.join(principals, attachments.c.principal_id == principals.c.id))
        .where(attachments.c.policy_arn == arn, principals.c.account == account)
    )
    return tx.sql.execute(query).scalar_one()


def _shaped(tx: Transaction, policy: Policy, *, description: bool = True, tags: bool = True) -> Params:
    account = policy.arn.split(":")[4]
    result: Params = {
        "PolicyName": policy.name,
        "PolicyId": policy.unique_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": _attached(tx, account, policy.arn),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": policy.created_at // 1000,
        "UpdateDate": policy.updated_at // 1000,
    }
    if description and policy.description is not None:
        result["Description"] = policy.description
    if tags and policy.tags:
        result["Tags"] = listed_tags(policy.tags)
    return result


def _shaped_managed(tx: Transaction, caller: Caller, policy: ManagedPolicy) -> Params:
    return {
        "PolicyName": policy.name,
        "PolicyId": f"ANPA{policy.name.upper():A<17.17}",
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": "v1",
        "AttachmentCount": _attached(tx, caller.account, policy.arn),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": 0,
        "UpdateDate": 0,
    }


def _shaped_version(policy: Policy, row: Any) -> Params:
    return {
        "VersionId": f"v{row.number}",
        "IsDefaultVersion": row.number == policy.default_version,
        "CreateDate": row.created_at // 1000,
    }


def _policy(row: Any) -> Policy:
    return Policy(
        row.id,
        row.arn,
        row.name,
        row.unique_id,
        row.path,
        row.description,
        row.default_version,
        row.last_version,
        row.created_at,
        row.updated_at,
        row.tags,
    )
