"""The embedded SQS: standard queues, as durable as a job."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from sqlalchemy import select

from openrek.awsmodel.calls import Caller, Operation, Params, ServiceError
from openrek.localaws.schema import queues
from openrek.localaws.sqs import administration, mailbox, messages, moves, permissions, receiving
from openrek.localaws.sqs.handles import new_key
from openrek.localaws.sqs.polling import Polling
from openrek.localaws.sqs.queues import by_id, by_url
from openrek.localaws.store import Store


class Queues:
    """All queues of all accounts and regions.

    Parameters
    ----------
    store
        Where they are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._polling = Polling(store)
        self._key = store.submit(lambda tx: tx.secret("receipt handles", new_key)).result()
        self._receipts = messages.Receipts(self._key)

    def operations(self) -> Mapping[str, Operation]:
        """The operations of SQS by name."""
        reading, writing = self.store.reading, self.store.writing
        return {
            "AddPermission": writing(permissions.add_permission),
            "CancelMessageMoveTask": reading(moves.cancel_message_move_task),
            "ChangeMessageVisibility": writing(self._receipts.change_message_visibility),
            "ChangeMessageVisibilityBatch": writing(self._receipts.change_message_visibility_batch),
            "CreateQueue": writing(administration.create_queue),
            "DeleteMessage": writing(self._receipts.delete_message),
            "DeleteMessageBatch": writing(self._receipts.delete_message_batch),
            "DeleteQueue": self.delete_queue,
            "GetQueueAttributes": reading(administration.get_queue_attributes),
            "GetQueueUrl": reading(administration.get_queue_url),
            "ListDeadLetterSourceQueues": reading(administration.list_dead_letter_source_queues),
            "ListMessageMoveTasks": reading(moves.list_message_move_tasks),
            "ListQueueTags": reading(administration.list_queue_tags),
            "ListQueues": reading(administration.list_queues),
            "PurgeQueue": self.purge_queue,
            "ReceiveMessage": self.receive_message,
            "RemovePermission": writing(permissions.remove_permission),
            "SendMessage": writing(messages.send_message),
            "SendMessageBatch": writing(messages.send_message_batch),
            "SetQueueAttributes": writing(administration.set_queue_attributes),
            "StartMessageMoveTask": writing(moves.start_message_move_task),
            "TagQueue": writing(administration.tag_queue),
            "UntagQueue": writing(administration.untag_queue),
        }

    async def receive_message(self, caller: Caller, params: Params) -> Params:
        """ReceiveMessage: at once if it can, else as soon as a message is there and the caller still waits."""
        wanted, wait = receiving.wanted(params), receiving.wait_seconds(params)
        system, attribute_names = receiving.system_names(params), params.get("MessageAttributeNames") or []
        queue = await self.store.read(lambda tx: by_url(tx, caller, params["QueueUrl"]))
        if wait is None:
            wait = queue.number("ReceiveMessageWaitTimeSeconds")
        received = await self._polling.receive(queue.id, wanted, wait)
        if not received:
            return {}
        return {"Messages": [receiving.shaped(one, self._key, system, attribute_names) for one in received]}

    async def purge_queue(self, caller: Caller, params: Params) -> Params:
        """PurgeQueue: what was sent before the call, in steps, so that others get their turn."""
        queue, last = await self.store.read(lambda tx: (by_url(tx, caller, params["QueueUrl"]), mailbox.newest(tx)))
        await self._empty(queue.id, last)
        return {}

    async def delete_queue(self, caller: Caller, params: Params) -> Params:
        """DeleteQueue: its messages in steps, then the queue."""
        queue, last = await self.store.read(lambda tx: (by_url(tx, caller, params["QueueUrl"]), mailbox.newest(tx)))
        await self._empty(queue.id, last)
        await self.store.write(lambda tx: administration.delete_queue_row(tx, queue.id))
        return {}

    async def sweep(self) -> None:
        """Delete messages past their retention from queues that nobody looks into."""
        for queue_id in await self.store.read(lambda tx: list(tx.sql.execute(select(queues.c.id)).scalars())):
            with suppress(ServiceError):  # deleted meanwhile
                await self._expire(queue_id)

    def dismiss(self) -> None:
        """Answer every waiting receiver with nothing, so that the server can stop at once; to be called on the event loop."""
        self._polling.dismiss()

    async def _expire(self, queue_id: int) -> None:
        while await self.store.write(lambda tx: mailbox.expire(tx, by_id(tx, queue_id))) == mailbox.AT_ONCE:
            pass

    async def _empty(self, queue_id: int, last: int) -> None:
        while await self.store.write(lambda tx: mailbox.purge(tx, queue_id, last)) == mailbox.AT_ONCE:
            pass


def sqs_operations(queues: Queues) -> Mapping[str, Operation]:
    """The operations of SQS by name."""
    return queues.operations()
