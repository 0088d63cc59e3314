"""The errors of IAM that several operations share, in AWS's words."""

from __future__ import annotations

from openrek.awsmodel.calls import ServiceError


def no_such_entity(message: str) -> ServiceError:
    """Something that the request names does not exist."""
    return ServiceError("NoSuchEntityException", message, status=404)


def already_exists(message: str) -> ServiceError:
    """The name is taken."""
    return ServiceError("EntityAlreadyExistsException", message, status=409)


def delete_conflict(message: str) -> ServiceError:
    """Something else must be deleted or detached first."""
    return ServiceError("DeleteConflictException", message, status=409)


def limit_exceeded(message: str) -> ServiceError:
    """A quota is used up."""
    return ServiceError("LimitExceededException", message, status=409)


def malformed_document(message: str) -> ServiceError:
    """A policy document is not one."""
    return ServiceError("MalformedPolicyDocumentException", message)


def invalid_arn(message: str) -> ServiceError:
    """What should be an ARN is none."""
    return ServiceError("ValidationError", message)
