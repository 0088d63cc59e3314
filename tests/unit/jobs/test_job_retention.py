import threading

import pytest

from openrek.errors import JobNotFoundError, LeaseLostError
from openrek.jobs.outbox import Relay
from openrek.jobs.results import ResultReader, ResultWriter
from openrek.jobs.retention import Retention, Swept
from openrek.jobs.schema import blocks, generations, jobs, listings, notifications, start_tokens

LEASE = 20
NOTHING = Swept(0, 0, 0, 0)


@pytest.fixture
def retention(desk):
    return Retention(desk.database, desk.clock, desk.limits)


class Anywhere:
    def publish(self, publication):
        pass


def test_nothing_to_sweep(desk, retention):
    assert retention.sweep() == NOTHING
    desk.start(token="token")
    desk.complete(desk.claim_one(), [b"{}"])
    desk.start()
    desk.write(desk.claim_one(), [b"{}"])
    assert retention.sweep() == NOTHING, "neither visible rows nor those that are being written"


def test_an_expired_job_goes_with_all_that_it_had(desk, retention, clock):
    job_id = desk.start(token="token")
    desk.complete(desk.claim_one(), [b"{}"] * 40_000)
    Relay(desk.database, Anywhere(), clock).run_once()
    clock.advance(days=3)
    kept = desk.complete(_claim(desk, desk.start()), [b"{}"] * 3)
    clock.advance(days=4)
    assert retention.sweep() == Swept(jobs=1, generations=1, tokens=1, notifications=1)
    with pytest.raises(JobNotFoundError):
        desk.get(job_id)
    assert [desk.count(table) for table in (jobs, generations, listings, blocks, start_tokens, notifications)] == [1, 1, 1, 1, 0, 1]
    assert ResultReader(desk.database).page(kept, "TIMESTAMPS", "TIMESTAMP", 0, 10).rows == [b"{}"] * 3
    assert retention.sweep() == NOTHING


def _claim(desk, job_id):
    claim = desk.claim_one()
    assert claim.job.id == job_id
    return claim


def test_open_jobs_stay(desk, retention, clock):
    desk.start("a")
    desk.start("b")
    desk.write(desk.claim_one(), [b"{}"])
    clock.advance(days=100)
    assert retention.sweep() == NOTHING
    assert desk.count(jobs) == 2


@pytest.mark.parametrize("way", ["claimed again", "given back", "failed", "completed with another"])
def test_orphaned_generations_go(desk, retention, clock, way):
    desk.start()
    claim = desk.claim_one()
    desk.write(claim, [b"{}"] * 20_500)
    match way:
        case "claimed again":
            clock.advance(seconds=LEASE)
            desk.write(desk.claim_one("worker-2"), [b"{}"])
        case "given back":
            desk.claims.release([claim])
        case "failed":
            desk.claims.fail(claim, "Broken.")
        case "completed with another":
            desk.complete(claim, [b"{}"])
    left = 0 if way in {"given back", "failed"} else 1
    assert retention.sweep() == Swept(0, 1, 0, 0)
    assert [desk.count(table) for table in (generations, listings, blocks)] == [left] * 3


def test_a_writer_whose_rows_are_swept_finds_out(desk, retention, clock):
    desk.start()
    writer = ResultWriter(desk.database, desk.claim_one())
    clock.advance(seconds=LEASE)
    other = desk.claim_one("worker-2")
    assert retention.sweep().generations == 1
    with pytest.raises(LeaseLostError):
        writer.write("TIMESTAMPS", "TIMESTAMP", [b"{}"])
    desk.complete(other)


def test_many_expire_in_batches(desk, retention, clock):
    for number in range(230):
        desk.start(f"{number}", token=f"token-{number}", topic_arn=None, role_arn=None)
    for _ in range(230):
        desk.claims.fail(desk.claim_one(), "Broken.")
    clock.advance(days=8)
    assert retention.sweep() == Swept(jobs=230, generations=0, tokens=230, notifications=0)
    assert desk.count(jobs) == desk.count(start_tokens) == 0


def test_sweeps_beside_each_other(desk, clock):
    for number in range(4):
        desk.start(f"{number}")
        desk.complete(desk.claim_one(), [b"{}"] * 40_000)
    clock.advance(days=15)
    failures = []

    def sweep():
        try:
            Retention(desk.database, clock, desk.limits).sweep()
        except Exception as error:
            failures.append(error)

    sweeps = [threading.Thread(target=sweep) for _ in range(4)]
    for each in sweeps:
        each.start()
    for each in sweeps:
        each.join()
    assert failures == []
    Retention(desk.database, clock, desk.limits).sweep()
    assert [desk.count(table) for table in (jobs, generations, listings, blocks, notifications)] == [0] * 5
