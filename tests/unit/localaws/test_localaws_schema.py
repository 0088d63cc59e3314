import json

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine

from openrek.db import Database
from openrek.localaws.schema import metadata


def test_the_migrations_make_the_tables_that_the_code_declares(aws_file):
    with Database(f"sqlite:///{aws_file}", "localaws") as database, database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


def test_the_migrations_make_the_same_constraints(aws_file):
    def statements(connection):
        found = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"))
        return {name: sorted(line.strip(" ,\t") for line in sql.splitlines()) for name, sql in found}

    with create_engine("sqlite://").begin() as connection:
        metadata.create_all(connection)
        declared = statements(connection)
    with Database(f"sqlite:///{aws_file}", "localaws") as database, database.read() as connection:
        assert statements(connection) == declared


def test_every_table_belongs_to_an_account_or_to_a_row_that_does():
    for table in metadata.tables.values():
        if table.name != "secrets":
            assert "account" in table.columns or table.foreign_keys, table.name
    for name in ("queues", "topics", "subscriptions"):
        assert not metadata.tables[name].c.account.nullable
        assert not metadata.tables[name].c.region.nullable


def test_whatever_a_receiver_asks_is_answered_by_an_index(cloud, aws_file):
    dead = cloud.queue("dead")
    url = cloud.queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": cloud.arn(dead), "maxReceiveCount": 1}), VisibilityTimeout="0")
    cloud.send(url, "message")
    asked = []

    def before(connection, cursor, statement, parameters, context, executemany):
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA", "INSERT")):
            asked.extend((statement, one) for one in (parameters if executemany else [parameters]))

    event.listen(Engine, "before_cursor_execute", before)
    try:
        handle = cloud.receive(url)[0]["ReceiptHandle"]
        cloud.sqs("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        cloud.receive(url)
        handle = cloud.receive(dead)[0]["ReceiptHandle"]
        cloud.counts(url)
        cloud.sqs("DeleteMessage", QueueUrl=dead, ReceiptHandle=handle)
    finally:
        event.remove(Engine, "before_cursor_execute", before)
    assert len(asked) > 20
    plans = set()
    with Database(f"sqlite:///{aws_file}", "localaws") as database, database.read() as connection:
        for statement, parameters in asked:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.add((statement, " / ".join(row.detail for row in rows)))
    for statement, plan in plans:
        assert "SCAN" not in plan, (statement, plan)
        assert "TEMP B-TREE" not in plan, (statement, plan)
    counted = [plan for statement, plan in plans if "count(*)" in statement]
    assert counted == ["SEARCH messages USING COVERING INDEX ix_messages_due (queue_id=?)"]
