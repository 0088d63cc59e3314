import asyncio
import threading
from concurrent.futures import CancelledError

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import OperationalError

from openrek.db import Database
from openrek.localaws.schema import secrets
from openrek.localaws.store import Store


def put(name):
    return lambda tx: tx.sql.execute(insert(secrets).values(name=name, value=b"x")) and name


def names(tx):
    return set(tx.sql.execute(select(secrets.c.name)).scalars())


class Held:
    """The writer, held up by one piece of work until it is let go: what is submitted meanwhile goes into one transaction."""

    def __init__(self, store):
        self._go = threading.Event()
        started = threading.Event()

        def wait(_):
            started.set()
            assert self._go.wait(10)

        self._first = store.submit(wait)
        assert started.wait(10)

    def let_go(self):
        self._go.set()
        self._first.result(10)


def test_work_that_fails_undoes_itself_alone(store):
    held = Held(store)

    def fails(tx):
        put("undone")(tx)
        raise ValueError("no")

    before, failing, after = store.submit(put("before")), store.submit(fails), store.submit(put("after"))
    held.let_go()
    assert (before.result(10), after.result(10)) == ("before", "after")
    with pytest.raises(ValueError, match="no"):
        failing.result(10)
    assert store.read_now(names) == {"before", "after"}


def test_work_sees_what_went_before_it_in_the_same_transaction(store):
    held = Held(store)
    store.submit(put("first"))
    seen = store.submit(names)
    held.let_go()
    assert "first" in seen.result(10)


def test_a_disk_that_refuses_acknowledges_nothing_of_the_batch(store):
    held = Held(store)

    def full(tx):
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    kept, failing = store.submit(put("kept?")), store.submit(full)
    held.let_go()
    for future in (kept, failing):
        with pytest.raises(OperationalError):
            future.result(10)
    assert "kept?" not in store.read_now(names)
    assert store.submit(put("next")).result(10) == "next"


def test_work_that_is_cancelled_before_its_turn_never_runs(store):
    held = Held(store)
    cancelled = store.submit(put("cancelled"))
    assert cancelled.cancel()
    held.let_go()
    with pytest.raises(CancelledError):
        cancelled.result(10)
    assert store.submit(names).result(10) == set()


def test_a_caller_that_goes_takes_its_waiting_work_along(store):
    async def main():
        held = Held(store)
        call = asyncio.create_task(store.write(put("gone")))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        held.let_go()

    asyncio.run(main())
    assert store.submit(names).result(10) == set()


def test_listeners_hear_of_queues_after_the_commit_only(store, aws_file):
    heard = []

    def listener(touched):
        with Database(f"sqlite:///{aws_file}", "localaws") as database, database.read() as connection:
            heard.append((set(touched), connection.execute(select(func.count()).select_from(secrets)).scalar()))

    store.listen(listener)

    def work(tx):
        put("row")(tx)
        tx.touched.update({3, 4})

    def fails(tx):
        tx.touched.add(5)
        raise ValueError

    held = Held(store)
    done, failing = store.submit(work), store.submit(fails)
    held.let_go()
    done.result(10)
    with pytest.raises(ValueError, match=r"^$"):
        failing.result(10)
    store.submit(names).result(10)
    assert heard == [({3, 4}, 1)]


def test_closing_finishes_what_was_submitted(aws_file, clock):
    store = Store(Database(f"sqlite:///{aws_file}", "localaws"), clock)
    held = Held(store)
    last = store.submit(put("last"))
    closing = threading.Thread(target=store.close)
    closing.start()
    held.let_go()
    closing.join(10)
    assert last.result(0) == "last"
    with pytest.raises(RuntimeError, match="closed"):
        store.submit(names)


def test_readers_do_not_wait_for_the_writer(store):
    async def main():
        held = Held(store)
        assert await asyncio.wait_for(store.read(names), 10) == set()
        held.let_go()

    asyncio.run(main())


def test_commits_are_flushed_to_the_disk(store):
    assert store.submit(lambda tx: tx.sql.execute(text("PRAGMA synchronous")).scalar()).result(10) == 2


def test_a_secret_is_made_once(store):
    first = store.submit(lambda tx: tx.secret("key", lambda: b"one")).result(10)
    assert store.submit(lambda tx: tx.secret("key", lambda: b"two")).result(10) == first == b"one"
