"""DeleteObject and DeleteObjects."""

from __future__ import annotations

import re
from typing import Any

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws.s3.bucket import Bucket
from openrek.localaws.s3.conditions import delete_check
from openrek.localaws.s3.errors import invalid_argument, malformed_xml, not_implemented
from openrek.localaws.s3.records import NULL
from openrek.localaws.s3.storage import Storage

_VERSION = re.compile(rf"{NULL}|[A-Za-z0-9._]{{32}}", re.ASCII)
_MOST_KEYS = 1000
_OF_DIRECTORIES = {"IfMatchLastModifiedTime": "x-amz-if-match-last-modified-time", "IfMatchSize": "x-amz-if-match-size"}


def delete_object(storage: Storage, _: Caller, params: Params) -> Params:
    """Delete an object, or one of its versions. What is not there is deleted already."""
    bucket = storage.bucket(params["Bucket"])
    return _delete(bucket, params["Key"], params.get("VersionId"), params.get("IfMatch"), params)


def delete_objects(storage: Storage, _: Caller, params: Params) -> Params:
    """Delete up to a thousand objects, each with an outcome of its own."""
    bucket = storage.bucket(params["Bucket"])
    asked = params["Delete"].get("Objects") or ()
    if not 1 <= len(asked) <= _MOST_KEYS:
        raise malformed_xml()
    deleted, errors = [], []
    for one in asked:
        named = {name: one[name] for name in ("Key", "VersionId") if one.get(name) is not None}
        conditions = {"IfMatchLastModifiedTime": one.get("LastModifiedTime"), "IfMatchSize": one.get("Size")}
        try:
            outcome = _delete(bucket, one["Key"], one.get("VersionId"), one.get("ETag"), conditions)
        except ServiceError as error:
            errors.append({**named, "Code": error.code, "Message": error.text})
        else:
            if outcome.get("DeleteMarker"):
                named |= {"DeleteMarker": True, "DeleteMarkerVersionId": outcome["VersionId"]}
            deleted.append(named)
    return {"Deleted": [] if params["Delete"].get("Quiet") else deleted, "Errors": errors}


def _delete(bucket: Bucket, key: str, version: str | None, if_match: str | None, conditions: dict[str, Any]) -> Params:
    for name, header in _OF_DIRECTORIES.items():
        if conditions.get(name) is not None:
            raise not_implemented(header)
    check = delete_check(key, if_match)
    versioning = bucket.facts.versioning
    if version is not None and ((versioning is None and version != NULL) or not _VERSION.fullmatch(version)):
        raise invalid_argument("Invalid version id specified", "versionId", version)
    if version is None or versioning is None:
        marker = bucket.delete(key, check)
        return {} if marker is None else {"DeleteMarker": True, "VersionId": marker.version}
    gone = bucket.delete_version(key, version, check)
    result: Params = {"VersionId": version}
    if gone is not None and gone.marker:
        result["DeleteMarker"] = True
    return result
