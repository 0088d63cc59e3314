"""The errors of CloudWatch Logs that several operations share, in AWS's words."""

from __future__ import annotations

from openrek.awsmodel.calls import ServiceError


def invalid(message: str) -> ServiceError:
    """A parameter is wrong."""
    return ServiceError("InvalidParameterException", message)


def no_such(what: str) -> ServiceError:
    """There is no log group, or no log stream, of that name."""
    return ServiceError("ResourceNotFoundException", f"The specified {what} does not exist.")


def already_exists(what: str) -> ServiceError:
    """The name is taken."""
    return ServiceError("ResourceAlreadyExistsException", f"The specified {what} already exists")
