"""kill -9 of the server beside a job's way: while a message is deleted, and while it sweeps what no job shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError
from chaos_site import REQUEST, GivenUpError, Site
from sqlalchemy import select

from openrek.jobs.schema import blocks, generations, jobs, listings

TITLE = "kill -9 of the server beside a job's way"


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    with Site(tmp_path / "site") as site:
        site.start()
        site.prepare()
        yield site


@pytest.mark.short
def test_deleting_a_message(site, report):
    """A deletion that was not acknowledged has not happened, one that was is not forgotten."""
    sqs = site.clients["sqs"]
    for text in ("first", "second"):
        sqs.send_message(QueueUrl=site.queue, MessageBody=text)
    found = []
    while len(found) < 2:
        found += sqs.receive_message(QueueUrl=site.queue, MaxNumberOfMessages=10, VisibilityTimeout=3600)["Messages"]
    plan = site.arm("delete", "inside", "server")
    with pytest.raises((EndpointConnectionError, HTTPClientError)):
        sqs.delete_message(QueueUrl=site.queue, ReceiptHandle=found[0]["ReceiptHandle"])
    site.wait("strike", lambda: plan.struck(site.folder))
    site.wait("end of the server", lambda: site.process.poll() is not None)
    site.revive()
    assert site.told() == 2
    sqs.delete_message(QueueUrl=site.queue, ReceiptHandle=found[0]["ReceiptHandle"])
    site.cut_the_power()
    site.revive()
    assert site.told() == 1
    sqs.change_message_visibility(QueueUrl=site.queue, ReceiptHandle=found[1]["ReceiptHandle"], VisibilityTimeout=0)
    [left] = sqs.receive_message(QueueUrl=site.queue)["Messages"]
    assert left["Body"] == found[1]["Body"]
    report(TITLE, "inside the deletion of a message", "not deleted; deleted again, acknowledged, stays deleted")


def orphans(site: Site) -> set[int]:
    """Generations that no job shows, with what is left of them."""
    with site.database() as database, database.read() as connection:
        shown = set(connection.execute(select(jobs.c.generation)).scalars())
        begun = set(connection.execute(select(generations.c.id)).scalars()) | set(
            connection.execute(select(listings.c.generation)).scalars()
        )
        kept = set(connection.execute(select(listings.c.generation).join(blocks).distinct()).scalars())
    return (begun | kept) - shown


@pytest.mark.parametrize("position", [pytest.param("inside", marks=pytest.mark.short), "after"])
def test_sweeping(site, clip, intact, report, position):
    """A worker dies over the rows of a job, and the server over removing them: the next one removes what is left, and nothing else."""
    plan = site.arm("block", "after", "worker", nth=8)
    job = site.begin(site.upload(clip), **REQUEST)
    intact(site, job)
    assert plan.struck(site.folder)
    [_] = orphans(site)
    site.stop()
    plan = site.arm("sweep", position, "server")
    with contextlib.suppress(GivenUpError):  # it sweeps when it starts
        site.start()
    site.wait("strike", lambda: plan.struck(site.folder))
    site.wait("end of the server", lambda: site.process.poll() is not None)
    assert orphans(site)
    site.revive()
    site.wait("sweep", lambda: not orphans(site))
    intact(site, job)
    site.assert_tidy()
    report(TITLE, f"{position} a transaction of the sweep", "the next server removes what is left")
