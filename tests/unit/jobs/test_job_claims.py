import json
from dataclasses import replace

import pytest
from sqlalchemy import update

from openrek.errors import LeaseLostError
from openrek.jobs.claims import GROUP
from openrek.jobs.messages import LONGEST, sentence
from openrek.jobs.results import ResultWriter
from openrek.jobs.schema import blocks, jobs, notifications
from openrek.jobs.states import State
from openrek.video import ObjectReference

LEASE = 20


def ids(claims):
    return [claim.job.id for claim in claims]


def stand(desk):
    """The state of every job, in the order of their starts."""
    return [job.state for job in reversed(desk.store.list())]


def test_nothing_to_claim(desk):
    assert desk.claims.claim("worker") == []


def test_the_oldest_job_comes_first(desk, clock):
    first, second = desk.start("a"), desk.start("b")
    clock.advance(seconds=5)
    claim = desk.claim_one("worker-1")
    assert claim.job.id == first
    assert (claim.job.state, claim.job.worker, claim.job.attempt, claim.token) == (State.RUNNING, "worker-1", 1, 1)
    assert claim.job.started_at == clock.now()
    assert desk.get(first) == claim.job
    assert desk.claim_one().job.id == second
    assert desk.claims.claim("worker") == []


def test_waiting_jobs_on_the_same_object_come_along(desk, new):
    a, b, c = desk.start("a"), desk.start("b"), desk.start("a", operation="StartFaceDetection")
    foreign = [desk.start("a", account="111111111111"), desk.start("a", region="us-east-1")]
    claims = desk.claims.claim("worker")
    assert ids(claims) == [a, c]
    assert {claim.token for claim in claims} == {1}
    assert ids(desk.claims.claim("worker")) == [b]
    assert ids(desk.claims.claim("worker")) == foreign[:1]
    assert ids(desk.claims.claim("worker")) == foreign[1:]


def test_versions_are_different_objects(desk, new):
    for version in (None, "1", "2"):
        for _ in range(2):
            desk.store.insert(replace(new, object=ObjectReference("bucket", "a", version)))
    groups = [{claim.job.object.version for claim in desk.claims.claim("worker")} for _ in range(3)]
    assert sorted(groups, key=str) == [{"1"}, {"2"}, {None}]


def test_a_job_that_runs_is_not_taken_along(desk, clock):
    desk.start("a")
    running = desk.claim_one("worker-1")
    later = desk.start("a")
    assert ids(desk.claims.claim("worker-2")) == [later]
    assert desk.claims.heartbeat([running]) == [running]


def test_a_pass_has_so_many_jobs(desk):
    started = [desk.start("a") for _ in range(GROUP + 2)]
    assert ids(desk.claims.claim("worker")) == started[:GROUP]
    assert ids(desk.claims.claim("worker")) == started[GROUP:]


def test_a_lease_ends_and_another_worker_goes_on(desk, clock):
    job_id = desk.start()
    late = desk.claim_one("worker-1")
    clock.advance(seconds=LEASE, milliseconds=-1)
    assert desk.claims.claim("worker-2") == []
    clock.advance(milliseconds=1)
    new = desk.claim_one("worker-2")
    assert (new.job.id, new.token, new.job.attempt, new.job.worker) == (job_id, late.token + 1, 2, "worker-2")
    assert new.job.started_at == late.job.started_at
    assert (new.job.errors, new.job.crashes) == (0, 0)


def test_a_heartbeat_renews_the_lease(desk, clock):
    desk.start()
    claim = desk.claim_one()
    for _ in range(5):
        clock.advance(seconds=LEASE - 1)
        assert desk.claims.heartbeat([claim]) == [claim]
        assert desk.claims.claim("worker-2") == []


def test_a_heartbeat_tells_which_claims_hold(desk, clock):
    for name in "abc":
        desk.start(name)
    a, b, c = (desk.claim_one("worker-1") for _ in range(3))
    clock.advance(seconds=LEASE)
    taken = desk.claim_one("worker-2")
    assert taken.job.id == a.job.id
    desk.complete(b)
    assert desk.claims.heartbeat([a, b, c]) == [c], "a is another worker's, b has ended, c was late but nobody took it"
    assert desk.claims.heartbeat([]) == []
    assert desk.claims.heartbeat([taken]) == [taken]


