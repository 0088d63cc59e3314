"""The log stream of one process of a function."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.names import version
from openrek.localaws.logs import events, groups
from openrek.localaws.logs.events import OVERHEAD, Event
from openrek.localaws.store import Store, Transaction

_TAIL = 4096


class Journal:
    """Collects events and writes them, many at a time.

    Parameters
    ----------
    store
        Where the logs are kept.
    function
        Whose they are.

    Attributes
    ----------
    stream
        Its name.
    size
        Of what waits to be written, as CloudWatch Logs counts it.
    """

    def __init__(self, store: Store, function: Function) -> None:
        self._store = store
        self._function = function
        day = datetime.fromtimestamp(store.clock.now() / 1000, UTC)
        self.stream = f"{day:%Y/%m/%d}/[{version(function.number)}]{secrets.token_hex(16)}"
        self._waiting: list[Event] = []
        self.size = 0
        self._latest = 0
        self._tail = b""

    def add(self, found: Sequence[Event]) -> None:
        """Take events; they are written with the next flush.

        Records of logging bring the time at which they were made, printed lines are dated when they are read. In the log they keep the
        order in which they came.
        """
        now = self._store.clock.now()
        for at, text in found:
            self._latest = max(self._latest, min(at, now))
            self._waiting.append((self._latest, text))
            encoded = text.encode()
            self.size += len(encoded) + OVERHEAD
            line_end = b"" if text.endswith("\n") else b"\n"
            self._tail = (self._tail + encoded[-_TAIL:] + line_end)[-_TAIL:]

    def say(self, text: str) -> None:
        """Take a line of the server's own."""
        self.add([(self._store.clock.now(), text)])

    def begin(self) -> None:
        """Forget the tail of the invocation before."""
        self._tail = b""

    @property
    def tail(self) -> bytes:
        """The last of what came since `begin`, in UTF-8."""
        return self._tail

    async def flush(self) -> None:
        """Write what has come; on disk afterwards."""
        found, self._waiting, self.size = self._waiting, [], 0
        if found:
            await self._store.write(lambda tx: self._write(tx, found))

    def _write(self, tx: Transaction, found: Sequence[Event]) -> None:
        group = groups.ensure(tx, self._function.account, self._function.region, self._function.log_group)
        events.append(tx, group, self.stream, found)
