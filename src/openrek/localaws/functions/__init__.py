"""The embedded Lambda."""

from openrek.localaws.functions.service import Functions, lambda_operations

__all__ = ["Functions", "lambda_operations"]
