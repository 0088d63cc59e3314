"""Many at once, in threads and in processes, on both databases."""

import json
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from openrek.errors import LeaseLostError, TooManyJobsError
from openrek.jobs.outbox import Relay
from openrek.jobs.schema import jobs, notifications, start_tokens
from openrek.video import ObjectReference

LIMIT = 20


def together(count, act):
    """What `count` threads get from `act(number)` that begin at the same moment."""
    barrier = threading.Barrier(count, timeout=60)

    def run(number):
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def start(desk, new):
    try:
        return desk.store.insert(new)
    except TooManyJobsError as error:
        return error.open_jobs, error.limit


def test_equal_starts_are_one_job(open_desk, new):
    desk = open_desk(open_jobs=LIMIT)
    assert len(set(together(32, lambda _: desk.store.insert(replace(new, token="token"))))) == 1
    assert (desk.count(jobs), desk.count(start_tokens)) == (1, 1)


def test_equal_starts_are_one_job_when_it_is_the_last_that_may_be_open(open_desk, new):
    desk = open_desk(open_jobs=LIMIT)
    for _ in range(LIMIT - 1):
        desk.start()
    assert len(set(together(32, lambda _: desk.store.insert(replace(new, token="token"))))) == 1
    assert desk.count(jobs) == LIMIT


def test_the_limit_of_open_jobs_holds(open_desk, new):
    desk = open_desk(open_jobs=LIMIT)
    started = together(40, lambda number: start(desk, replace(new, token=f"token-{number}")))
    assert started.count((LIMIT, LIMIT)) == 40 - LIMIT
    assert len(set(started)) == LIMIT + 1
    assert (desk.count(jobs), desk.count(start_tokens)) == (LIMIT, LIMIT)


STARTER = """
    import json, sys
    from openrek.clock import SystemClock
    from openrek.db import Database
    from openrek.errors import TooManyJobsError
    from openrek.jobs.records import NewJob
    from openrek.jobs.store import JobStore
    from openrek.settings import LimitSettings
    from openrek.video import ObjectReference

    database = Database(sys.argv[1], "jobs")
    store = JobStore(database, SystemClock(), LimitSettings(open_jobs=int(sys.argv[2])))
    with database.read():
        print("ready", flush=True)
    sys.stdin.readline()
    started = []
    for token in sys.argv[3:]:
        new = NewJob(
            account="0" * 12, region="eu-west-1", operation="StartLabelDetection", request={}, token=token,
            object=ObjectReference("bucket", "name"), object_etag="", object_bytes=1, models={}, settings={},
        )
        try:
            started.append(store.insert(new))
        except TooManyJobsError:
            started.append(None)
    print(json.dumps(started))
"""


def test_processes_start_equal_and_distinct_jobs(open_desk):
    desk = open_desk()
    equal = [f"equal-{number}" for number in range(8)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(STARTER), desk.database.url, str(LIMIT), *equal]
            + [f"distinct-{process}-{number}" for number in range(10)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for process in range(4)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    started = [json.loads(process.communicate()[0]) for process in processes]
    assert len({tuple(each[:8]) for each in started}) == 1, "the same eight ids everywhere"
    distinct = [job_id for each in started for job_id in each[8:] if job_id]
    assert len(distinct) == len(set(distinct)) == LIMIT - 8
    assert desk.count(jobs) == LIMIT


def test_no_job_is_claimed_twice(desk, new):
    started = {desk.start(f"{number % 20}") for number in range(60)}

    def work(number):
        mine = []
        while claims := desk.claims.claim(f"worker-{number}"):
            mine += claims
        return mine

    claims = [claim for mine in together(8, work) for claim in mine]
    assert Counter(claim.job.id for claim in claims) == Counter(started)
    assert {claim.token for claim in claims} == {1}


def test_workers_that_lose_their_leases_complete_each_job_once(desk, clock):
    """Leases that end at random while eight workers write: every job has one completion and one notification."""
    for number in range(24):
        desk.start(f"{number % 6}", topic_arn=f"topic-{number}")
    lost = []

    def work(number):
        for turn in range(200):
            for claim in desk.claims.claim(f"worker-{number}"):
                if (number + turn) % 3 == 0:
                    clock.advance(seconds=21)
                try:
                    desk.complete(claim, [b"%d" % number] * 3)
                except LeaseLostError:
                    lost.append(claim)
            if all(job.completed_at for job in desk.store.list()):
                return

    together(8, work)
    assert {job.state for job in desk.store.list()} == {"SUCCEEDED"}
    assert desk.count(notifications) == 24
    assert all(desk.get(claim.job.id).attempt > claim.token for claim in lost)


def test_starts_claims_and_relays_do_not_hinder_each_other(desk, new, clock):
    published = []

    class Topic:
        def publish(self, publication):
            published.append(publication.id)

    def act(number):
        if number % 3 == 0:
            return [desk.store.insert(replace(new, object=ObjectReference("bucket", f"{number}-{i}"))) for i in range(10)]
        for _ in range(40):
            if number % 3 == 1:
                for claim in desk.claims.claim(f"{number}"):
                    desk.complete(claim, [b"{}"])
            elif number == 2:
                Relay(desk.database, Topic(), clock).run_once()
        return []

    together(7, act)
    for claim in desk.claims.claim("last"):
        desk.complete(claim)
    while claims := desk.claims.claim("last"):
        for claim in claims:
            desk.complete(claim)
    Relay(desk.database, Topic(), clock).run_once()
    assert len(published) == len(set(published)) == 30
