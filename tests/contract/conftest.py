"""Servers for tests of the wire: in this process on each database, with a clock of their own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from local_application import LocalApplication, local_application

from openrek.clock import ManualClock
from openrek.db import Database

OpenApplication = Callable[..., LocalApplication]


@pytest.fixture(scope="session")
def _data_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which a server has been: its databases are migrated."""
    folder = tmp_path_factory.mktemp("data-template")
    with local_application(folder, f"sqlite:///{folder / 'openrek.db'}", ManualClock()):
        return folder


@pytest.fixture
def open_application(tmp_path: Path, clock: ManualClock, _data_template: Path) -> Iterator[OpenApplication]:
    """Opens applications with settings of one's own, on SQLite unless told otherwise; they go with the test."""
    with ExitStack() as opened:
        count = 0

        def open_one(database: Database | None = None, **settings: Any) -> LocalApplication:
            nonlocal count
            count += 1
            data = tmp_path / f"data-{count}"
            shutil.copytree(_data_template, data)
            url = f"sqlite:///{data / 'openrek.db'}" if database is None else database.url
            return opened.enter_context(local_application(data, url, clock, **settings))

        yield open_one


@pytest.fixture
def application(open_application: OpenApplication) -> LocalApplication:
    """An application on SQLite."""
    return open_application()


@pytest.fixture
def application_on_each(open_application: OpenApplication, jobs_database: Database) -> LocalApplication:
    """An application, on each of the two databases."""
    return open_application(jobs_database)
