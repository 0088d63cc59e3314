"""Policies of a role or user: attached ones and inline ones."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws.arns import parse_arn
from openrek.localaws.iam import policies, principals
from openrek.localaws.iam.documents import LARGEST_INLINE, check_identity_policy, encoded
from openrek.localaws.iam.errors import invalid_arn, limit_exceeded, no_such_entity
from openrek.localaws.iam.managed import managed
from openrek.localaws.iam.names import page
from openrek.localaws.iam.principals import Kind, Principal
from openrek.localaws.schema import attachments, inline_policies
from openrek.localaws.store import Transaction

_MOST_ATTACHED = 20


class Grants:
    """AttachRolePolicy, PutRolePolicy and their kin, and the same for users."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def attach(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """Attach a policy; attached already is fine."""
        principal, arn = self._find(tx, caller, params), params["PolicyArn"]
        if parse_arn(arn) is None:
            raise invalid_arn("Invalid ARN:  Could not be parsed!")
        if managed(arn) is None:
            try:
                policies.find(tx, caller, arn)
            except ServiceError:
                raise no_such_entity(f"Policy {arn} does not exist or is not attachable.") from None
        attached = self._attached(tx, principal)
        if arn in attached:
            return {}
        if len(attached) >= _MOST_ATTACHED:
            raise limit_exceeded(f"Cannot exceed quota for PoliciesPer{self._kind.noun}: {_MOST_ATTACHED}")
        tx.sql.execute(insert(attachments).values(principal_id=principal.id, policy_arn=arn))
        return {}

    def detach(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """Detach a policy."""
        principal, arn = self._find(tx, caller, params), params["PolicyArn"]
        gone = tx.sql.execute(delete(attachments).where(attachments.c.principal_id == principal.id, attachments.c.policy_arn == arn))
        if not gone.rowcount:
            raise no_such_entity(f"Policy {arn} was not found.")
        return {}

    def list_attached(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """List attached policies."""
        prefix = params.get("PathPrefix") or "/"
        found: list[Params] = []
        for arn in self._attached(tx, self._find(tx, caller, params)):
            policy: Any = managed(arn) or policies.find(tx, caller, arn)
            if policy.path.startswith(prefix):
                found.append({"PolicyName": policy.name, "PolicyArn": arn})
        return page(
            params, "AttachedPolicies", found, lambda policy: f"{policy['PolicyName']} {policy['PolicyArn']}", lambda policy: policy
        )

    def put(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """Write an inline policy; one of the same name is replaced."""
        principal = self._find(tx, caller, params)
        check_identity_policy(params["PolicyDocument"], LARGEST_INLINE)
        key = {"principal_id": principal.id, "name": params["PolicyName"]}
        tx.sql.execute(delete(inline_policies).filter_by(**key))
        tx.sql.execute(insert(inline_policies).values(**key, document=params["PolicyDocument"]))
        return {}

    def get(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """Read an inline policy."""
        principal = self._find(tx, caller, params)
        document: str | None = tx.sql.execute(
            select(inline_policies.c.document).where(
                inline_policies.c.principal_id == principal.id, inline_policies.c.name == params["PolicyName"]
            )
        ).scalar()
        if document is None:
            raise self._no_inline_policy(params)
        return {f"{self._kind.noun}Name": principal.name, "PolicyName": params["PolicyName"], "PolicyDocument": encoded(document)}

    def remove(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """Delete an inline policy."""
        principal = self._find(tx, caller, params)
        gone = tx.sql.execute(
            delete(inline_policies).where(inline_policies.c.principal_id == principal.id, inline_policies.c.name == params["PolicyName"])
        )
        if not gone.rowcount:
            raise self._no_inline_policy(params)
        return {}

    def list_inline(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """List names of inline policies."""
        principal = self._find(tx, caller, params)
        rows = tx.sql.execute(select(inline_policies.c.name).where(inline_policies.c.principal_id == principal.id))
        return page(params, "PolicyNames", list(rows.scalars()), str, str)

    def _find(self, tx: Transaction, caller: Caller, params: Params) -> Principal:
        return principals.find(tx, caller, self._kind, params[f"{self._kind.noun}Name"])

    def _attached(self, tx: Transaction, principal: Principal) -> list[str]:
        rows = tx.sql.execute(select(attachments.c.policy_arn).where(attachments.c.principal_id == principal.id))
        return list(rows.scalars())

    def _no_inline_policy(self, params: Params) -> ServiceError:
        return no_such_entity(f"The {self._kind.name} policy with name {params['PolicyName']} cannot be found.")
