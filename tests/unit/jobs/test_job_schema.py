import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, insert, text, update
from sqlalchemy.exc import IntegrityError

from openrek.jobs.schema import generations, jobs, listings, metadata, notifications


def test_the_migrations_make_the_tables_that_the_code_declares(jobs_database):
    with jobs_database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


@pytest.mark.parametrize("jobs_database", ["sqlite"], indirect=True)
def test_the_migrations_make_the_same_constraints(jobs_database):
    def statements(connection):
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"))
        return {name: sorted(line.strip(" ,\t") for line in sql.splitlines()) for name, sql in found}

    with create_engine("sqlite://").begin() as connection:
        metadata.create_all(connection)
        declared = statements(connection)
    with jobs_database.read() as connection:
        assert statements(connection) == declared


def test_every_table_knows_account_and_region():
    for table in metadata.tables.values():
        assert {"account", "region"} <= set(table.columns.keys()), table.name
        assert not table.c.account.nullable
        assert not table.c.region.nullable


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "DONE"},
        {"state": "RUNNING"},
        {"state": "FAILED"},
        {"state": "FAILED", "completed_at": 1, "expires_at": 2},
        {"state": "SUCCEEDED", "completed_at": 1, "expires_at": 2, "generation": 1},
        {"state": "SUCCEEDED", "completed_at": 1, "expires_at": 2, "video": "{}"},
        {"worker": "w"},
        {"generation": 1},
        {"completed_at": 1, "expires_at": 2},
        {"status_message": "Why?"},
        {"chunks_done": 1},
        {"role_arn": None},
        {"crashes": -1},
    ],
    ids=str,
)
def test_the_database_refuses_a_job_that_cannot_be(desk, wrong):
    job_id = desk.start()
    with pytest.raises(IntegrityError), desk.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(**wrong))


def test_a_job_has_one_notification(desk):
    desk.start()
    desk.complete(desk.claim_one())
    (sent,) = desk.rows(notifications)
    with pytest.raises(IntegrityError), desk.database.write() as connection:
        connection.execute(insert(notifications).values({**sent, "id": "another"}))


def test_listings_belong_to_generations(desk):
    with pytest.raises(IntegrityError), desk.database.write() as connection:
        connection.execute(insert(listings).values(account="0", region="r", generation=1, rows_of="t", sorted_by="o"))
    assert desk.count(generations) == 0
