"""The embedded STS."""

from openrek.localaws.sts.operations import sts_operations

__all__ = ["sts_operations"]
