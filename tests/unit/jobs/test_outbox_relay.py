import threading

import pytest

from openrek.jobs.outbox import Relay, undelivered
from openrek.jobs.retention import Retention
from openrek.jobs.schema import notifications


class Topic:
    """Remembers what was published; the topics in `broken` refuse."""

    def __init__(self):
        self.seen = []
        self.broken = set()

    def publish(self, publication):
        self.seen.append(publication)
        if publication.topic_arn in self.broken:
            raise ConnectionError(f"{publication.topic_arn} does not answer")

    @property
    def topics(self):
        return [publication.topic_arn for publication in self.seen]


@pytest.fixture
def topic():
    return Topic()


@pytest.fixture
def relay(desk, topic):
    return Relay(desk.database, topic, desk.clock, jitter=lambda: 1.0)


def end(desk, topic_arn="arn:aws:sns:eu-west-1:000000000000:topic"):
    desk.start(topic_arn, topic_arn=topic_arn)
    return desk.complete(desk.claim_one())


def test_each_ended_job_is_published_once(desk, relay, topic, new):
    assert relay.next_due() is None
    assert relay.run_once() == 0
    job = end(desk)
    assert relay.next_due() == job.completed_at
    assert relay.run_once() == 1
    (publication,) = topic.seen
    assert (publication.account, publication.region) == (job.account, job.region)
    assert (publication.topic_arn, publication.role_arn) == (job.topic_arn, job.role_arn)
    assert publication.message.startswith(f'{{"JobId":"{job.id}","Status":"SUCCEEDED"')
    assert relay.run_once() == 0
    assert len(topic.seen) == 1
    assert relay.next_due() is None


def test_a_broken_topic_is_tried_again_more_and_more_slowly(desk, relay, topic, clock):
    job = end(desk)
    topic.broken = {job.topic_arn}
    pauses = []
    for _ in range(14):
        assert relay.run_once() == 0
        pauses.append(relay.next_due() - clock.now())
        clock.advance(milliseconds=pauses[-1] - 1)
        assert relay.run_once() == 0
        clock.advance(milliseconds=1)
    assert len(topic.seen) == 14, "never before its time"
    assert pauses == [1000 * 2**i for i in range(10)] + [600_000] * 4
    (trouble,) = undelivered(desk.database)
    assert (trouble.job_id, trouble.attempts, trouble.next_try) == (job.id, 14, clock.now())
    assert trouble.last_error == f"ConnectionError: {job.topic_arn} does not answer"
    topic.broken = set()
    assert relay.run_once() == 1
    assert len(set(topic.seen)) == 1, "the same bytes under the same id"
    assert not undelivered(desk.database)


def test_jitter_spreads_the_tries(desk, topic, clock):
    job = end(desk)
    topic.broken = {job.topic_arn}
    numbers = iter([0.0, 0.5, 0.25])
    relay = Relay(desk.database, topic, clock, jitter=lambda: next(numbers))
    pauses = []
    for _ in range(3):
        relay.run_once()
        pauses.append(relay.next_due() - clock.now())
        clock.advance(milliseconds=pauses[-1])
    assert pauses == [500, 1500, 2500]


def test_a_poisoned_one_holds_up_no_other(desk, relay, topic, clock):
    topic.broken = {"bad-1", "bad-2"}
    for name in ("bad-1", "good-1", "bad-2", "good-2"):
        end(desk, name)
    assert relay.run_once() == 2
    assert topic.topics == ["bad-1", "good-1", "bad-2", "good-2"]
    end(desk, "good-3")
    clock.advance(seconds=1)
    assert relay.run_once() == 1
    assert topic.topics[4] == "good-3", "what has failed least goes first"
    assert sorted(topic.topics[5:]) == ["bad-1", "bad-2"]


def test_the_relay_gives_up_when_the_results_expire(desk, relay, topic, clock):
    job = end(desk)
    topic.broken = {job.topic_arn}
    relay.run_once()
    clock.advance(days=7)
    assert relay.run_once() == 0
    assert len(topic.seen) == 1
    assert relay.next_due() is None
    (trouble,) = undelivered(desk.database)
    assert (trouble.job_id, trouble.next_try, trouble.attempts) == (job.id, None, 1)
    assert "does not answer" in trouble.last_error
    retention = Retention(desk.database, clock, desk.limits)
    assert retention.sweep().notifications == 0
    assert undelivered(desk.database) == [trouble], "visible for as long again"
    clock.advance(days=7)
    assert retention.sweep().notifications == 1


def test_one_that_was_never_tried_is_visible_too(desk, relay, topic, clock):
    end(desk)
    clock.advance(days=8)
    assert relay.run_once() == 0
    assert topic.seen == []
    (trouble,) = undelivered(desk.database)
    assert (trouble.next_try, trouble.attempts) == (None, 0)
    assert "expired" in trouble.last_error


def test_a_relay_that_dies_after_publishing_leaves_the_same_publication(desk, topic, clock):
    class Killed(BaseException):
        pass

    class Dying(Topic):
        def publish(self, publication):
            super().publish(publication)
            raise Killed

    end(desk)
    dying = Dying()
    before = desk.rows(notifications)
    with pytest.raises(Killed):
        Relay(desk.database, dying, clock).run_once()
    assert desk.rows(notifications) == before
    assert Relay(desk.database, topic, clock).run_once() == 1
    assert topic.seen == dying.seen


@pytest.mark.parametrize("jobs_database", ["postgresql"], indirect=True)
def test_relays_share_the_work(desk, clock):
    for number in range(6):
        end(desk, f"topic-{number}")
    both = threading.Barrier(2, timeout=30)
    lock = threading.Lock()
    published = []

    class Slow:
        """Answers when both relays are publishing: they never have the same one."""

        def publish(self, publication):
            both.wait()
            with lock:
                published.append(publication.id)

    relays = [threading.Thread(target=Relay(desk.database, Slow(), clock).run_once) for _ in range(2)]
    for relay in relays:
        relay.start()
    for relay in relays:
        relay.join()
    assert sorted(published) == sorted(row["id"] for row in desk.rows(notifications))


def test_publishing_blocks_no_writer(desk, clock):
    end(desk)

    class Writing:
        def publish(self, publication):
            desk.start("meanwhile")

    assert Relay(desk.database, Writing(), clock).run_once() == 1
