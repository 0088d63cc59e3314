"""Buckets: create, delete, list, where they are, whether they keep versions."""

from __future__ import annotations

from dataclasses import replace

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws import pages
from openrek.localaws.s3.bucket import BucketFacts
from openrek.localaws.s3.conditions import at
from openrek.localaws.s3.describing import checked_tags, owner, tag_set
from openrek.localaws.s3.errors import invalid_argument, not_implemented
from openrek.localaws.s3.names import is_bucket_name
from openrek.localaws.s3.storage import Storage

CLASSIC_REGION = "us-east-1"
"""Buckets there have no location constraint, and creating one again succeeds."""
_MOST_TAGS = 50
_MOST_BUCKETS = 10_000


def create_bucket(storage: Storage, caller: Caller, params: Params) -> Params:
    """Create a bucket."""
    name, configuration = params["Bucket"], params.get("CreateBucketConfiguration") or {}
    if not is_bucket_name(name):
        raise ServiceError("InvalidBucketName", "The specified bucket is not valid.", details={"BucketName": name})
    if params.get("ObjectLockEnabledForBucket"):
        raise not_implemented("x-amz-bucket-object-lock-enabled")
    documents: Params = {}
    if tags := configuration.get("Tags"):
        documents["tagging"] = {"TagSet": tag_set(checked_tags([(tag["Key"], tag["Value"]) for tag in tags], most=_MOST_TAGS))}
    if ownership := params.get("ObjectOwnership"):
        documents["ownership"] = {"Rules": [{"ObjectOwnership": ownership}]}
    region = _chosen_region(configuration.get("LocationConstraint"), caller.region)
    created = storage.create_bucket(name, BucketFacts(region, storage.clock.now(), documents=documents))
    if not created and not caller.region == region == storage.bucket(name).facts.region == CLASSIC_REGION:
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise ServiceError("BucketAlreadyOwnedByYou", message, status=409, details={"BucketName": name})
    return {"Location": f"/{name}"}


def delete_bucket(storage: Storage, _: Caller, params: Params) -> Params:
    """Delete a bucket that has nothing in it."""
    storage.delete_bucket(params["Bucket"])
    return {}


def head_bucket(storage: Storage, _: Caller, params: Params) -> Params:
    """Whether there is such a bucket, and where."""
    return {"BucketRegion": storage.bucket(params["Bucket"]).facts.region, "AccessPointAlias": False}


def get_bucket_location(storage: Storage, _: Caller, params: Params) -> Params:
    """Where a bucket is; the classic region has no name."""
    region = storage.bucket(params["Bucket"]).facts.region
    return {} if region == CLASSIC_REGION else {"LocationConstraint": region}


def list_buckets(storage: Storage, caller: Caller, params: Params) -> Params:
    """All buckets, by name."""
    prefix, region, token = params.get("Prefix") or "", params.get("BucketRegion"), params.get("ContinuationToken")
    most = params.get("MaxBuckets")
    if most is not None and not 1 <= most <= _MOST_BUCKETS:
        raise invalid_argument(f"Argument max-buckets must be an integer between 1 and {_MOST_BUCKETS}", "max-buckets", most)
    after = "" if token is None else pages.key(token)
    if after is None:
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    named = [name for name in storage.bucket_names() if name > after and name.startswith(prefix)]
    facts = [(name, storage.bucket(name).facts) for name in named]
    found = [(name, known) for name, known in facts if region in (None, known.region)]
    shown, following = (found, None) if most is None else pages.cut(found, most, lambda one: one[0])
    result: Params = {
        "Buckets": [{"Name": name, "CreationDate": at(known.created), "BucketRegion": known.region} for name, known in shown],
        "Owner": owner(caller),
    }
    if prefix:
        result["Prefix"] = prefix
    return result if following is None else result | {"ContinuationToken": following}


def put_bucket_versioning(storage: Storage, _: Caller, params: Params) -> Params:
    """Keep versions from now on, or no longer."""
    configuration = params["VersioningConfiguration"]
    if configuration.get("MFADelete") == "Enabled":
        raise not_implemented("x-amz-mfa")
    status = configuration.get("Status")
    if status not in ("Enabled", "Suspended"):
        message = "The Versioning element must be specified"
        raise ServiceError("IllegalVersioningConfigurationException", message)
    storage.bucket(params["Bucket"]).configure(lambda facts: replace(facts, versioning=status))
    return {}


def get_bucket_versioning(storage: Storage, _: Caller, params: Params) -> Params:
    """Whether versions are kept; nothing is said if they never were."""
    versioning = storage.bucket(params["Bucket"]).facts.versioning
    return {} if versioning is None else {"Status": versioning}


def _chosen_region(constraint: str | None, region: str) -> str:
    if constraint is None:
        if region != CLASSIC_REGION:
            raise _wrong_region("unspecified")
        return region
    if constraint == CLASSIC_REGION:
        message = "The specified location-constraint is not valid"
        raise ServiceError("InvalidLocationConstraint", message, details={"LocationConstraint": constraint})
    chosen = "eu-west-1" if constraint == "EU" else constraint
    if region not in (CLASSIC_REGION, chosen):
        raise _wrong_region(constraint)
    return chosen


def _wrong_region(constraint: str) -> ServiceError:
    return ServiceError(
        "IllegalLocationConstraintException",
        f"The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to.",
    )
