from dataclasses import replace

import pytest

from openrek.errors import JobNotFoundError, TokenMismatchError, TooManyJobsError
from openrek.jobs.records import canonical, to_json
from openrek.jobs.retention import Retention
from openrek.jobs.states import State
from openrek.video import ObjectReference

REQUEST = {"Video": {"S3Object": {"Bucket": "bucket", "Name": "video.mp4"}}, "MinConfidence": 50, "Features": ["GENERAL_LABELS"]}


@pytest.fixture
def token_job(new):
    return replace(new, token="token", request=REQUEST)


def replay(desk, new, request):
    return desk.store.find_replay(new.account, new.region, new.operation, new.token, request)


def test_a_job_comes_back_as_it_went_in(desk, new, clock):
    reference = ObjectReference("bucket", "Ordner/größe 日本.mp4", "v-1")
    job_id = desk.store.insert(replace(new, object=reference, request={"MinConfidence": 50.0, "Settings": {"b": [1.5, True], "a": None}}))
    job = desk.store.get(new.account, new.region, job_id, "StartLabelDetection")
    assert len(job_id) == 64
    assert set(job_id) <= set("0123456789abcdef")
    assert (job.id, job.account, job.region, job.operation, job.noun) == (
        job_id,
        new.account,
        new.region,
        "StartLabelDetection",
        "LabelDetection",
    )
    assert job.request == {"MinConfidence": 50, "Settings": {"b": [1.5, True], "a": None}}
    assert to_json(job.request) == '{"MinConfidence":50,"Settings":{"a":null,"b":[1.5,true]}}'
    assert (job.object, job.object_etag, job.object_bytes) == (reference, new.object_etag, new.object_bytes)
    assert (job.models, job.settings) == (new.models, new.settings)
    assert (job.job_tag, job.topic_arn, job.role_arn) == (new.job_tag, new.topic_arn, new.role_arn)
    assert (job.state, job.created_at) == (State.QUEUED, clock.now())
    assert (job.started_at, job.completed_at, job.expires_at, job.video, job.generation, job.status_message) == (None,) * 6
    assert (job.attempt, job.crashes, job.errors, job.chunks_done, job.chunks_total, job.worker) == (0, 0, 0, 0, 0, None)


def test_an_equal_start_is_a_replay(desk, token_job):
    first = desk.store.insert(token_job)
    assert desk.store.insert(token_job) == first
    assert replay(desk, token_job, REQUEST) == first
    assert len(desk.store.list()) == 1


@pytest.mark.parametrize(
    "equal",
    [
        {**REQUEST, "MinConfidence": 50.0},
        dict(reversed(REQUEST.items())),
        {**REQUEST, "Video": {"S3Object": {"Name": "video.mp4", "Bucket": "bucket"}}},
        {**REQUEST, "Features": ("GENERAL_LABELS",)},
    ],
    ids=["50.0", "order", "inner order", "tuple"],
)
def test_the_writing_of_parameters_does_not_matter(desk, token_job, equal):
    first = desk.store.insert(token_job)
    assert desk.store.insert(replace(token_job, request=equal)) == first
    assert replay(desk, token_job, equal) == first


@pytest.mark.parametrize(
    "other",
    [
        {**REQUEST, "MinConfidence": 50.5},
        {**REQUEST, "MinConfidence": True},
        {**REQUEST, "MinConfidence": "50"},
        {**REQUEST, "JobTag": "tag"},
        {name: value for name, value in REQUEST.items() if name != "MinConfidence"},
        {**REQUEST, "Features": []},
        {**REQUEST, "Video": {"S3Object": {"Bucket": "bucket", "Name": "Video.mp4"}}},
    ],
    ids=["value", "bool", "string", "added", "default left out", "list", "case"],
)
def test_other_parameters_with_the_same_token_are_refused(desk, token_job, other):
    desk.store.insert(token_job)
    for attempt in (lambda: desk.store.insert(replace(token_job, request=other)), lambda: replay(desk, token_job, other)):
        with pytest.raises(TokenMismatchError) as refused:
            attempt()
        assert refused.value.message == "The ClientRequestToken: token you have supplied is already in use."
    assert len(desk.store.list()) == 1


@pytest.mark.parametrize("elsewhere", [{"operation": "StartFaceDetection"}, {"account": "111111111111"}, {"region": "us-east-1"}], ids=str)
def test_a_token_counts_for_its_operation_account_and_region(desk, token_job, elsewhere):
    first = desk.store.insert(token_job)
    other = replace(token_job, **elsewhere, request={**REQUEST, "MinConfidence": 1})
    assert replay(desk, other, other.request) is None
    assert desk.store.insert(other) != first
    assert replay(desk, token_job, REQUEST) == first


def test_without_a_token_every_start_is_a_job(desk, new):
    assert desk.store.insert(new) != desk.store.insert(new)


