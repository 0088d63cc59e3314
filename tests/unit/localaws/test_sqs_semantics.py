"""SQS against a model of it that fits on a page."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from openrek.awsmodel.calls import Caller, ServiceError
from openrek.clock import ManualClock
from openrek.db import Database
from openrek.localaws.schema import contents, messages
from openrek.localaws.sqs import administration, mailbox
from openrek.localaws.sqs.content import Content
from openrek.localaws.sqs.mailbox import Wanted
from openrek.localaws.sqs.queues import by_name
from openrek.localaws.store import Transaction

CALLER = Caller("000000000000", "eu-west-1", "arn:aws:iam::000000000000:root", "openrek", "request", "http://localhost")
TIMEOUT, RETENTION, LIMIT = 30, 300, 2


@dataclass
class Expected:
    """A message as a person would describe it."""

    body: str
    sent_at: int
    visible_at: int
    queue: str = "queue"
    attempts: int = 0
    receives: int = 0
    receipt: object = None


class Machine(RuleBasedStateMachine):
    """Everything happens in one transaction that is rolled back in the end: it is SQL that is tested, not the disk."""

    database: Database

    @initialize()
    def begin(self):
        self.clock = ManualClock()
        self.connection = self.database.engine.connect()
        self.connection.begin()
        self.expected: dict[str, Expected] = {}
        self.handles: list[tuple[str, mailbox.Handle]] = []
        redrive = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead", "maxReceiveCount": LIMIT}
        self.create("dead", MessageRetentionPeriod="1209600")
        self.create("queue", VisibilityTimeout=str(TIMEOUT), MessageRetentionPeriod=str(RETENTION), RedrivePolicy=json.dumps(redrive))

    def teardown(self):
        if hasattr(self, "connection"):
            self.connection.rollback()
            self.connection.close()

    @property
    def tx(self):
        return Transaction(self.connection, self.clock.now())

    def create(self, name, **attributes):
        administration.create_queue(self.tx, CALLER, {"QueueName": name, "Attributes": attributes})

    def queue(self, name):
        found = by_name(self.tx, "000000000000", "eu-west-1", name)
        assert found is not None
        return found

    def alive(self, name):
        now = self.clock.now()
        kept = RETENTION if name == "queue" else 1_209_600
        return {key: one for key, one in self.expected.items() if one.queue == name and one.sent_at > now - kept * 1000}

    @rule(delay=st.sampled_from([None, None, 0, 5, 900]))
    def send(self, delay):
        now = self.clock.now()
        body = f"body {len(self.expected)}"
        key = mailbox.send(self.tx, self.queue("queue"), Content(body), delay)
        assert key not in self.expected
        self.expected[key] = Expected(body, now, now + (delay or 0) * 1000)

    @rule(
        name=st.sampled_from(["queue", "queue", "dead"]),
        limits=st.lists(st.integers(1, 10), min_size=1, max_size=3),
        visibility=st.sampled_from([None, 0, 0, 1, 60]),
    )
    def receive(self, name, limits, visibility):
        now = self.clock.now()
        before = {key: (one.visible_at, one.attempts) for key, one in self.alive(name).items()}
        given, following = mailbox.receive(self.tx, self.queue(name), [Wanted(limit, visibility) for limit in limits])
        # First come, first served; nobody gets more than was asked for; nobody goes empty-handed while another does not have to.
        assert all(len(taken) <= limit for taken, limit in zip(given, limits, strict=True))
        received = [one for taken in given for one in taken]
        assert len({one.message_id for one in received}) == len(received)
        for place, taken in enumerate(given[:-1]):
            assert len(taken) == limits[place] or not any(given[place + 1 :])
        for one in received:
            message = self.expected[one.message_id]
            visible_at, attempts = before[one.message_id]
            assert visible_at <= now
            assert name != "queue" or attempts < LIMIT
            message.attempts, message.receives = attempts + 1, message.receives + 1
            message.visible_at = now + (TIMEOUT if visibility is None else visibility) * 1000
            message.receipt = one.handle
            assert (one.body, one.sent_at, one.receives) == (message.body, message.sent_at, message.receives)
            self.handles.append((one.message_id, one.handle))
        missed = {key for key, (visible_at, _) in before.items() if visible_at <= now} - {one.message_id for one in received}
        if len(received) < sum(limits):  # all that was left has been received too often
            assert name == "queue" or not missed
            assert all(before[key][1] >= LIMIT for key in missed)
        if name == "queue":
            self.find_dead_letters(now)
        waiting = [one.visible_at for one in self.alive(name).values()]
        assert following == (min(waiting) if waiting else None)

    def find_dead_letters(self, now):
        given_up = [key for key, one in self.alive("queue").items() if one.attempts >= LIMIT and one.visible_at <= now]
        actual = self.in_queue("dead")
        for key in given_up:
            if key in actual:
                message = self.expected[key]
                message.queue, message.visible_at, message.attempts, message.receipt = "dead", now, 0, None

    def in_queue(self, name):
        return {row.message_id for row in self.rows(name)}

    @precondition(lambda self: getattr(self, "handles", None))
    @rule(data=st.data())
    def delete(self, data):
        key, handle = data.draw(st.sampled_from(self.handles))
        mailbox.remove(self.tx, handle)
        if key in self.expected and self.expected[key].receipt == handle:
            del self.expected[key]

    @precondition(lambda self: getattr(self, "handles", None))
    @rule(data=st.data(), seconds=st.sampled_from([0, 1, 45]))
    def hide(self, data, seconds):
        key, handle = data.draw(st.sampled_from(self.handles))
        message = self.expected.get(key)
        present = message is not None and message.receipt == handle and key in self.in_queue(message.queue)
        try:
            mailbox.hide(self.tx, handle, "handle", seconds)
        except ServiceError:
            assert not present
        else:
            assert present
            message.visible_at = self.clock.now() + seconds * 1000

    @rule()
    def take_back_a_receive_that_has_just_been(self):
        [taken], _ = mailbox.receive(self.tx, self.queue("queue"), [Wanted(1, 60)])
        mailbox.release(self.tx, taken)
        self.find_dead_letters(self.clock.now())

    @rule(seconds=st.sampled_from([0.001, 1, 5, 29, 30, 61, 301]))
    def wait(self, seconds):
        self.clock.advance(seconds=seconds)

    @rule()
    def purge(self):
        mailbox.purge(self.tx, self.queue("queue").id, mailbox.newest(self.tx))
        self.expected = {key: one for key, one in self.expected.items() if one.queue != "queue"}

    @invariant()
    def everything_is_as_expected(self):
        if not hasattr(self, "connection"):
            return
        now = self.clock.now()
        for name in ("queue", "dead"):
            alive = self.alive(name)
            rows = {row.message_id: (row.visible_at, row.attempts, row.receives) for row in self.rows(name) if row.message_id in alive}
            assert rows == {key: (one.visible_at, one.attempts, one.receives) for key, one in alive.items()}
            hidden = [one for one in alive.values() if one.visible_at > now]
            expected = (len(alive) - len(hidden), sum(not one.attempts for one in hidden), sum(bool(one.attempts) for one in hidden))
            assert mailbox.counts(self.tx, self.queue(name)) == expected

    def rows(self, name):
        query = select(messages, contents.c.message_id).join(contents, messages.c.id == contents.c.id)
        return list(self.connection.execute(query.where(messages.c.queue_id == self.queue(name).id)))


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_sqs_does_what_its_model_does(aws_file):
    with Database(f"sqlite:///{aws_file}", "localaws") as database:
        Machine.database = database
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=30, stateful_step_count=40, deadline=None, database=None, suppress_health_check=list(HealthCheck)
            ),
        )
