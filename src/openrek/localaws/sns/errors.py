"""The errors of SNS that several operations share, in AWS's words."""

from __future__ import annotations

from openrek.awsmodel.calls import ServiceError


def invalid(what: str) -> ServiceError:
    """A parameter is wrong; `what` names it, and the reason where AWS tells one."""
    return ServiceError("InvalidParameterException", f"Invalid parameter: {what}")


def topic_not_found() -> ServiceError:
    """No topic of that ARN in the caller's account and region."""
    return ServiceError("NotFoundException", "Topic does not exist", status=404)


def subscription_not_found() -> ServiceError:
    """No subscription of that ARN."""
    return ServiceError("NotFoundException", "Subscription does not exist", status=404)
