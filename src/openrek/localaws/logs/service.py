"""The embedded CloudWatch Logs: what functions print, and what programs put there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from sqlalchemy import ColumnElement

from openrek.awsmodel.calls import Caller, Operation, Params
from openrek.localaws.logs import events, groups, streams
from openrek.localaws.schema import log_events
from openrek.localaws.store import Store

_DAY = 86_400_000


class Logs:
    """All log groups of all accounts and regions.

    Parameters
    ----------
    store
        Where they are kept.
    keep_days
        How long events are kept in groups that do not say.
    """

    def __init__(self, store: Store, *, keep_days: float) -> None:
        self.store = store
        self._keep_days = keep_days

    def operations(self) -> Mapping[str, Operation]:
        """The operations of CloudWatch Logs by name."""
        reading, writing = self.store.reading, self.store.writing
        return {
            "CreateLogGroup": writing(groups.create_log_group),
            "CreateLogStream": writing(streams.create_log_stream),
            "DeleteLogGroup": self.delete_log_group,
            "DeleteLogStream": self.delete_log_stream,
            "DeleteRetentionPolicy": writing(groups.delete_retention_policy),
            "DescribeLogGroups": reading(groups.describe_log_groups),
            "DescribeLogStreams": reading(streams.describe_log_streams),
            "FilterLogEvents": reading(events.filter_log_events),
            "GetLogEvents": reading(events.get_log_events),
            "ListTagsForResource": reading(groups.list_tags_for_resource),
            "PutLogEvents": writing(events.put_log_events),
            "PutRetentionPolicy": writing(groups.put_retention_policy),
            "TagResource": writing(groups.tag_resource),
            "UntagResource": writing(groups.untag_resource),
        }

    async def delete_log_group(self, caller: Caller, params: Params) -> Params:
        """DeleteLogGroup: its events in steps, then the group."""
        group = await self.store.read(lambda tx: groups.named(tx, caller, params))
        await self._remove(group.id)
        await self.store.write(lambda tx: groups.delete_group_row(tx, group.id))
        return {}

    async def delete_log_stream(self, caller: Caller, params: Params) -> Params:
        """DeleteLogStream: its events in steps, then the stream."""
        group = await self.store.read(lambda tx: groups.named(tx, caller, params))
        stream = await self.store.read(lambda tx: streams.existing(tx, group, params["logStreamName"]))
        await self._remove(group.id, log_events.c.stream_id == stream.id)
        await self.store.write(lambda tx: streams.delete_stream_row(tx, stream.id))
        return {}

    async def sweep(self) -> None:
        """Delete events that are past their retention, and streams that have none and get no more."""
        for group in await self.store.read(groups.every):
            oldest = self.store.clock.now() - int((group.retention_days or self._keep_days) * _DAY)
            await self._remove(group.id, log_events.c.at < oldest)
            await self.store.write(partial(streams.delete_stale, group=group, oldest=oldest))

    async def _remove(self, group_id: int, *conditions: ColumnElement[bool]) -> None:
        while await self.store.write(lambda tx: events.remove(tx, group_id, *conditions)) == events.AT_ONCE:
            pass


def logs_operations(logs: Logs) -> Mapping[str, Operation]:
    """The operations of CloudWatch Logs by name."""
    return logs.operations()
