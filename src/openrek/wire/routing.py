"""Which service and which bucket a request is for, and who signed it: several services share one port."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openrek.awsmodel.services import Service

_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
_SIGNING = frozenset(
    f"x-amz-{name}"
    for name in ("algorithm", "content-sha256", "credential", "date", "expires", "security-token", "signature", "signedheaders")
)
_SERVICE_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:\.[a-z]{2}(?:-[a-z]+)+-\d)?")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request's signature names.

    Attributes
    ----------
    service, region
        Of the credential scope; empty where the form of the signature has none.
    """

    access_key_id: str
    service: str
    region: str


def find_signature(headers: Mapping[str, str], query: Mapping[str, str]) -> Signature | None:
    """The signature of a request, by its headers and by its query or form; None if it has none that tells the service.

    The order is the one in which SDKs' requests can be told apart: the header's credential scope, the query's, then the signatures
    of version 2, which only S3 still takes.
    """
    authorization = headers.get("authorization", "")
    if authorization.startswith("AWS4-") and (found := _CREDENTIAL.search(authorization)):
        return _scope(found[1], headers)
    if "X-Amz-Credential" in query:
        return _scope(query["X-Amz-Credential"], headers)
    if "AWSAccessKeyId" in query and "Signature" in query and "Action" not in query:
        return Signature(query["AWSAccessKeyId"], "s3", "")
    if authorization.startswith("AWS ") and ":" in authorization:
        return Signature(authorization[4:].rpartition(":")[0].strip(), "s3", "")
    return None


def headers_in_query(query: Mapping[str, str]) -> dict[str, str]:
    """The headers that a presigned URL of S3 carries in its query; none if it is no presigned URL.

    Checksums are left out: they are those of the empty body that the URL was signed with.
    """
    if "X-Amz-Credential" not in query and "AWSAccessKeyId" not in query:
        return {}
    named = {name.lower(): value for name, value in query.items()}
    return {name: value for name, value in named.items() if name.startswith("x-amz-") and "checksum" not in name and name not in _SIGNING}


def service_by_target(headers: Mapping[str, str], services: Iterable[Service]) -> Service | None:
    """The service whose prefix `X-Amz-Target` has."""
    prefix = headers.get("x-amz-target", "").rpartition(".")[0]
    return next((service for service in services if prefix and service.target_prefix == prefix), None)


def service_by_action(path: str, query: Mapping[str, str], services: Iterable[Service]) -> Service | None:
    """The service of the query protocol that has this action in this version.

    The links in SNS's mails and messages name no version.
    """
    action, version = query.get("Action"), query.get("Version")
    if action is None or (version is None and path != "/"):
        return None
    for service in services:
        if service.protocol == "query" and (service.api_version == version if version else action in service.operation_names):
            return service
    return None


def bucket_in_host(host: str, base_domains: Iterable[str]) -> str | None:
    """The bucket of a virtual-host address: `<bucket>.<base>`, `<bucket>.s3.<base>`, `<bucket>.s3.<region>.<base>`."""
    name = host.lower()
    if not name.endswith("]"):
        name = name.partition(":")[0]
    for base in base_domains:
        label = name.removesuffix(f".{base}")
        if label != name and label:
            service_host = _SERVICE_HOST.fullmatch(label)
            return service_host["bucket"] if service_host else label
    return None


def _scope(credential: str, headers: Mapping[str, str]) -> Signature | None:
    parts = credential.rsplit("/", 4)
    if len(parts) == 5 and parts[4] == "aws4_request" and parts[1].isdigit():
        return Signature(parts[0], parts[3], parts[2])
    parts = credential.rsplit("/", 3)  # version 4A: its regions are a header
    if len(parts) == 4 and parts[3] == "aws4_request":
        region = headers.get("x-amz-region-set", "").partition(",")[0].strip()
        return Signature(parts[0], parts[2], "" if "*" in region else region)
    return None
