"""AddPermission, RemovePermission and GetPolicy: who may invoke a function. Statements are kept and told, and not judged."""

from __future__ import annotations

import json
import re
from typing import Any

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws.arns import partition
from openrek.localaws.functions import catalogue
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.errors import conflict, invalid
from openrek.localaws.functions.names import named
from openrek.localaws.store import Transaction

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")
_LARGEST = 20_480


def add_permission(tx: Transaction, caller: Caller, params: Params) -> Params:
    """AddPermission."""
    for member in ("FunctionUrlAuthType", "InvokedViaFunctionUrl"):
        if params.get(member):
            raise invalid(f"openrek has no function URLs. Leave {member} out.")
    function = _function(tx, caller, params)
    if any(statement["Sid"] == params["StatementId"] for statement in function.statements):
        raise conflict(
            f"The statement id ({params['StatementId']}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    catalogue.check_revision(function, params.get("RevisionId"))
    statement: Params = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(caller, params["Principal"]),
        "Action": params["Action"],
        "Resource": function.arn,
    }
    condition = _condition(params)
    if condition:
        statement["Condition"] = condition
    statements = [*function.statements, statement]
    if len(_document(statements)) > _LARGEST:
        raise ServiceError("PolicyLengthExceededException", "The final policy size is bigger than the limit (20480).")
    _keep(tx, function, statements)
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


def remove_permission(tx: Transaction, caller: Caller, params: Params) -> Params:
    """RemovePermission."""
    function = _function(tx, caller, params)
    left = [statement for statement in function.statements if statement["Sid"] != params["StatementId"]]
    if len(left) == len(function.statements):
        text = f"Statement {params['StatementId']} is not found in resource policy."
        raise ServiceError("ResourceNotFoundException", text)
    catalogue.check_revision(function, params.get("RevisionId"))
    _keep(tx, function, left)
    return {}


def get_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetPolicy."""
    function = _function(tx, caller, params)
    if not function.statements:
        raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.")
    return {"Policy": _document(list(function.statements)), "RevisionId": function.revision}


def _function(tx: Transaction, caller: Caller, params: Params) -> Function:
    found = named(caller, params["FunctionName"], params.get("Qualifier"))
    if found.qualified:
        raise invalid("openrek keeps permissions for the whole function: name it without a version.")
    return catalogue.existing(tx, found)


def _keep(tx: Transaction, function: Function, statements: list[Params]) -> None:
    catalogue.keep(tx, function, statements=statements)
    catalogue.renew(tx, function)


def _document(statements: list[Params]) -> str:
    return json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": statements}, separators=(",", ":"))


def _principal(caller: Caller, given: str) -> Any:
    if given == "*":
        return given
    if _ACCOUNT.fullmatch(given):
        return {"AWS": f"arn:{partition(caller.region)}:iam::{given}:root"}
    if given.startswith("arn:"):
        return {"AWS": given}
    if not _SERVICE.fullmatch(given):
        raise invalid("The provided principal was invalid. Please check the principal and try again.")
    return {"Service": given}


def _condition(params: Params) -> dict[str, dict[str, str]]:
    equals = {"AWS:SourceAccount": "SourceAccount", "aws:PrincipalOrgID": "PrincipalOrgID", "lambda:EventSourceToken": "EventSourceToken"}
    strings = {key: params[member] for key, member in equals.items() if params.get(member)}
    condition = {"StringEquals": strings} if strings else {}
    if params.get("SourceArn"):
        condition["ArnLike"] = {"AWS:SourceArn": params["SourceArn"]}
    return condition