def test_progress_stays_when_the_worker_changes(desk, clock):
    job_id = desk.start()
    desk.claims.progress(desk.claim_one(), 3, 8)
    clock.advance(seconds=LEASE)
    job = desk.claim_one("worker-2").job
    assert (job.id, job.chunks_done, job.chunks_total) == (job_id, 3, 8)


LATE_WRITES = {
    "progress": lambda desk, claim, video: desk.claims.progress(claim, 1, 2),
    "retry": lambda desk, claim, video: desk.claims.retry_later(claim, "late"),
    "fail": lambda desk, claim, video: desk.claims.fail(claim, "late"),
    "complete": lambda desk, claim, video: desk.claims.complete(claim, 1, video),
    "generation": lambda desk, claim, video: ResultWriter(desk.database, claim),
}
TAKEN_AWAY = {
    "other worker": lambda desk, claim: (desk.clock.advance(seconds=LEASE), desk.claim_one("worker-2")),
    "given back": lambda desk, claim: desk.claims.release([claim]),
    "given back and claimed": lambda desk, claim: (desk.claims.release([claim]), desk.claim_one("worker-2")),
    "to be retried": lambda desk, claim: desk.claims.retry_later(claim, "early"),
    "crashed": lambda desk, claim: desk.claims.record_crash([claim], "early"),
    "failed": lambda desk, claim: desk.claims.fail(claim, "early"),
    "completed": lambda desk, claim: desk.complete(claim, [b"{}"]),
    "swept": lambda desk, claim: (desk.claims.fail(claim, "early"), desk.clock.advance(days=8), _delete(desk, claim)),
}


def _delete(desk, claim):
    with desk.database.write() as connection:
        connection.execute(jobs.delete().where(jobs.c.id == claim.job.id))


@pytest.mark.parametrize("write", LATE_WRITES)
@pytest.mark.parametrize("taken", TAKEN_AWAY)
def test_what_a_late_worker_writes_is_refused(desk, video, taken, write):
    desk.start()
    claim = desk.claim_one("worker-1")
    TAKEN_AWAY[taken](desk, claim)
    before = desk.rows(jobs), desk.rows(notifications)
    with pytest.raises(LeaseLostError):
        LATE_WRITES[write](desk, claim, video)
    desk.claims.release([claim])
    desk.claims.record_crash([claim], "late")
    assert desk.claims.heartbeat([claim]) == []
    assert (desk.rows(jobs), desk.rows(notifications)) == before


def test_a_late_worker_writes_no_block(desk, clock):
    desk.start()
    late = desk.claim_one("worker-1")
    taken = []

    def rows():
        for number in range(9000):
            if number == 4500:
                clock.advance(seconds=LEASE)
                taken.append(desk.claim_one("worker-2"))
            yield b"%d" % number

    with pytest.raises(LeaseLostError):
        desk.write(late, rows())
    assert desk.count(blocks) == 0
    assert desk.complete(taken[0]).state is State.SUCCEEDED


def test_given_back_jobs_keep_their_place(desk, clock):
    first = desk.start("a")
    desk.start("b")
    claim = desk.claim_one("worker-1")
    clock.advance(seconds=1)
    desk.claims.release([claim])
    assert desk.get(first).state is State.QUEUED
    again = desk.claim_one("worker-2")
    assert (again.job.id, again.token) == (first, claim.token + 1)
    assert (again.job.errors, again.job.crashes) == (0, 0)


def test_the_leases_of_a_dead_worker_end_at_once(desk):
    for name in "abc":
        desk.start(name)
    mine, other, similar = (desk.claim_one(worker) for worker in ("host-1:5:a", "host-2:5", "HOST-1:5"))
    desk.claims.release_worker("host-1:")
    assert ids(desk.claims.claim("host-1:6")) == [mine.job.id]
    assert desk.claims.claim("host-1:6") == []
    assert desk.claims.heartbeat([mine, other, similar]) == [other, similar]


