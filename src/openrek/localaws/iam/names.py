"""Unique ids, keys, tags and pages of IAM."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Callable, Sequence
from typing import Any

from openrek.awsmodel.calls import Params, ServiceError
from openrek.localaws import pages

_PAGE = 100
_ID_CHARACTERS = string.ascii_uppercase + "234567"
_MOST_TAGS = 50


def new_id(prefix: str) -> str:
    """A unique id: AROA for a role, AIDA for a user, ANPA for a policy, AKIA and ASIA for access keys."""
    return prefix + "".join(secrets.choice(_ID_CHARACTERS) for _ in range(17 if prefix not in ("AKIA", "ASIA") else 16))


def new_secret() -> str:
    """A secret access key."""
    return base64.b64encode(secrets.token_bytes(30)).decode()


def new_session_token() -> str:
    """A session token."""
    return base64.b64encode(secrets.token_bytes(264)).decode()


def checked_tags(tags: Sequence[Params]) -> dict[str, str]:
    """Tags by key. Keys that differ in case only are the same."""
    if len({tag["Key"].lower() for tag in tags}) != len(tags):
        raise ServiceError("InvalidInputException", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    return {tag["Key"]: tag["Value"] for tag in tags}


def with_tags(kept: dict[str, str], added: Sequence[Params]) -> dict[str, str]:
    """Tags after more were added; a new value replaces the old one of its key."""
    new = checked_tags(added)
    replaced = {key.lower() for key in new}
    result = {key: value for key, value in kept.items() if key.lower() not in replaced} | new
    if len(result) > _MOST_TAGS:
        raise ServiceError("LimitExceededException", f"The number of tags has reached the maximum limit of {_MOST_TAGS}.", status=409)
    return result


def without_tags(kept: dict[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Tags after some were taken away."""
    removed = {key.lower() for key in keys}
    return {key: value for key, value in kept.items() if key.lower() not in removed}


def listed_tags(tags: dict[str, str]) -> list[Params]:
    """Tags as the service model shapes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def page(params: Params, member: str, found: Sequence[Any], name: Callable[[Any], str], shape: Callable[[Any], Any]) -> Params:
    """One page of what was found, in the order of names, from the request's marker on."""
    after = ""
    if params.get("Marker"):
        key = pages.key(params["Marker"])
        if key is None:
            raise ServiceError("ValidationError", "The Marker was not returned by this operation.")
        after = key
    following = sorted((one for one in found if name(one) > after), key=name)
    part, token = pages.cut(following, params.get("MaxItems") or _PAGE, name)
    result: Params = {member: [shape(one) for one in part], "IsTruncated": token is not None}
    if token is not None:
        result["Marker"] = token
    return result
