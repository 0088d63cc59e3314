"""SQL databases: SQLite in a file, or PostgreSQL by another URL; the same statements on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.engine import Engine, make_url

from openrek.errors import DatabaseOutdatedError

Family = Literal["jobs", "localaws"]
_READ_ONLY = "openrek_read_only"
STANDSTILL = 300
"""Seconds after which PostgreSQL ends a transaction in which nothing happens: a process that stands still in one would keep its jobs from
everybody else. Longer than a notification can take to be published; the URL, the role or the database may say otherwise."""


class Database:
    """One database, its connections and its two kinds of transactions.

    SQLite runs in WAL mode: any number of readers beside one writer. A writer takes its lock when it begins, so that it waits
    instead of failing.

    Parameters
    ----------
    url
        An SQLAlchemy URL.
    family
        Which tables live there: the folder of migrations.
    """

    def __init__(self, url: str, family: Family) -> None:
        self.url = url
        self.family: Family = family
        sqlite = make_url(url).get_backend_name() == "sqlite"
        if sqlite:
            name = make_url(url).database
            if name and name != ":memory:":
                Path(name).parent.mkdir(parents=True, exist_ok=True)
            self.engine: Engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = create_engine(url, pool_pre_ping=True)
            event.listen(self.engine, "connect", _configure_postgresql)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; committed at the end, rolled back on an exception."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent state, no waiting for writers."""
        with self.engine.connect().execution_options(**{_READ_ONLY: True}) as connection, connection.begin():
            yield connection

    def migrate(self) -> None:
        """Bring the tables to this version. Only the server does so.

        Raises
        ------
        DatabaseOutdatedError
            A newer version of openrek has migrated them.
        """
        from alembic import command
        from alembic.util import CommandError

        config = self._alembic()
        with self.write() as connection:
            if self.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('openrek migrations'))"))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise DatabaseOutdatedError(
                    f"A newer version of openrek has worked with this database: {error}. Install that version, or start with other data."
                ) from error

    def check_version(self) -> None:
        """Refuse a database that has other migrations than this version knows.

        Raises
        ------
        DatabaseOutdatedError
            Start the server once: it migrates.
        """
        from alembic.script import ScriptDirectory

        head = ScriptDirectory.from_config(self._alembic()).get_current_head()
        with self.read() as connection:
            known = inspect(connection).has_table("alembic_version")
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
        if current != head:
            raise DatabaseOutdatedError(
                f"The database is at migration {current or 'none'}, this version of openrek needs {head}. "
                "Start `openrek serve` once: it migrates."
            )

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _alembic(self) -> Any:
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", f"openrek.migrations:{self.family}")
        return config


def _configure_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 30000", "temp_store = MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _configure_postgresql(connection: Any, _: object) -> None:
    name = "idle_in_transaction_session_timeout"
    connection.execute("SELECT set_config(%s, %s, false) WHERE current_setting(%s) = '0'", (name, f"{STANDSTILL}s", name))
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READ_ONLY) else "BEGIN IMMEDIATE")
