"""The errors of SQS that several operations share, in AWS's words."""

from __future__ import annotations

from openrek.awsmodel.calls import ServiceError


def queue_does_not_exist() -> ServiceError:
    """No queue of that name in the caller's account and region."""
    return ServiceError("QueueDoesNotExist", "The specified queue does not exist.")


def invalid_parameter(message: str) -> ServiceError:
    """Something about the parameters is wrong."""
    return ServiceError("InvalidParameterValueException", message)


def invalid_value(value: object, parameter: str, reason: str) -> ServiceError:
    """A parameter's value breaks its rule."""
    return invalid_parameter(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def missing_parameter(name: str) -> ServiceError:
    """A parameter that must be there is not, or is empty."""
    return ServiceError("MissingRequiredParameterException", f"The request must contain the parameter {name}.")


def invalid_handle(handle: str) -> ServiceError:
    """A receipt handle that this server did not give out for this queue."""
    return ServiceError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')


def no_such_resource(parameter: str) -> ServiceError:
    """The queue that an ARN parameter names does not exist."""
    return ServiceError(
        "ResourceNotFoundException", f"The resource that you specified for the {parameter} parameter doesn't exist.", status=404
    )
