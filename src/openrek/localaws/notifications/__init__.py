"""Event notifications of S3: changes of objects reach functions, queues and topics."""

from openrek.localaws.notifications.service import Notifications, observe

__all__ = ["Notifications", "observe"]
