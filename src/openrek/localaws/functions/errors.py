"""The errors of Lambda that several operations share, in AWS's words."""

from __future__ import annotations

from openrek.awsmodel.calls import ServiceError


def invalid(message: str) -> ServiceError:
    """A parameter is wrong, or asks for what is not here."""
    return ServiceError("InvalidParameterValueException", message)


def not_found(arn: str) -> ServiceError:
    """There is no such function, or no such version of it."""
    return ServiceError("ResourceNotFoundException", f"Function not found: {arn}")


def conflict(message: str) -> ServiceError:
    """Something of that name is there already."""
    return ServiceError("ResourceConflictException", message)


def other_revision() -> ServiceError:
    """Somebody else has changed the function meanwhile."""
    return ServiceError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    )


def throttled() -> ServiceError:
    """As many functions run as may run at once."""
    return ServiceError("TooManyRequestsException", "Rate Exceeded.", details={"Reason": "ConcurrentInvocationLimitExceeded"})


def too_large(size: int, most: int) -> ServiceError:
    """The event is larger than a function can take."""
    return ServiceError("RequestTooLargeException", f"{size} byte payload is too large for the invocation (limit {most} bytes)", status=413)


def no_room(reason: str) -> ServiceError:
    """The disk is full."""
    return ServiceError(
        "CodeStorageExceededException", f"The package could not be kept: {reason}. Make room on the disk of the data folder."
    )


def not_json(reason: str) -> ServiceError:
    """The event is not JSON."""
    return ServiceError("InvalidRequestContentException", f"Could not parse request body into json: {reason}")


def stopping() -> ServiceError:
    """The server is being stopped; whoever asks again may have more luck."""
    return ServiceError("ServiceException", "openrek is being stopped", status=503)
