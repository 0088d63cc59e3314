"""The embedded IAM, and the identities that STS gives out: as durable as a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, select

from openrek.awsmodel.calls import Operation
from openrek.localaws.iam import policies, roles, users
from openrek.localaws.iam.grants import Grants
from openrek.localaws.iam.principals import ROLE, USER, Tags
from openrek.localaws.schema import access_keys, principals, sessions
from openrek.localaws.store import Store, Transaction


@dataclass(frozen=True, slots=True)
class Credential:
    """What an access key id stands for.

    Attributes
    ----------
    account
        Twelve digits.
    principal
        ARN of the user, or of the assumed role.
    secret
        The secret access key.
    session_token
        What the request must carry too, if the credential is temporary.
    """

    account: str
    principal: str
    secret: str
    session_token: str | None


class Identities:
    """Roles, users, policies and temporary credentials of all accounts.

    Parameters
    ----------
    store
        Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    async def credential(self, access_key_id: str) -> Credential | None:
        """What an access key id stands for; None if it is unknown, inactive or expired."""
        return await self.store.read(lambda tx: _credential(tx, access_key_id))

    async def sweep(self) -> None:
        """Forget temporary credentials that have expired."""
        await self.store.write(lambda tx: tx.sql.execute(delete(sessions).where(sessions.c.expires_at <= tx.now)).rowcount)

    def operations(self) -> Mapping[str, Operation]:
        """The operations of IAM by name."""
        reading, writing = self.store.reading, self.store.writing
        result: dict[str, Operation] = {
            "CreateAccessKey": writing(users.create_access_key),
            "CreatePolicy": writing(policies.create_policy),
            "CreatePolicyVersion": writing(policies.create_policy_version),
            "CreateRole": writing(roles.create_role),
            "CreateUser": writing(users.create_user),
            "DeleteAccessKey": writing(users.delete_access_key),
            "DeletePolicy": writing(policies.delete_policy),
            "DeletePolicyVersion": writing(policies.delete_policy_version),
            "DeleteRole": writing(roles.delete_role),
            "DeleteUser": writing(users.delete_user),
            "GetPolicy": reading(policies.get_policy),
            "GetPolicyVersion": reading(policies.get_policy_version),
            "GetRole": reading(roles.get_role),
            "GetUser": reading(users.get_user),
            "ListAccessKeys": reading(users.list_access_keys),
            "ListEntitiesForPolicy": reading(policies.list_entities_for_policy),
            "ListGroupsForUser": reading(users.list_groups_for_user),
            "ListInstanceProfilesForRole": reading(roles.list_instance_profiles_for_role),
            "ListPolicies": reading(policies.list_policies),
            "ListPolicyTags": reading(policies.list_policy_tags),
            "ListPolicyVersions": reading(policies.list_policy_versions),
            "ListRoles": reading(roles.list_roles),
            "ListUsers": reading(users.list_users),
            "SetDefaultPolicyVersion": writing(policies.set_default_policy_version),
            "TagPolicy": writing(policies.tag_policy),
            "UntagPolicy": writing(policies.untag_policy),
            "UpdateAccessKey": writing(users.update_access_key),
            "UpdateAssumeRolePolicy": writing(roles.update_assume_role_policy),
            "UpdateRole": writing(roles.update_role),
            "UpdateRoleDescription": writing(roles.update_role_description),
        }
        for kind in (ROLE, USER):
            grants, tags, noun = Grants(kind), Tags(kind), kind.noun
            result |= {
                f"Attach{noun}Policy": writing(grants.attach),
                f"Delete{noun}Policy": writing(grants.remove),
                f"Detach{noun}Policy": writing(grants.detach),
                f"Get{noun}Policy": reading(grants.get),
                f"List{noun}Policies": reading(grants.list_inline),
                f"List{noun}Tags": reading(tags.list),
                f"ListAttached{noun}Policies": reading(grants.list_attached),
                f"Put{noun}Policy": writing(grants.put),
                f"Tag{noun}": writing(tags.tag),
                f"Untag{noun}": writing(tags.untag),
            }
        return result


def iam_operations(identities: Identities) -> Mapping[str, Operation]:
    """The operations of IAM by name."""
    return identities.operations()


def _credential(tx: Transaction, access_key_id: str) -> Credential | None:
    session = tx.sql.execute(select(sessions).where(sessions.c.id == access_key_id, sessions.c.expires_at > tx.now)).first()
    if session is not None:
        return Credential(session.account, session.principal, session.secret, session.token)
    row = tx.sql.execute(
        select(access_keys.c.secret, principals.c.account, principals.c.path, principals.c.name)
        .join(principals, principals.c.id == access_keys.c.principal_id)
        .where(access_keys.c.id == access_key_id, access_keys.c.active)
    ).first()
    if row is None:
        return None
    return Credential(row.account, f"arn:aws:iam::{row.account}:user{row.path}{row.name}", row.secret, None)
