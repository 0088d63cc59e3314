"""Operations on users and their access keys."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.callers import identity
from openrek.localaws.iam import principals
from openrek.localaws.iam.errors import limit_exceeded, no_such_entity
from openrek.localaws.iam.names import new_id, new_secret, page
from openrek.localaws.iam.principals import USER, Principal
from openrek.localaws.schema import access_keys
from openrek.localaws.store import Transaction

_MOST_KEYS = 2


def create_user(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreateUser."""
    return {"User": principals.shaped(caller, USER, principals.add(tx, caller, USER, params))}


def get_user(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetUser: without a name, the caller."""
    name = params.get("UserName")
    if name is None:
        arn, unique_id = identity(tx, caller)
        resource = arn.rpartition(":")[2]
        if not resource.startswith("user/"):
            return {"User": {"Path": "/", "UserName": resource, "UserId": unique_id, "Arn": arn, "CreateDate": 0}}
        name = resource.rpartition("/")[2]
    return {"User": principals.shaped(caller, USER, principals.find(tx, caller, USER, name))}


def list_users(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListUsers."""
    return principals.listing(tx, caller, USER, params)


def delete_user(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DeleteUser: not while it has policies or access keys."""
    principals.remove(tx, principals.find(tx, caller, USER, params["UserName"]))
    return {}


def create_access_key(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreateAccessKey: the only time that the secret is told."""
    user = _named(tx, caller, params)
    known = tx.sql.execute(select(access_keys.c.id).where(access_keys.c.principal_id == user.id)).all()
    if len(known) >= _MOST_KEYS:
        raise limit_exceeded(f"Cannot exceed quota for AccessKeysPerUser: {_MOST_KEYS}")
    key_id, secret = new_id("AKIA"), new_secret()
    tx.sql.execute(
        insert(access_keys).values(id=key_id, principal_id=user.id, account=user.account, secret=secret, active=True, created_at=tx.now)
    )
    return {
        "AccessKey": {
            "UserName": user.name,
            "AccessKeyId": key_id,
            "Status": "Active",
            "SecretAccessKey": secret,
            "CreateDate": tx.now // 1000,
        }
    }


def list_access_keys(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListAccessKeys."""
    user = _named(tx, caller, params)
    rows = tx.sql.execute(select(access_keys).where(access_keys.c.principal_id == user.id)).all()
    return page(
        params,
        "AccessKeyMetadata",
        rows,
        lambda row: str(row.id),
        lambda row: {
            "UserName": user.name,
            "AccessKeyId": row.id,
            "Status": "Active" if row.active else "Inactive",
            "CreateDate": row.created_at // 1000,
        },
    )


def update_access_key(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UpdateAccessKey: active or not."""
    key = _key(tx, _named(tx, caller, params), params["AccessKeyId"])
    tx.sql.execute(update(access_keys).where(access_keys.c.id == key).values(active=params["Status"] == "Active"))
    return {}


def delete_access_key(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DeleteAccessKey."""
    key = _key(tx, _named(tx, caller, params), params["AccessKeyId"])
    tx.sql.execute(delete(access_keys).where(access_keys.c.id == key))
    return {}


def list_groups_for_user(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListGroupsForUser: there are none; programs ask before they delete a user."""
    principals.find(tx, caller, USER, params["UserName"])
    return {"Groups": [], "IsTruncated": False}


def _named(tx: Transaction, caller: Caller, params: Params) -> Principal:
    name = params.get("UserName")
    if name is None:
        resource = identity(tx, caller)[0].rpartition(":")[2]
        if not resource.startswith("user/"):
            raise no_such_entity("Name the user: the caller is none.")
        name = resource.rpartition("/")[2]
    return principals.find(tx, caller, USER, name)


def _key(tx: Transaction, user: Principal, key_id: str) -> str:
    found: str | None = tx.sql.execute(
        select(access_keys.c.id).where(access_keys.c.principal_id == user.id, access_keys.c.id == key_id)
    ).scalar()
    if found is None:
        raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
    return found
