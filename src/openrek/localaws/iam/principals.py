"""Roles and users, as far as they are alike: found, listed, deleted, tagged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws.arns import partition
from openrek.localaws.iam.documents import encoded
from openrek.localaws.iam.errors import already_exists, delete_conflict, no_such_entity
from openrek.localaws.iam.names import checked_tags, listed_tags, new_id, page, with_tags, without_tags
from openrek.localaws.schema import access_keys, attachments, inline_policies, principals
from openrek.localaws.store import Transaction


@dataclass(frozen=True, slots=True)
class Kind:
    """Role or user.

    Attributes
    ----------
    name
        In ARNs and messages: "role".
    noun
        In names of members: "Role".
    prefix
        Of unique ids.
    """

    name: str
    noun: str
    prefix: str


ROLE = Kind("role", "Role", "AROA")
USER = Kind("user", "User", "AIDA")


@dataclass(frozen=True, slots=True)
class Principal:
    """A role or user as it is now; `trust`, `description` and `max_session` are a role's."""

    id: int
    account: str
    kind: str
    name: str
    unique_id: str
    path: str
    created_at: int
    boundary: str | None
    tags: dict[str, str]
    trust: str | None
    description: str | None
    max_session: int | None

    def arn(self, partition_name: str = "aws") -> str:
        """What it is called."""
        return f"arn:{partition_name}:iam::{self.account}:{self.kind}{self.path}{self.name}"


def find(tx: Transaction, caller: Caller, kind: Kind, name: str) -> Principal:
    """The caller's role or user of that name.

    Raises
    ------
    ServiceError
        There is none.
    """
    row = tx.sql.execute(
        select(principals).where(
            principals.c.account == caller.account, principals.c.kind == kind.name, principals.c.folded == name.lower()
        )
    ).first()
    if row is None:
        raise no_such_entity(f"The {kind.name} with name {name} cannot be found.")
    return _principal(row)


def add(tx: Transaction, caller: Caller, kind: Kind, params: Params, **columns: Any) -> Principal:
    """A new role or user of a Create request.

    Raises
    ------
    ServiceError
        The name is taken, in whatever case.
    """
    name = params[f"{kind.noun}Name"]
    values: dict[str, Any] = {
        "account": caller.account,
        "kind": kind.name,
        "name": name,
        "folded": name.lower(),
        "unique_id": new_id(kind.prefix),
        "path": params.get("Path") or "/",
        "created_at": tx.now,
        "boundary": params.get("PermissionsBoundary"),
        "tags": checked_tags(params.get("Tags") or []),
        **columns,
    }
    same = select(func.count()).where(
        principals.c.account == caller.account, principals.c.kind == kind.name, principals.c.folded == values["folded"]
    )
    if tx.sql.execute(same).scalar():
        raise already_exists(f"{kind.noun} with name {name} already exists.")
    tx.sql.execute(insert(principals).values(values))
    return find(tx, caller, kind, name)


def change(tx: Transaction, principal: Principal, **columns: Any) -> None:
    """Keep other values."""
    tx.sql.execute(update(principals).where(principals.c.id == principal.id).values(**columns))


def shaped(caller: Caller, kind: Kind, principal: Principal, *, tags: bool = True) -> Params:
    """A role or user as the service model shapes it, without what only GetRole and ListRoles tell."""
    result: Params = {
        "Path": principal.path,
        f"{kind.noun}Name": principal.name,
        f"{kind.noun}Id": principal.unique_id,
        "Arn": principal.arn(partition(caller.region)),
        "CreateDate": principal.created_at // 1000,
    }
    if principal.trust is not None:
        result["AssumeRolePolicyDocument"] = encoded(principal.trust)
    if principal.description:
        result["Description"] = principal.description
    if principal.boundary:
        result["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": principal.boundary,
        }
    if tags and principal.tags:
        result["Tags"] = listed_tags(principal.tags)
    return result


def listing(tx: Transaction, caller: Caller, kind: Kind, params: Params, further: Mapping[str, Any] | None = None) -> Params:
    """ListRoles and ListUsers."""
    prefix = params.get("PathPrefix") or "/"
    rows = tx.sql.execute(select(principals).where(principals.c.account == caller.account, principals.c.kind == kind.name))
    found = [principal for row in rows if (principal := _principal(row)).path.startswith(prefix)]

    def shape(principal: Principal) -> Params:
        told = {name: getattr(principal, column) for name, column in (further or {}).items()}
        return {**shaped(caller, kind, principal, tags=False), **told}

    return page(params, f"{kind.noun}s", found, lambda principal: str(principal.name), shape)


def remove(tx: Transaction, principal: Principal) -> None:
    """Delete a role or user.

    Raises
    ------
    ServiceError
        It still has policies or access keys.
    """
    for table, what in (
        (attachments, "detach all policies"),
        (inline_policies, "delete policies"),
        (access_keys, "delete access keys"),
    ):
        if tx.sql.execute(select(func.count()).where(table.c.principal_id == principal.id)).scalar():
            raise delete_conflict(f"Cannot delete entity, must {what} first.")
    tx.sql.execute(delete(principals).where(principals.c.id == principal.id))


class Tags:
    """TagRole, UntagRole, ListRoleTags, and the same for users."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def tag(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """Add tags."""
        principal = self._find(tx, caller, params)
        change(tx, principal, tags=with_tags(principal.tags, params["Tags"]))
        return {}

    def untag(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """Take tags away."""
        principal = self._find(tx, caller, params)
        change(tx, principal, tags=without_tags(principal.tags, params["TagKeys"]))
        return {}

    def list(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """List tags."""
        tags = listed_tags(self._find(tx, caller, params).tags)
        return page(params, "Tags", tags, lambda tag: str(tag["Key"]), lambda tag: tag)

    def _find(self, tx: Transaction, caller: Caller, params: Params) -> Principal:
        return find(tx, caller, self._kind, params[f"{self._kind.noun}Name"])


def _principal(row: Any) -> Principal:
    return Principal(
        row.id,
        row.account,
        row.kind,
        row.name,
        row.unique_id,
        row.path,
        row.created_at,
        row.boundary,
        row.tags,
        row.trust,
        row.description,
        row.max_session,
    )