def test_an_exception_is_tried_again_after_a_while(desk, clock, new):
    job_id = desk.start()
    for errors, pause in enumerate((5, 20, 80, 300), 1):
        claim = desk.claim_one()
        assert desk.claims.retry_later(claim, f"S3 said\n no {errors} times.") is State.QUEUED
        job = desk.get(job_id)
        assert (job.state, job.errors, job.last_error, job.worker) == (State.QUEUED, errors, f"S3 said no {errors} times.", None)
        clock.advance(seconds=pause, milliseconds=-1)
        assert desk.claims.claim("worker") == []
        clock.advance(milliseconds=1)
    assert desk.claims.retry_later(desk.claim_one(), "S3 said no.") is State.FAILED
    job = desk.get(job_id)
    assert (job.state, job.errors, job.crashes, job.attempt) == (State.FAILED, 5, 0, 5)
    assert job.status_message == "5 attempts failed, the last one with: S3 said no."
    assert json.loads(desk.rows(notifications)[0]["message"])["Status"] == "FAILED"


def test_a_job_in_back_off_does_not_come_along(desk, clock):
    first, second = desk.start("a"), desk.start("a")
    claim, other = desk.claims.claim("worker")
    desk.claims.retry_later(claim, "Not now.")
    desk.claims.release([other])
    assert ids(desk.claims.claim("worker")) == [second]
    clock.advance(seconds=5)
    assert ids(desk.claims.claim("worker")) == [first]


def test_after_a_crash_jobs_go_on_one_by_one(desk):
    started = [desk.start("a") for _ in range(3)]
    group = desk.claims.claim("worker")
    desk.claims.record_crash(group, "The process that reads the video crashed.")
    assert stand(desk) == [State.QUEUED] * 3
    late = desk.start("a")
    for job_id in started:
        claim = desk.claim_one()
        assert (claim.job.id, claim.job.crashes) == (job_id, 1)
    assert desk.claim_one().job.id == late


def test_the_third_crash_fails_the_culprit_and_no_other(desk):
    culprit, other = desk.start("a"), desk.start("a", operation="StartFaceDetection")
    desk.claims.record_crash(desk.claims.claim("worker"), "It crashed.")
    for _ in range(2):
        claim = desk.claim_one()
        assert claim.job.id == culprit
        desk.claims.record_crash([claim], "It crashed.")
    failed = desk.get(culprit)
    assert (failed.state, failed.crashes, failed.errors, failed.status_message) == (State.FAILED, 3, 0, "It crashed.")
    assert desk.complete(desk.claim_one()).id == other
    assert [json.loads(row["message"])["Status"] for row in desk.rows(notifications)].count("FAILED") == 1


def test_crashes_and_exceptions_are_counted_apart(desk, clock):
    job_id = desk.start()
    for _ in range(2):
        desk.claims.record_crash([desk.claim_one()], "It crashed.")
    for _ in range(4):
        assert desk.claims.retry_later(desk.claim_one(), "S3 said no.") is State.QUEUED
        clock.advance(seconds=300)
    assert (desk.get(job_id).crashes, desk.get(job_id).errors) == (2, 4)
    assert desk.complete(desk.claim_one()).state is State.SUCCEEDED


def test_a_job_that_takes_its_workers_down_ends_up_behind_the_others(desk, clock):
    bad, good = desk.start("a"), desk.start("b")
    for _ in range(6):
        assert desk.claim_one().job.id == bad
        clock.advance(seconds=LEASE)
    assert desk.claim_one().job.id == good
    assert desk.claim_one().job.id == bad, "and is tried on"


def test_completion(desk, clock, video):
    job_id = desk.start()
    claim = desk.claim_one()
    clock.advance(seconds=7)
    generation = desk.write(claim, [b"{}"])
    desk.claims.complete(claim, generation, video)
    job = desk.get(job_id)
    assert (job.state, job.generation, job.video, job.worker, job.status_message) == (State.SUCCEEDED, generation, video, None, None)
    assert (job.completed_at, job.expires_at) == (clock.now(), clock.now() + 7 * 86_400_000)
    (notification,) = desk.rows(notifications)
    assert notification["message"] == (
        f'{{"JobId":"{job_id}","Status":"SUCCEEDED","API":"StartLabelDetection","JobTag":"DetectingLabels","Timestamp":{clock.now()},'
        '"Video":{"S3ObjectName":"video.mp4","S3Bucket":"bucket"}}'
    )
    assert (notification["job_id"], notification["topic_arn"], notification["role_arn"]) == (job_id, job.topic_arn, job.role_arn)
    assert (notification["account"], notification["region"]) == (job.account, job.region)


