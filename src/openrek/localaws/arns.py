"""Amazon resource names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arn:
    """An ARN's parts.

    Attributes
    ----------
    partition, service, region, account, resource
        As between the colons; region and account are empty for global resources.
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse_arn(text: str) -> Arn | None:
    """The parts of an ARN, or None if `text` is not one."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
        return None
    return Arn(*parts[1:])


def queue_arn(account: str, region: str, name: str) -> str:
    """ARN of a queue."""
    return f"arn:{partition(region)}:sqs:{region}:{account}:{name}"


def topic_arn(account: str, region: str, name: str) -> str:
    """ARN of a topic."""
    return f"arn:{partition(region)}:sns:{region}:{account}:{name}"


def function_arn(account: str, region: str, name: str) -> str:
    """ARN of a function."""
    return f"arn:{partition(region)}:lambda:{region}:{account}:function:{name}"


def log_group_arn(account: str, region: str, name: str) -> str:
    """ARN of a log group."""
    return f"arn:{partition(region)}:logs:{region}:{account}:log-group:{name}"


def partition(region: str) -> str:
    """The partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"
