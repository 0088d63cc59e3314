"""Operations on roles."""

from __future__ import annotations

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.iam import principals
from openrek.localaws.iam.documents import check_trust_policy
from openrek.localaws.iam.principals import ROLE
from openrek.localaws.store import Transaction

DEFAULT_SESSION = 3600


def create_role(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreateRole."""
    check_trust_policy(params["AssumeRolePolicyDocument"])
    role = principals.add(
        tx,
        caller,
        ROLE,
        params,
        trust=params["AssumeRolePolicyDocument"],
        description=params.get("Description"),
        max_session=params.get("MaxSessionDuration") or DEFAULT_SESSION,
    )
    return {"Role": principals.shaped(caller, ROLE, role)}


def get_role(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetRole."""
    role = principals.find(tx, caller, ROLE, params["RoleName"])
    return {"Role": {**principals.shaped(caller, ROLE, role), "MaxSessionDuration": role.max_session, "RoleLastUsed": {}}}


def list_roles(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListRoles."""
    return principals.listing(tx, caller, ROLE, params, {"MaxSessionDuration": "max_session"})


def delete_role(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DeleteRole: not while it has policies."""
    principals.remove(tx, principals.find(tx, caller, ROLE, params["RoleName"]))
    return {}


def update_role(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UpdateRole: description and longest session."""
    role = principals.find(tx, caller, ROLE, params["RoleName"])
    if params.get("Description") is not None:
        principals.change(tx, role, description=params["Description"])
    if params.get("MaxSessionDuration") is not None:
        principals.change(tx, role, max_session=params["MaxSessionDuration"])
    return {}


def update_role_description(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UpdateRoleDescription."""
    role = principals.find(tx, caller, ROLE, params["RoleName"])
    principals.change(tx, role, description=params["Description"])
    return {"Role": principals.shaped(caller, ROLE, principals.find(tx, caller, ROLE, role.name))}


def update_assume_role_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UpdateAssumeRolePolicy."""
    role = principals.find(tx, caller, ROLE, params["RoleName"])
    check_trust_policy(params["PolicyDocument"])
    principals.change(tx, role, trust=params["PolicyDocument"])
    return {}


def list_instance_profiles_for_role(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListInstanceProfilesForRole: there are none; programs ask before they delete a role."""
    principals.find(tx, caller, ROLE, params["RoleName"])
    return {"InstanceProfiles": [], "IsTruncated": False}
