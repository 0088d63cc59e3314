"""Sites, videos, what an undisturbed job gives, and a table of what was found, printed at the end.

`make chaos-short` runs what is marked `short`, `make chaos` everything.
"""

from __future__ import annotations

import json
import os
import platform
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import chaos_report
import psutil
import pytest
from chaos_media import small_clip
from chaos_report import Report
from chaos_site import REQUEST, Listings, Site, Started
from sqlalchemy import create_engine, make_url, text


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "short: belongs to the short form, which CI runs")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    memory = psutil.virtual_memory().total / 1e9
    terminalreporter.section(f"chaos on {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB")
    for line in chaos_report.lines():
        terminalreporter.line(line)


@pytest.fixture(scope="session")
def report() -> Report:
    """Adds a row to a table that is printed at the end."""
    return chaos_report.add


@pytest.fixture(scope="session")
def program(shared: Path) -> Path:
    """A real video with sound."""
    return shared / "media/composed/dev_program.mp4"


@pytest.fixture(scope="session")
def clip(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """42 s of it, small: five chunks."""
    return small_clip(program, tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def undisturbed(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Listings]:
    """What each analysis of the clip gives if nobody disturbs it."""
    with Site(tmp_path_factory.mktemp("undisturbed")) as site:
        site.start()
        site.prepare()
        found = {}
        for noun, request in (("LabelDetection", REQUEST), ("FaceDetection", {}), ("ContentModeration", {})):
            job = site.begin(site.upload(clip), noun, **request)
            assert site.ended(job)["JobStatus"] == "SUCCEEDED", site.log
            found[noun] = site.rows(job)
            site.notified(job)
        site.assert_tidy()
        return found


@pytest.fixture(scope="session")
def jobs_database_of(request: pytest.FixtureRequest) -> Callable[..., Mapping[str, str]]:
    """Settings of an empty job database: of "sqlite", or of "postgresql", with more for its URL."""

    def settings(kind: str, query: Mapping[str, str] | None = None) -> Mapping[str, str]:
        if kind == "sqlite":
            return {}
        url, name = make_url(request.getfixturevalue("postgres_url")), f"chaos_{uuid.uuid4().hex}"
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        return {"OPENREK_DATABASE": url.set(database=name).update_query_dict(query or {}).render_as_string(hide_password=False)}

    return settings


@pytest.fixture(scope="session")
def intact(undisturbed: Mapping[str, Listings]) -> Callable[[Site, Started], None]:
    """Asserts that a job of the clip succeeds with the rows of an undisturbed one, in all tables and orders, none lost and none doubled."""

    def check(site: Site, job: Started) -> None:
        assert site.ended(job)["JobStatus"] == "SUCCEEDED", site.log[-3000:]
        found = site.rows(job)
        for view, rows in undisturbed[job.noun].items():
            assert len(found[view]) == len(rows), view
            assert [json.dumps(row, sort_keys=True) for row in found[view]] == [json.dumps(row, sort_keys=True) for row in rows], view

    return check