def test_failure(desk, clock):
    job_id = desk.start("größe 日本.mp4", job_tag=None)
    desk.claims.fail(desk.claim_one(), "The object is empty.")
    job = desk.get(job_id)
    assert (job.state, job.status_message, job.generation, job.video) == (State.FAILED, "The object is empty.", None, None)
    assert desk.rows(notifications)[0]["message"] == (
        f'{{"JobId":"{job_id}","Status":"FAILED","API":"StartLabelDetection","Timestamp":{clock.now()},'
        '"Video":{"S3ObjectName":"größe 日本.mp4","S3Bucket":"bucket"}}'
    )


def test_without_a_channel_nobody_is_notified(desk):
    desk.start(topic_arn=None, role_arn=None)
    desk.complete(desk.claim_one())
    assert desk.count(notifications) == 0


def test_only_whole_generations_of_ones_own_become_visible(desk, clock, video):
    desk.start("a")
    desk.start("b")
    a, b = desk.claim_one(), desk.claim_one()
    foreign = desk.write(b)
    empty = ResultWriter(desk.database, a).generation
    with ResultWriter(desk.database, a) as half:
        half.write("TIMESTAMPS", "TIMESTAMP", [b"{}"])

        def rows():
            yield b"{}"
            with pytest.raises(ValueError, match="1 of 2 listings"):
                desk.claims.complete(a, half.generation, video)

        half.write("TIMESTAMPS", "NAME", rows())
    for wrong in (foreign, empty, 999):
        with pytest.raises(ValueError, match="listings"):
            desk.claims.complete(a, wrong, video)
    clock.advance(seconds=LEASE)
    again = desk.claim_one()
    assert again.job.id == a.job.id
    with pytest.raises(ValueError, match="listings"):
        desk.claims.complete(again, half.generation, video)
    assert desk.get(a.job.id).state is State.RUNNING


def test_a_failing_notification_keeps_the_job_from_ending(desk, video):
    """Completion is one transaction: with the notification goes the rest."""
    desk.start()
    claim = desk.claim_one()
    generation = desk.write(claim)
    taken = {"id": "x", "account": "0", "region": "r", "job_id": claim.job.id, "topic_arn": "t", "role_arn": "r", "message": "{}"}
    with desk.database.write() as connection:
        connection.execute(notifications.insert().values(**taken, expires_at=1, attempts=0))
    with pytest.raises(Exception, match=r"notifications"):
        desk.claims.complete(claim, generation, video)
    assert desk.get(claim.job.id) == claim.job


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The video is empty.", "The video is empty."),
        ("two\nlines\t and \x00 control\x1b characters\ud800", "two lines and control characters"),
        ("   ", "There is no description of what went wrong."),
        ("word " * 300, ("word " * 204).strip() + "…"),
        ("x" * 2000, "x" * (LONGEST - 1) + "…"),
        ("y" * LONGEST, "y" * LONGEST),
    ],
    ids=["plain", "unprintable", "blank", "long", "one word", "exact"],
)
def test_a_message_is_one_sentence_of_bounded_length(text, expected):
    assert sentence(text) == expected
    assert len(sentence(text)) <= LONGEST


def test_messages_are_stored_as_sentences(desk):
    job_id = desk.start()
    desk.claims.fail(desk.claim_one(), "bad\x00 " + "word " * 1000)
    message = desk.get(job_id).status_message
    assert message.startswith("bad word word")
    assert message.endswith("word…")
    assert len(message) <= LONGEST


def test_a_job_with_unknown_state_cannot_be_claimed_by_mistake(desk):
    """The claim looks at jobs that have not ended; the states and the times of their ends cannot disagree."""
    job_id = desk.start()
    desk.claims.fail(desk.claim_one(), "Broken.")
    with desk.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(claimable_at=0))
    assert desk.claims.claim("worker") == []
