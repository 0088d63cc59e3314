"""A child that crashes, stands still or takes too much memory, three times: its job fails with a sentence, and nobody else's does."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from chaos_site import REQUEST, Site, Started

TITLE = "a child goes wrong on one of two jobs that share a pass"
SENTENCES = {
    "crash": r"The process that reads the video ended by signal 11.*\.",
    "stand still": r"Reading the video made no progress for 12 s\.",
    "grow": r"Reading the video took more than 600 MB of memory\.",
}


LIMITS = {"stand still": {"OPENREK_WORKER__STUCK_SECONDS": "12"}, "grow": {"OPENREK_WORKER__CHILD_MEGABYTES": "600"}}


@pytest.fixture
def how() -> str:
    """What goes wrong, unless a test says something else."""
    return "crash"


@pytest.fixture
def site(tmp_path, how) -> Iterator[Site]:
    with Site(tmp_path / "site", LIMITS.get(how, {})) as site:
        site.start()
        site.prepare()
        yield site


def together(site: Site, key: str) -> tuple[Started, Started]:
    """Two jobs that are claimed together."""
    [worker] = site.wait("worker", lambda: site.processes("worker") or None)
    worker.suspend()
    labels, sound = site.begin(key, **REQUEST), site.begin(key, "ContentModeration")
    worker.resume()
    return labels, sound


@pytest.mark.parametrize("how", [pytest.param("crash", marks=pytest.mark.short), "stand still", "grow"])
def test_one_job_fails_and_the_other_does_not(site, clip, intact, how, report):
    (site.folder / "misbehaviour").write_text(how)
    began = time.monotonic()
    labels, sound = together(site, site.upload(clip))
    failed = site.ended(sound)
    seconds = time.monotonic() - began
    assert failed["JobStatus"] == "FAILED"
    assert re.fullmatch(SENTENCES[how], failed["StatusMessage"]), failed["StatusMessage"]
    intact(site, labels)
    assert site.job(sound)["crashes"] == 3
    assert site.job(labels)["crashes"] == 1
    (site.folder / "misbehaviour").unlink()
    later = site.begin(site.upload(clip), "ContentModeration")
    intact(site, later)
    site.notified(*site.begun)
    assert site.drained() == {(sound.id, "FAILED"): 1, (labels.id, "SUCCEEDED"): 1, (later.id, "SUCCEEDED"): 1}
    report(TITLE, how, f"failed after {seconds:.1f} s: {failed['StatusMessage']}")


@pytest.mark.parametrize("position", ["before", "inside", "after"])
@pytest.mark.parametrize("targets", [("worker",), ("server",)])
def test_killed_while_a_crash_is_noted(site, clip, intact, how, position, targets, report):
    (site.folder / "misbehaviour").write_text(how)
    plan = site.arm("crash", position, *targets)
    labels, sound = together(site, site.upload(clip))
    failed = site.ended(sound)
    assert failed["JobStatus"] == "FAILED"
    assert re.fullmatch(SENTENCES[how], failed["StatusMessage"])
    intact(site, labels)
    assert plan.struck(site.folder)
    site.assert_tidy()
    report(TITLE, how, f"kill -9 of the {targets[0]} {position} noting it")
