"""Operations of STS: who is calling, and credentials for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select

from openrek.awsmodel.calls import Caller, Operation, Params, ServiceError
from openrek.localaws.arns import parse_arn, partition
from openrek.localaws.callers import identity
from openrek.localaws.iam import Identities
from openrek.localaws.iam.names import new_id, new_secret, new_session_token
from openrek.localaws.iam.principals import ROLE, Principal, find
from openrek.localaws.schema import access_keys, sessions
from openrek.localaws.store import Transaction

_ROLE_SESSION = 3600
_PLAIN_SESSION = 43_200


def sts_operations(identities: Identities) -> Mapping[str, Operation]:
    """The operations of STS by name."""
    reading, writing = identities.store.reading, identities.store.writing
    return {
        "AssumeRole": writing(assume_role),
        "GetAccessKeyInfo": reading(get_access_key_info),
        "GetCallerIdentity": reading(get_caller_identity),
        "GetSessionToken": writing(get_session_token),
    }


def get_caller_identity(tx: Transaction, caller: Caller, _: Params) -> Params:
    """GetCallerIdentity."""
    arn, unique_id = identity(tx, caller)
    return {"UserId": unique_id, "Account": caller.account, "Arn": arn}


def assume_role(tx: Transaction, caller: Caller, params: Params) -> Params:
    """AssumeRole: any role of the caller's account; trust policies are kept and not judged."""
    arn, name = params["RoleArn"], params["RoleSessionName"]
    parts = parse_arn(arn)
    if parts is None or not parts.resource.rpartition("/")[2]:
        raise ServiceError("ValidationError", f"{arn} is invalid")
    role = _role(tx, caller, arn)
    duration = params.get("DurationSeconds") or _ROLE_SESSION
    if role.max_session is not None and duration > role.max_session:
        raise ServiceError("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    assumed = {
        "Arn": f"arn:{partition(caller.region)}:sts::{role.account}:assumed-role/{role.name}/{name}",
        "AssumedRoleId": f"{role.unique_id}:{name}",
    }
    result: Params = {
        "Credentials": _credentials(tx, caller, assumed["Arn"], assumed["AssumedRoleId"], duration),
        "AssumedRoleUser": assumed,
    }
    if params.get("SourceIdentity"):
        result["SourceIdentity"] = params["SourceIdentity"]
    return result


def get_session_token(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetSessionToken: temporary credentials of the caller itself."""
    arn, unique_id = identity(tx, caller)
    if ":assumed-role/" in arn or tx.sql.execute(select(sessions.c.id).where(sessions.c.id == caller.access_key_id)).first():
        raise ServiceError("AccessDenied", "Cannot call GetSessionToken with session credentials", status=403)
    return {"Credentials": _credentials(tx, caller, arn, unique_id, params.get("DurationSeconds") or _PLAIN_SESSION)}


def get_access_key_info(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetAccessKeyInfo: the account of a key; the caller's own if the key was not given out here."""
    for table in (access_keys, sessions):
        account: str | None = tx.sql.execute(select(table.c.account).where(table.c.id == params["AccessKeyId"])).scalar()
        if account is not None:
            return {"Account": account}
    return {"Account": caller.account}


def _role(tx: Transaction, caller: Caller, arn: str) -> Principal:
    try:
        role = find(tx, caller, ROLE, arn.rpartition("/")[2])
    except ServiceError:
        role = None
    if role is None or role.arn(partition(caller.region)) != arn:
        who = identity(tx, caller)[0]
        raise ServiceError("AccessDenied", f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}", status=403)
    return role


def _credentials(tx: Transaction, caller: Caller, principal: str, unique_id: str, seconds: int) -> Params:
    values: dict[str, Any] = {
        "id": new_id("ASIA"),
        "account": caller.account,
        "principal": principal,
        "unique_id": unique_id,
        "secret": new_secret(),
        "token": new_session_token(),
        "expires_at": tx.now + seconds * 1000,
    }
    tx.sql.execute(insert(sessions).values(values))
    return {
        "AccessKeyId": values["id"],
        "SecretAccessKey": values["secret"],
        "SessionToken": values["token"],
        "Expiration": values["expires_at"] // 1000,
    }
