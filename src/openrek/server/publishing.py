"""How completions reach topics: the embedded SNS, or SNS by configuration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from openrek.jobs.outbox import Publication, Publisher, Relay
from openrek.localaws.sns import Topics
from openrek.server.clients import client
from openrek.settings import Settings

log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds after which the relay looks for due notifications even if nobody told it of one."""


@dataclass(frozen=True, slots=True)
class EmbeddedTopics:
    """Publishes to embedded topics; one publication is delivered once, however often it comes."""

    topics: Topics

    def publish(self, publication: Publication) -> None:
        """Deliver to the topic's subscribers."""
        self.topics.publish(publication.topic_arn, publication.message, publication_id=publication.id)


@dataclass(frozen=True, slots=True)
class RemoteTopics:
    """Publishes through SNS clients; a crash at the wrong moment publishes the same message twice.

    Attributes
    ----------
    connect
        A client for a region: a topic is known in its own region only.
    """

    connect: Callable[[str], Any]
    _clients: dict[str, Any] = field(default_factory=dict)

    def publish(self, publication: Publication) -> None:
        """Hand the message to SNS."""
        region = publication.region
        if region not in self._clients:
            self._clients[region] = self.connect(region)
        self._clients[region].publish(TopicArn=publication.topic_arn, Message=publication.message)


def publisher(settings: Settings, topics: Topics) -> Publisher:
    """The publisher that the settings name."""
    if settings.sns.endpoint is None:
        return EmbeddedTopics(topics)
    return RemoteTopics(lambda region: client("sns", settings.sns, settings, region))


@dataclass
class RelayLoop:
    """Runs the relay whenever a job has ended, and now and then for what failed before."""

    relay: Relay
    _ended: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """A job has ended; to be called on the event loop."""
        self._ended.set()

    async def run(self) -> None:
        """Publish until this task is cancelled."""
        while True:
            self._ended.clear()
            try:
                await asyncio.to_thread(self.relay.run_once)
            except Exception:
                log.exception("could not relay notifications")
            try:
                async with asyncio.timeout(IDLE):
                    await self._ended.wait()
            except TimeoutError:
                continue