def test_a_token_lives_for_seven_days(desk, token_job, clock):
    first = desk.store.insert(token_job)
    clock.advance(days=7, milliseconds=-1)
    assert replay(desk, token_job, REQUEST) == first
    assert desk.store.insert(token_job) == first
    clock.advance(milliseconds=1)
    assert replay(desk, token_job, REQUEST) is None
    other = replace(token_job, request={"MinConfidence": 1})
    second = desk.store.insert(other)
    assert second != first
    assert replay(desk, other, other.request) == second


def test_a_token_outlives_its_job(open_desk, token_job, clock):
    desk = open_desk(retention_days=1, token_days=7)
    first = desk.store.insert(token_job)
    desk.complete(desk.claim_one())
    clock.advance(days=2)
    assert Retention(desk.database, clock, desk.limits).sweep().jobs == 1
    with pytest.raises(JobNotFoundError):
        desk.get(first)
    assert desk.store.insert(token_job) == first
    assert replay(desk, token_job, REQUEST) == first


def test_a_replay_finds_a_failed_job(desk, token_job):
    first = desk.store.insert(token_job)
    desk.claims.fail(desk.claim_one(), "The video is empty.")
    assert desk.store.insert(token_job) == first


def test_no_more_open_jobs_than_the_limit(open_desk, new, token_job):
    desk = open_desk(open_jobs=3)
    first = desk.store.insert(token_job)
    desk.start("b")
    desk.store.check_open_jobs(new.account, new.region)
    desk.start("c")
    for attempt in (lambda: desk.store.check_open_jobs(new.account, new.region), desk.start):
        with pytest.raises(TooManyJobsError) as refused:
            attempt()
        assert (refused.value.open_jobs, refused.value.limit) == (3, 3)
    assert desk.store.insert(token_job) == first, "a replay works at the limit"
    with pytest.raises(TokenMismatchError):
        desk.store.insert(replace(token_job, request={}))
    desk.store.insert(replace(new, account="111111111111"))
    desk.store.insert(replace(new, region="us-east-1"))


def test_running_jobs_are_open_and_ended_ones_are_not(open_desk):
    desk = open_desk(open_jobs=2)
    desk.start("a")
    desk.start("b")
    a, b = desk.claim_one(), desk.claim_one()
    with pytest.raises(TooManyJobsError):
        desk.start()
    desk.complete(a)
    desk.start("c")
    desk.claims.fail(b, "Broken.")
    desk.start("d")
    with pytest.raises(TooManyJobsError):
        desk.start()


def test_a_limit_of_zero_is_none(open_desk, new):
    desk = open_desk(open_jobs=0)
    for _ in range(30):
        desk.store.insert(new)
    desk.store.check_open_jobs(new.account, new.region)


@pytest.mark.parametrize(
    "other", [{"account": "111111111111"}, {"region": "us-east-1"}, {"job_id": "f" * 64}, {"operation": "StartFaceDetection"}], ids=str
)
def test_a_job_is_found_by_its_owner_and_operation_alone(desk, new, other):
    key = {"account": new.account, "region": new.region, "job_id": desk.start(), "operation": new.operation}
    assert desk.store.get(**key).id == key["job_id"]
    assert desk.store.get(**{**key, "operation": None}).id == key["job_id"]
    with pytest.raises(JobNotFoundError):
        desk.store.get(**key | other)


def test_results_expire(desk, clock):
    job_id = desk.start()
    clock.advance(days=30)
    assert desk.get(job_id).state is State.QUEUED, "an open job does not expire"
    desk.complete(desk.claim_one())
    clock.advance(days=7, milliseconds=-1)
    assert desk.get(job_id).expires_at == clock.now() + 1
    clock.advance(milliseconds=1)
    with pytest.raises(JobNotFoundError):
        desk.get(job_id)
    assert not desk.store.list()


def test_listing_goes_back_in_time(desk, new, clock):
    ids = [desk.start(f"{i}") for i in range(4)]
    clock.advance(milliseconds=1)
    foreign = [desk.store.insert(replace(new, account="111111111111")) for _ in range(2)]
    desk.claims.fail(desk.claim_one(), "Broken.")

    def listed(**query):
        return [job.id for job in desk.store.list(**query)]

    assert listed() == [*sorted(foreign, reverse=True), *reversed(ids)]
    assert listed(limit=3) == [*sorted(foreign, reverse=True), ids[3]]
    assert listed(limit=2, before=ids[3]) == [ids[2], ids[1]]
    assert listed(before=min(foreign)) == list(reversed(ids))
    assert listed(account=new.account) == list(reversed(ids))
    assert listed(region="us-east-1") == []
    assert listed(state=State.FAILED) == [ids[0]]
    assert listed(state=State.QUEUED, account=new.account) == [ids[3], ids[2], ids[1]]
    with pytest.raises(JobNotFoundError):
        listed(before="f" * 64)


def test_canonical_values():
    assert to_json(canonical({"b": 50.0, "a": [-0.0, 1e3, 0.1, False]})) == '{"a":[0,1000,0.1,false],"b":50}'
