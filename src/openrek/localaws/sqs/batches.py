"""What the batch operations share: limits, and one outcome per entry."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from openrek.awsmodel.calls import Params, ServiceError

_MOST_ENTRIES = 10
_LEGACY_CODES = {"InvalidParameterValueException": "InvalidParameterValue", "MissingRequiredParameterException": "MissingParameter"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_entries(entries: list[Params], entry: str) -> None:
    """Refuse a batch that is empty, too long, or whose ids are malformed or repeated; `entry` is its entries' shape."""
    if not entries:
        raise ServiceError("EmptyBatchRequest", f"There should be at least one {entry} in the request.")
    if len(entries) > _MOST_ENTRIES:
        raise ServiceError(
            "TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {_MOST_ENTRIES}. You have sent {len(entries)}."
        )
    seen: set[str] = set()
    for one in entries:
        if not _ID.fullmatch(one["Id"]):
            raise ServiceError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
            )
        if one["Id"] in seen:
            raise ServiceError("BatchEntryIdsNotDistinct", f"Id {one['Id']} repeated.")
        seen.add(one["Id"])


def each(entries: list[Params], act: Callable[[Params], Params]) -> Params:
    """Do something for every entry; those that fail do not keep the others from succeeding."""
    successful: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **act(entry)})
        except ServiceError as error:
            code = _LEGACY_CODES.get(error.code, error.code)
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": code, "Message": error.text})
    result: Params = {}
    if successful:
        result["Successful"] = successful
    if failed:
        result["Failed"] = failed
    return result
