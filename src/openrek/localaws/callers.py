"""Who a caller is."""

from __future__ import annotations

import base64
import hashlib

from sqlalchemy import select

from openrek.awsmodel.calls import Caller
from openrek.localaws.arns import parse_arn, partition
from openrek.localaws.schema import access_keys, principals, sessions
from openrek.localaws.store import Transaction


def identity(tx: Transaction, caller: Caller) -> tuple[str, str]:
    """The caller's ARN and unique id, by the access key if IAM or STS gave it out, else as the gateway says."""
    if caller.access_key_id.startswith("ASIA"):
        session = tx.sql.execute(select(sessions).where(sessions.c.id == caller.access_key_id)).first()
        if session is not None:
            return session.principal, session.unique_id
    if caller.access_key_id.startswith("AKIA"):
        user = tx.sql.execute(
            select(principals)
            .join(access_keys, access_keys.c.principal_id == principals.c.id)
            .where(access_keys.c.id == caller.access_key_id)
        ).first()
        if user is not None:
            return f"arn:{partition(caller.region)}:iam::{user.account}:user{user.path}{user.name}", user.unique_id
    return caller.principal, _unique_id(tx, caller)


def _unique_id(tx: Transaction, caller: Caller) -> str:
    arn = parse_arn(caller.principal)
    if arn is None or not arn.resource.startswith("user/"):
        return caller.account
    name = arn.resource.rpartition("/")[2]
    known: str | None = tx.sql.execute(
        select(principals.c.unique_id).where(
            principals.c.account == caller.account, principals.c.kind == "user", principals.c.folded == name.lower()
        )
    ).scalar()
    return known or "AIDA" + base64.b32encode(hashlib.sha256(caller.principal.encode()).digest()).decode()[:17]
