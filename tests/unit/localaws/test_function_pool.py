"""The pool of functions' processes: warm ones first, never too many, none that is not what it was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.functions import catalogue
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.pool import Pool
from openrek.localaws.functions.sandbox import Invocation, Outcome, StaleSandboxError

EVENT = Invocation("request", "arn", b"{}")


class Sandbox:
    """Answers with its number, when it may."""

    made = 0

    def __init__(self, function: Function) -> None:
        Sandbox.made += 1
        self.function, self.number, self.secret = function, Sandbox.made, f"secret {Sandbox.made}"
        self.alive, self.retired = True, False
        self.born = self.idle_since = time.monotonic()
        self.gate = asyncio.Event()
        self.stale = False
        self.failed = False
        self.closed = False

    async def invoke(self, _: Invocation) -> Outcome:
        if self.stale:
            self.alive = False
            raise StaleSandboxError
        await self.gate.wait()
        self.idle_since = time.monotonic()
        return Outcome(str(self.number).encode(), self.failed, b"")

    def kill(self) -> None:
        self.alive, self.failed = False, True
        self.gate.set()

    async def close(self) -> None:
        self.alive, self.closed = False, True
        self.gate.set()


class Site:
    def __init__(self, limit: int = 2, idle_seconds: float = 60) -> None:
        Sandbox.made = 0
        self.sandboxes: list[Sandbox] = []
        self.open = True
        self.pool = Pool(limit, idle_seconds, self.make, self.start)  # type: ignore[arg-type]

    def make(self, function: Function) -> Sandbox:
        self.sandboxes.append(Sandbox(function))
        return self.sandboxes[-1]

    async def start(self, sandbox: Sandbox) -> None:
        assert self.pool.find(sandbox.secret) is sandbox
        if self.open:
            sandbox.gate.set()

    async def run(self, function: Function) -> int:
        return int((await self.pool.run(function, EVENT)).payload)


@pytest.fixture
def functions(cloud: Any) -> list[Function]:
    for name in ("one", "two", "three"):
        cloud.function(name)

    def find(name: str) -> Function:
        found = cloud.store.read_now(lambda tx: catalogue.find(tx, "000000000000", "eu-west-1", name))
        assert found is not None
        return found

    return [find(name) for name in ("one", "two", "three")]


def play(story: Callable[[Site], Any], **settings: Any) -> None:
    async def work() -> None:
        site = Site(**settings)
        await story(site)
        await site.pool.close()
        assert all(sandbox.closed for sandbox in site.sandboxes)

    asyncio.run(work())


def test_warm_ones_are_used_again(functions):
    async def story(site: Site) -> None:
        assert [await site.run(functions[0]) for _ in range(3)] == [1, 1, 1]
        assert site.pool.packages == {functions[0].configuration.sha256}
        assert await site.run(functions[1]) == 2
        assert await site.run(functions[0]) == 1

    play(story)


def test_never_more_than_the_limit_and_the_longest_idle_makes_room(functions):
    async def story(site: Site) -> None:
        for function in functions[:2]:
            await site.run(function)
        assert await site.run(functions[2]) == 3
        assert [sandbox.alive for sandbox in site.sandboxes] == [False, True, True] or await _settled(site, [False, True, True])
        assert await site.run(functions[1]) == 2

    play(story)


async def _settled(site: Site, alive: list[bool]) -> bool:
    for _ in range(100):
        await asyncio.sleep(0)
        if [sandbox.alive for sandbox in site.sandboxes] == alive:
            return True
    return False


def test_no_room(functions):
    async def story(site: Site) -> None:
        site.open = False
        running = [asyncio.create_task(site.run(functions[0])) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert site.pool.free == 0
        with pytest.raises(ServiceError, match=r"Rate Exceeded\."):
            await site.run(functions[0])
        for sandbox in site.sandboxes:
            sandbox.gate.set()
        assert sorted(await asyncio.gather(*running)) == [1, 2]
        assert site.pool.free == 2

    play(story)


def test_a_change_ends_the_old_ones_also_those_that_run(functions):
    async def story(site: Site) -> None:
        site.open = False
        running = asyncio.create_task(site.run(functions[0]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        site.pool.retire(functions[0].id)
        site.sandboxes[0].gate.set()
        assert await running == 1
        assert await _settled(site, [False])
        site.open = True
        assert await site.run(functions[0]) == 2
        site.pool.retire(functions[0].id)
        assert await _settled(site, [False, False])

    play(story)


def test_another_configuration_is_another_function(functions):
    async def story(site: Site) -> None:
        await site.run(functions[0])
        changed = replace(functions[0], configuration=replace(functions[0].configuration, timeout=9))
        assert await site.run(changed) == 2

    play(story)


def test_one_that_had_died_is_replaced_unseen(functions):
    async def story(site: Site) -> None:
        await site.run(functions[0])
        site.sandboxes[0].stale = True
        assert await site.run(functions[0]) == 2

    play(story)


def test_idle_ones_expire(functions):
    async def story(site: Site) -> None:
        await site.run(functions[0])
        site.pool.expire()
        assert await _settled(site, [False])

    play(story, idle_seconds=0)


def test_a_stop_is_no_failure_of_the_function(functions):
    async def story(site: Site) -> None:
        site.open = False
        running = asyncio.create_task(site.run(functions[0]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        site.pool.stop()
        with pytest.raises(ServiceError, match="openrek is being stopped"):
            await running
        with pytest.raises(ServiceError, match="openrek is being stopped"):
            await site.run(functions[0])

    play(story)
