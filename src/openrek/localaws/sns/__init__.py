"""The embedded SNS."""

from openrek.localaws.sns.service import Topics, sns_operations

__all__ = ["Topics", "sns_operations"]
