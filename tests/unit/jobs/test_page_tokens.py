import re
import string
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from openrek.db import Database
from openrek.errors import InvalidPageTokenError
from openrek.jobs.pagetokens import PageTokens
from openrek.jobs.schema import signing_keys

LISTING = ("TIMESTAMPS", "NAME")


@pytest.fixture
def tokens(desk):
    return PageTokens(desk.database, desk.clock, desk.limits)


@pytest.fixture
def job(desk):
    return desk.get(desk.start())


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**63))
def test_a_token_tells_where_to_go_on(tokens, job, offset):
    token = tokens.issue(job, *LISTING, offset)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", token)
    assert tokens.read(job, *LISTING, token) == offset
    assert tokens.read(job, *LISTING, token) == offset, "as often as one likes"


@pytest.mark.parametrize(
    "other",
    [{"id": "0" * 64}, {"operation": "StartFaceDetection"}, {"account": "111111111111"}, {"region": "us-east-1"}],
    ids=str,
)
def test_a_token_of_another_job(tokens, job, other):
    token = tokens.issue(job, *LISTING, 1000)
    with pytest.raises(InvalidPageTokenError, match="Invalid Token"):
        tokens.read(replace(job, **other), *LISTING, token)


@pytest.mark.parametrize("listing", [("SEGMENTS", "NAME"), ("TIMESTAMPS", "TIMESTAMP"), ("NAME", "TIMESTAMPS"), ("TIMESTAMPSNAME", "")])
def test_a_token_of_another_listing(tokens, job, listing):
    with pytest.raises(InvalidPageTokenError):
        tokens.read(job, *listing, tokens.issue(job, *LISTING, 1000))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=255))
@example("")
@example("A" * 64)
@example("é" * 64)
@example("\ud800")
@example("A" * 63)
def test_garbage_is_no_token(tokens, job, garbage):
    with pytest.raises(InvalidPageTokenError):
        tokens.read(job, *LISTING, garbage)


def test_no_changed_character_is_overlooked(tokens, job):
    token = tokens.issue(job, *LISTING, 1000)
    changed = {token[:i] + new + token[i + 1 :] for i in range(len(token)) for new in f"AQgw+/=.\n{string.digits}"} - {token}
    changed |= {token[:-1], token + "=", token + "A", token[4:], f" {token}", f"{token}\n", token.replace("-", "+"), token.lower()} - {
        token
    }
    for other in changed:
        with pytest.raises(InvalidPageTokenError):
            tokens.read(job, *LISTING, other)


def test_a_token_lives_for_a_day(tokens, job, clock):
    token = tokens.issue(job, *LISTING, 1000)
    clock.advance(days=1, milliseconds=-1)
    assert tokens.read(job, *LISTING, token) == 1000
    clock.advance(milliseconds=1)
    with pytest.raises(InvalidPageTokenError):
        tokens.read(job, *LISTING, token)


def test_every_server_reads_every_servers_tokens(tokens, job, desk):
    token = tokens.issue(job, *LISTING, 1000)
    with Database(desk.database.url, "jobs") as elsewhere:
        assert PageTokens(elsewhere, desk.clock, desk.limits).read(job, *LISTING, token) == 1000
    tokens.issue(replace(job, account="111111111111"), *LISTING, 1)
    keys = desk.rows(signing_keys)
    assert len({row["key"] for row in keys}) == len(keys) == 2
    assert {len(row["key"]) for row in keys} == {32}
