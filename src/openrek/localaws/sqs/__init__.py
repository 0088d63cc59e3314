"""The embedded SQS."""

from openrek.localaws.sqs.service import Queues, sqs_operations

__all__ = ["Queues", "sqs_operations"]
