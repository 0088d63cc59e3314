"""The log stream of a function's process."""

from __future__ import annotations

import asyncio
from typing import Any

from openrek.localaws.functions import catalogue
from openrek.localaws.functions.journal import Journal


def test_events_keep_their_order_whatever_their_times(cloud: Any) -> None:
    cloud.function()
    function = cloud.store.read_now(lambda tx: catalogue.find(tx, "000000000000", "eu-west-1", "function"))
    journal = Journal(cloud.store, function)
    now = cloud.clock.now()
    journal.say("begins")
    cloud.clock.advance(milliseconds=5)
    journal.add([(now + 5, "printed, and read late"), (now + 2, "logged earlier, after that"), (now + 86_400_000, "of tomorrow")])
    cloud.clock.advance(milliseconds=5)
    journal.say("ends")
    asyncio.run(journal.flush())
    found = asyncio.run(cloud.call("logs", "FilterLogEvents", logGroupName="/aws/lambda/function"))["events"]
    assert [(event["timestamp"] - now, event["message"]) for event in found] == [
        (0, "begins"),
        (5, "printed, and read late"),
        (5, "logged earlier, after that"),
        (5, "of tomorrow"),
        (10, "ends"),
    ]
