"""A process that stands still in a transaction does not keep everybody else from its jobs for good."""

from __future__ import annotations

from sqlalchemy import make_url, text

from openrek.db import Database

SETTING = text("SHOW idle_in_transaction_session_timeout")


def test_postgresql_ends_a_transaction_in_which_nothing_happens(postgres_url: str) -> None:
    with Database(postgres_url, "jobs") as database:
        for transaction in (database.read, database.write):
            with transaction() as connection:
                assert connection.execute(SETTING).scalar_one() == "5min"


def test_the_url_may_say_otherwise(postgres_url: str) -> None:
    url = make_url(postgres_url).update_query_dict({"options": "-c idle_in_transaction_session_timeout=50ms"})
    with Database(url.render_as_string(hide_password=False), "jobs") as database, database.write() as connection:
        assert connection.execute(SETTING).scalar_one() == "50ms"
