"""Operations on messages, but for ReceiveMessage: send, delete, change visibility, and their batches."""

from __future__ import annotations

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws.callers import identity
from openrek.localaws.sqs import mailbox
from openrek.localaws.sqs.attributes import LARGEST_MESSAGE, RANGES
from openrek.localaws.sqs.batches import check_entries, each
from openrek.localaws.sqs.content import Content, attributes_digest, body_digest, content
from openrek.localaws.sqs.errors import invalid_parameter, invalid_value, missing_parameter
from openrek.localaws.sqs.handles import unseal
from openrek.localaws.sqs.queues import Queue, by_url
from openrek.localaws.store import Transaction


def send_message(tx: Transaction, caller: Caller, params: Params) -> Params:
    """SendMessage."""
    queue = by_url(tx, caller, params["QueueUrl"])
    return _send(tx, queue, identity(tx, caller)[1], params, "One or more parameters are invalid.")


def send_message_batch(tx: Transaction, caller: Caller, params: Params) -> Params:
    """SendMessageBatch: all or none only if together they are too large."""
    queue = by_url(tx, caller, params["QueueUrl"])
    entries = params["Entries"]
    check_entries(entries, "SendMessageBatchRequestEntry")
    size = sum(_size(entry) for entry in entries)
    if size > LARGEST_MESSAGE:
        raise ServiceError(
            "BatchRequestTooLong", f"Batch requests cannot be longer than {LARGEST_MESSAGE} bytes. You have sent {size} bytes."
        )
    sender = identity(tx, caller)[1]
    return each(entries, lambda entry: _send(tx, queue, sender, entry, "One or more parameters cannot be validated."))


class Receipts:
    """Operations that name a message by its receipt handle."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def delete_message(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """DeleteMessage: a message that is gone already is deleted."""
        return self._delete(tx, by_url(tx, caller, params["QueueUrl"]), params)

    def delete_message_batch(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """DeleteMessageBatch."""
        queue = by_url(tx, caller, params["QueueUrl"])
        check_entries(params["Entries"], "DeleteMessageBatchRequestEntry")
        return each(params["Entries"], lambda entry: self._delete(tx, queue, entry))

    def change_message_visibility(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """ChangeMessageVisibility."""
        return self._hide(tx, by_url(tx, caller, params["QueueUrl"]), params)

    def change_message_visibility_batch(self, tx: Transaction, caller: Caller, params: Params) -> Params:
        """ChangeMessageVisibilityBatch."""
        queue = by_url(tx, caller, params["QueueUrl"])
        check_entries(params["Entries"], "ChangeMessageVisibilityBatchRequestEntry")
        return each(params["Entries"], lambda entry: self._hide(tx, queue, entry))

    def _delete(self, tx: Transaction, queue: Queue, entry: Params) -> Params:
        mailbox.remove(tx, unseal(entry["ReceiptHandle"], self._key, queue.id))
        return {}

    def _hide(self, tx: Transaction, queue: Queue, entry: Params) -> Params:
        text = entry["ReceiptHandle"]
        if entry.get("VisibilityTimeout") is None:  # the model of the batch's entry does not require it
            raise missing_parameter("VisibilityTimeout")
        mailbox.hide(tx, unseal(text, self._key, queue.id), text, entry["VisibilityTimeout"])
        return {}


def _send(tx: Transaction, queue: Queue, sender: str, params: Params, too_large: str) -> Params:
    delay = params.get("DelaySeconds")
    low, high = RANGES["DelaySeconds"]
    if delay is not None and not low <= delay <= high:
        raise invalid_value(delay, "DelaySeconds", f"DelaySeconds must be >= {low} and <= {high}.")
    made = content(params)
    made = Content(made.body, made.attributes, {**made.system, "SenderId": sender})
    limit = queue.number("MaximumMessageSize")
    if made.size > limit:
        raise invalid_parameter(f"{too_large} Reason: Message must be shorter than {limit} bytes.")
    result: Params = {"MessageId": mailbox.send(tx, queue, made, delay), "MD5OfMessageBody": body_digest(made.body)}
    if made.attributes:
        result["MD5OfMessageAttributes"] = attributes_digest(made.attributes)
    if (trace := made.system.get("AWSTraceHeader")) is not None:
        result["MD5OfMessageSystemAttributes"] = attributes_digest({"AWSTraceHeader": {"DataType": "String", "StringValue": trace}})
    return result


def _size(entry: Params) -> int:
    size = len((entry.get("MessageBody") or "").encode(errors="surrogatepass"))
    for name, value in (entry.get("MessageAttributes") or {}).items():
        held = value.get("BinaryValue") or (value.get("StringValue") or "").encode(errors="surrogatepass")
        size += len(name) + len(value.get("DataType") or "") + len(held)
    return size
