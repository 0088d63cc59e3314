import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from openrek.errors import JobNotFoundError, LeaseLostError
from openrek.jobs.results import BLOCK_ROWS, Page, ResultReader, ResultWriter
from openrek.jobs.retention import Retention
from openrek.jobs.schema import blocks, generations, listings
from openrek.jobs.states import State

LEASE = 20


def numbered(count):
    return [b'{"Timestamp":%d,"Label":{"Name":"Person"}}' % number for number in range(count)]


def page(desk, job, offset=0, limit=1000, table="TIMESTAMPS", order="TIMESTAMP"):
    return ResultReader(desk.database).page(job, table, order, offset, limit)


def finished(desk, count):
    desk.start()
    return desk.complete(desk.claim_one(), numbered(count))


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000])
@pytest.mark.parametrize("limit", [1, 7, 999, 1000, 5000])
def test_pages_put_together_are_the_rows(desk, count, limit):
    job = finished(desk, count)
    step = limit if limit > 1 else 1
    rows, offset, pages = [], 0, 0
    while offset is not None and pages < 50:
        found = page(desk, job, offset, step)
        assert found.rows or not count, "a page that another one announced is never empty"
        rows += found.rows
        offset, pages = found.next_offset, pages + 1
    assert rows == numbered(count)[: len(rows)]
    assert len(rows) == min(count, 50 * min(step, BLOCK_ROWS))
    if offset is None:
        assert pages == max(1, -(-count // min(step, BLOCK_ROWS))), "a page that ends with the last row announces none"


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.sampled_from([0, 1, 999, 1000, 1001, 2000, 2345]), limits=st.lists(st.integers(1, 1200), min_size=1, max_size=4))
def test_the_size_may_change_from_page_to_page(desk, count, limits):
    job = finished(desk, count)
    rows, offset, turn = [], 0, 0
    while offset is not None and turn < 60:
        found = page(desk, job, offset, limits[turn % len(limits)])
        rows += found.rows
        assert found.next_offset is None or found.next_offset == len(rows)
        offset, turn = found.next_offset, turn + 1
    assert rows == numbered(count)[: len(rows)]
    assert offset is not None or len(rows) == count


def test_a_page_is_one_statement_that_reads_two_blocks_at_most(desk):
    job = finished(desk, 5500)
    reader = ResultReader(desk.database)
    statements, fetched = [], []

    def note(connection, cursor, statement, parameters, context, executemany):
        statements.append(statement)

    event.listen(desk.database.engine, "before_cursor_execute", note)
    try:
        for offset, limit in ((0, 1000), (500, 1000), (999, 2), (4600, 1000), (5499, 1)):
            statements.clear()
            fetched.append(len(reader.page(job, "TIMESTAMPS", "TIMESTAMP", offset, limit).rows))
            selects = [statement for statement in statements if statement.lstrip().startswith("SELECT")]
            assert len(selects) == 1
    finally:
        event.remove(desk.database.engine, "before_cursor_execute", note)
    assert fetched == [1000, 1000, 2, 900, 1]
    assert desk.count(blocks) == 6


def test_every_order_of_every_table_has_its_own_rows(desk, video):
    desk.start()
    claim = desk.claim_one()
    with ResultWriter(desk.database, claim) as writer:
        for table in ("TIMESTAMPS", "SEGMENTS"):
            for order in ("TIMESTAMP", "NAME"):
                assert writer.write(table, order, (f"{table} {order} {i}".encode() for i in range(3))) == 3
    desk.claims.complete(claim, writer.generation, video)
    job = desk.get(claim.job.id)
    for table in ("TIMESTAMPS", "SEGMENTS"):
        for order in ("TIMESTAMP", "NAME"):
            assert page(desk, job, 1, 1, table, order) == Page([f"{table} {order} 1".encode()], 2)
    with pytest.raises(JobNotFoundError):
        page(desk, job, 0, 1, "SEGMENTS", "ID")


def test_nothing_is_seen_before_completion(desk, video):
    desk.start()
    claim = desk.claim_one()
    generation = desk.write(claim, numbered(10))
    assert page(desk, desk.get(claim.job.id)) == Page([], None)
    desk.claims.complete(claim, generation, video)
    assert page(desk, desk.get(claim.job.id)) == Page(numbered(10), None)


def test_a_failed_job_has_no_rows(desk):
    desk.start()
    claim = desk.claim_one()
    desk.write(claim, numbered(10))
    desk.claims.fail(claim, "Broken.")
    assert page(desk, desk.get(claim.job.id)) == Page([], None)


def test_rows_of_an_earlier_attempt_are_not_seen(desk, clock, video):
    desk.start()
    early = desk.claim_one()
    desk.write(early, numbered(2500))
    clock.advance(seconds=LEASE)
    job = desk.complete(desk.claim_one(), numbered(3))
    assert page(desk, job) == Page(numbered(3), None)
    assert Retention(desk.database, clock, desk.limits).sweep().generations == 1
    assert page(desk, job) == Page(numbered(3), None)
    assert desk.count(blocks) == 1


def test_an_exception_discards_what_was_written(desk):
    desk.start()
    claim = desk.claim_one()

    def rows():
        yield from numbered(9000)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        desk.write(claim, rows())
    assert [desk.count(table) for table in (generations, listings, blocks)] == [0, 0, 0]
    assert desk.complete(claim).state is State.SUCCEEDED


def test_what_has_become_visible_is_not_discarded(desk, video):
    """The connection may break after the commit: the worker then believes that completion has failed."""
    desk.start()
    claim = desk.claim_one()

    def complete_twice():
        with ResultWriter(desk.database, claim) as writer:
            writer.write("TIMESTAMPS", "TIMESTAMP", numbered(5))
            desk.claims.complete(claim, writer.generation, video)
            desk.claims.complete(claim, writer.generation, video)

    with pytest.raises(LeaseLostError):
        complete_twice()
    assert page(desk, desk.get(claim.job.id)) == Page(numbered(5), None)


def test_a_row_is_one_line(desk):
    desk.start()
    claim = desk.claim_one()
    with pytest.raises(ValueError, match="line break"):
        desk.write(claim, [b'{"a":1}', b'{\n"a":1}'])
    assert desk.count(blocks) == 0


def test_rows_that_expire_between_two_looks(desk, clock):
    job = finished(desk, 1500)
    clock.advance(days=7)
    Retention(desk.database, clock, desk.limits).sweep()
    with pytest.raises(JobNotFoundError):
        page(desk, job)


def test_another_account_cannot_read_rows_by_their_generation(desk):
    job = finished(desk, 5)
    with pytest.raises(JobNotFoundError):
        page(desk, replace(job, account="111111111111"))


def test_a_worker_killed_between_blocks_leaves_nothing_to_see(desk, clock, video):
    job_id = desk.start()
    program = """
        import sys
        from openrek.clock import ManualClock
        from openrek.db import Database
        from openrek.jobs.claims import Claims
        from openrek.jobs.results import ResultWriter
        from openrek.settings import LimitSettings

        database = Database(sys.argv[1], "jobs")
        (claim,) = Claims(database, ManualClock(int(sys.argv[2])), LimitSettings(), 20).claim("doomed")

        def rows():
            for number in range(1_000_000):
                if number == 10_000:
                    print("written", flush=True)
                    sys.stdin.read()
                yield b"%d" % number

        ResultWriter(database, claim).write("TIMESTAMPS", "TIMESTAMP", rows())
    """
    command = [sys.executable, "-c", textwrap.dedent(program), desk.database.url, str(clock.now())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        assert desk.count(blocks) == 8
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert desk.get(job_id).worker == "doomed"
    desk.claims.release_worker("doomed")
    job = desk.complete(desk.claim_one(), numbered(1234))
    assert page(desk, job, 1000) == Page(numbered(1234)[1000:], None)
    assert Retention(desk.database, clock, desk.limits).sweep().generations == 1
    assert desk.count(blocks) == 2
