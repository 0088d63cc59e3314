"""Access control lists: the owner may do everything, and nobody else is named."""

from __future__ import annotations

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws.s3.describing import owner
from openrek.localaws.s3.storage import Storage

_OWNERS_OWN = (None, "private", "bucket-owner-full-control")


def get_object_acl(storage: Storage, caller: Caller, params: Params) -> Params:
    """The list of an object."""
    storage.bucket(params["Bucket"]).find(params["Key"], params.get("VersionId"))
    return _owners_acl(caller)


def get_bucket_acl(storage: Storage, caller: Caller, params: Params) -> Params:
    """The list of a bucket."""
    storage.bucket(params["Bucket"])
    return _owners_acl(caller)


def put_object_acl(storage: Storage, _: Caller, params: Params) -> Params:
    """Accept what is so anyway; refuse the rest, as AWS does unless a bucket's owner has allowed access control lists."""
    storage.bucket(params["Bucket"]).find(params["Key"], params.get("VersionId"))
    _check_acl(params)
    return {}


def put_bucket_acl(storage: Storage, _: Caller, params: Params) -> Params:
    """The same of a bucket."""
    storage.bucket(params["Bucket"])
    _check_acl(params)
    return {}


def _owners_acl(caller: Caller) -> Params:
    """The access control list of everything."""
    everything = {"Grantee": {**owner(caller), "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    return {"Owner": owner(caller), "Grants": [everything]}


def _check_acl(params: Params) -> None:
    grants = any(name.startswith("Grant") and value for name, value in params.items())
    if grants or params.get("AccessControlPolicy") is not None or params.get("ACL") not in _OWNERS_OWN:
        raise ServiceError("AccessControlListNotSupported", "The bucket does not allow ACLs")
