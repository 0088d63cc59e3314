"""Policy documents: checked for their form when they come, percent-encoded when they go.

They are kept and told, never judged: everybody who can sign may do everything here.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from openrek.localaws import json_text
from openrek.localaws.iam.errors import limit_exceeded, malformed_document

_VERSIONS = ("2012-10-17", "2008-10-17")
_TOP = {"Version", "Id", "Statement"}
_STATEMENT = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"}
LARGEST_MANAGED = 6144
LARGEST_TRUST = 8192
LARGEST_INLINE = 10_240


def check_identity_policy(text: str, largest: int) -> None:
    """Refuse what is not a policy for a role or user: actions on resources.

    Raises
    ------
    ServiceError
        It is malformed, or longer than `largest` without its white space.
    """
    for statement in _statements(text, largest):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise malformed_document("Policy document should not specify a principal.")
        if "Resource" not in statement and "NotResource" not in statement:
            raise malformed_document("Policy statement must contain resources.")


def check_trust_policy(text: str) -> None:
    """Refuse what is not a role's trust policy: who may take the role.

    Raises
    ------
    ServiceError
        It is malformed.
    """
    for statement in _statements(text, LARGEST_TRUST):
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise malformed_document("Missing required field Principal")
        for field in ("Resource", "NotResource"):
            if field in statement:
                raise malformed_document(f"Has prohibited field {field}")
        actions = statement.get("Action", [])
        for action in [actions] if isinstance(actions, str) else actions:
            if not action.lower().startswith("sts:") and action != "*":
                raise malformed_document("AssumeRole policy may only specify STS AssumeRole actions.")


def encoded(text: str) -> str:
    """A document as answers carry it."""
    return quote(text, safe="-_.~")


def _statements(text: str, largest: int) -> list[dict[str, Any]]:
    if len("".join(text.split())) > largest:
        raise limit_exceeded(f"Cannot exceed quota for PolicySize: {largest}")
    try:
        document = json_text.parse(text)
    except ValueError:
        raise malformed_document("This policy contains invalid Json") from None
    if not isinstance(document, dict) or not _TOP.issuperset(document) or "Statement" not in document:
        raise malformed_document("Syntax errors in policy.")
    if document.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise malformed_document("Policy document must be version 2012-10-17 or greater.")
    given = document["Statement"]
    statements = given if isinstance(given, list) else [given]
    sids: set[str] = set()
    for statement in statements:
        _check_statement(statement)
        sid = statement.get("Sid")
        if sid and sid in sids:
            raise malformed_document("Statement IDs (SID) in a single policy must be unique.")
        sids.add(sid)
    return statements


def _check_statement(statement: Any) -> None:
    if not isinstance(statement, dict) or not _STATEMENT.issuperset(statement) or statement.get("Effect") not in ("Allow", "Deny"):
        raise malformed_document("Syntax errors in policy.")
    for field in ("Action", "NotAction", "Resource", "NotResource"):
        value = statement.get(field, [])
        if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise malformed_document("Syntax errors in policy.")
    if not isinstance(statement.get("Sid", ""), str) or not isinstance(statement.get("Condition", {}), dict):
        raise malformed_document("Syntax errors in policy.")
    if "Action" not in statement and "NotAction" not in statement:
        raise malformed_document("Policy statement must contain actions.")
