"""Operations on functions that only touch the database: what there is, versions, tags."""

from __future__ import annotations

from openrek.awsmodel.calls import Caller, Params
from openrek.localaws import pages
from openrek.localaws.arns import parse_arn
from openrek.localaws.functions import catalogue
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.errors import invalid, not_found
from openrek.localaws.functions.names import named
from openrek.localaws.schema import function_versions, functions
from openrek.localaws.store import Transaction

_PAGE = 50
_MOST_TAGS = 50


def get_function_configuration(tx: Transaction, caller: Caller, params: Params) -> Params:
    """GetFunctionConfiguration."""
    found = named(caller, params["FunctionName"], params.get("Qualifier"))
    return catalogue.existing(tx, found).shaped(qualified=found.qualified)


def list_functions(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListFunctions: `$LATEST` of each, or all versions; in the order of names."""
    own = (functions.c.account == caller.account) & (functions.c.region == caller.region)
    if params.get("FunctionVersion") != "ALL":
        own &= function_versions.c.number == 0
    found = catalogue.select_versions(tx, own)
    return _page("Functions", found, params, qualified=params.get("FunctionVersion") == "ALL")


def list_versions_by_function(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListVersionsByFunction."""
    function = catalogue.existing(tx, named(caller, params["FunctionName"]))
    return _page("Versions", catalogue.select_versions(tx, functions.c.id == function.id), params, qualified=True)


def publish_version(tx: Transaction, caller: Caller, params: Params) -> Params:
    """PublishVersion."""
    function = catalogue.existing(tx, named(caller, params["FunctionName"]))
    catalogue.check_revision(function, params.get("RevisionId"))
    wanted = params.get("CodeSha256")
    if wanted is not None and wanted != function.shaped()["CodeSha256"]:
        raise invalid(f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({function.shaped()['CodeSha256']}).")
    return catalogue.publish(tx, function, params.get("Description")).shaped()


def list_tags(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListTags."""
    return {"Tags": dict(_resource(tx, caller, params).tags)}


def tag_resource(tx: Transaction, caller: Caller, params: Params) -> Params:
    """TagResource: a new value replaces the old one of its key."""
    function = _resource(tx, caller, params)
    catalogue.keep(tx, function, tags=checked_tags({**function.tags, **params["Tags"]}))
    return {}


def untag_resource(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UntagResource."""
    function = _resource(tx, caller, params)
    catalogue.keep(tx, function, tags={key: value for key, value in function.tags.items() if key not in params["TagKeys"]})
    return {}


def checked_tags(tags: dict[str, str]) -> dict[str, str]:
    """Refuse tags that Lambda refuses.

    Raises
    ------
    ServiceError
        There are too many, one is too long, or begins as AWS's own do.
    """
    if len(tags) > _MOST_TAGS:
        raise invalid(f"Number of tags exceeds resource tag limit of {_MOST_TAGS}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise invalid(f"The tag {key[:128]} is invalid: keys have 1 to 128 characters and do not begin with aws:, values at most 256.")
    return dict(tags)


def _resource(tx: Transaction, caller: Caller, params: Params) -> Function:
    parts = parse_arn(params["Resource"])
    if parts is None or parts.service != "lambda" or not parts.resource.startswith("function:"):
        raise invalid(f"{params['Resource']} is not a valid function arn")
    name = parts.resource.removeprefix("function:")
    if ":" in name:
        raise invalid(
            "Tags on function aliases and versions are not supported. Please specify either a function name or an unqualified ARN"
        )
    found = catalogue.find(tx, caller.account, caller.region, name)
    if found is None or (parts.account, parts.region) != (caller.account, caller.region):
        raise not_found(params["Resource"])
    return found


def _page(member: str, found: list[Function], params: Params, *, qualified: bool) -> Params:
    def place(function: Function) -> str:
        return f"{function.name} {function.number:018d}"

    after = ""
    if params.get("Marker"):
        after = pages.key(params["Marker"]) or ""
        if not after:
            raise invalid("The marker was not returned by this operation")
    # A space comes before all that names may have, so the order of places is that of names and numbers.
    rest = [function for function in found if place(function) > after]
    page, token = pages.cut(rest, min(params.get("MaxItems") or _PAGE, _PAGE), place)
    shown: Params = {member: [function.shaped(qualified=qualified) for function in page]}
    return shown if token is None else shown | {"NextMarker": token}
