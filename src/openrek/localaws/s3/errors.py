"""S3's errors, with its own words."""

from __future__ import annotations

from typing import Any

from openrek.awsmodel.calls import ServiceError


def no_such_bucket(name: str) -> ServiceError:
    """There is no such bucket."""
    return ServiceError("NoSuchBucket", "The specified bucket does not exist", status=404, details={"BucketName": name})


def no_such_key(key: str, marker: str | None = None) -> ServiceError:
    """There is no such object, or its latest version is a delete marker (of that version id)."""
    headers = {} if marker is None else {"x-amz-delete-marker": "true", "x-amz-version-id": marker}
    return ServiceError("NoSuchKey", "The specified key does not exist.", status=404, details={"Key": key}, headers=headers)


def no_such_version(key: str, version: str) -> ServiceError:
    """The object has no such version."""
    details = {"Key": key, "VersionId": version}
    return ServiceError("NoSuchVersion", "The specified version does not exist.", status=404, details=details)


def is_delete_marker(version: str) -> ServiceError:
    """The version is a delete marker: it can only be deleted."""
    return ServiceError(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        status=405,
        details={"Method": "GET", "ResourceType": "DeleteMarker"},
        headers={"allow": "DELETE", "x-amz-delete-marker": "true", "x-amz-version-id": version},
    )


def no_such_upload(upload: str) -> ServiceError:
    """There is no such multipart upload."""
    return ServiceError(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
        status=404,
        details={"UploadId": upload},
    )


def invalid_argument(message: str, name: str, value: Any) -> ServiceError:
    """A parameter has a value that S3 does not take."""
    return ServiceError("InvalidArgument", message, details={"ArgumentName": name, "ArgumentValue": str(value)})


def invalid_request(message: str) -> ServiceError:
    """Parameters that do not go together."""
    return ServiceError("InvalidRequest", message)


def precondition_failed(condition: str) -> ServiceError:
    """A condition of the request does not hold."""
    message = "At least one of the pre-conditions you specified did not hold"
    return ServiceError("PreconditionFailed", message, status=412, details={"Condition": condition})


def not_implemented(header: str, message: str = "") -> ServiceError:
    """The request asks for something that is not here."""
    text = message or "A header you provided implies functionality that is not implemented"
    return ServiceError("NotImplemented", text, status=501, details={"Header": header})


def malformed_xml() -> ServiceError:
    """The body says less, or more, than it must."""
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceError("MalformedXML", message)


def other_file_system() -> ServiceError:
    """A bucket's folder is a mount point: what is written elsewhere cannot be renamed into it."""
    message = "The bucket's folder is on another file system than the rest of openrek's data: it can be read, but not written."
    return ServiceError("InvalidBucketState", message, status=409)


def disk_full() -> ServiceError:
    """There is no room."""
    message = "The disk that holds the buckets is full, or a quota is. Nothing was stored: make room and try again."
    return ServiceError("InsufficientStorage", message, status=507)
