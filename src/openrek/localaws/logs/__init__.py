"""The embedded CloudWatch Logs."""

from openrek.localaws.logs.service import Logs, logs_operations

__all__ = ["Logs", "logs_operations"]
