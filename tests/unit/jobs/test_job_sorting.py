import os
import subprocess
import sys
import textwrap
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrek.jobs.sorting import ExternalSort

ENTRIES = st.lists(
    st.tuples(
        st.tuples(st.integers(-(2**70), 2**70), st.text(max_size=3), st.floats(allow_nan=False)),
        st.binary(max_size=40),
    ),
    max_size=80,
)


def files(directory):
    return list(directory.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sort")


@settings(deadline=None, max_examples=150)
@given(ENTRIES, st.sampled_from([1, 900, 3000, 10**6]))
def test_any_rows_come_in_the_order_of_their_keys(folder, entries, memory):
    with ExternalSort(folder, memory) as sort:
        for key, row in entries:
            sort.add(key, row)
        assert list(sort) == [row for _, row in sorted(entries, key=lambda entry: entry[0])]
    assert files(folder) == []


@pytest.mark.parametrize("memory", [1, 5000, 10**7])
def test_equal_keys_stay_in_the_order_in_which_they_came(folder, memory):
    with ExternalSort(folder, memory) as sort:
        for number in range(500):
            sort.add((number % 3,), b"%d" % number)
        expected = [b"%d" % number for key in range(3) for number in range(key, 500, 3)]
        assert list(sort) == expected
        assert list(sort) == expected, "as often as one likes"
        sort.add((0,), b"last of 0")
        assert list(sort).index(b"last of 0") == 167


def test_rows_larger_than_a_batch(folder):
    rows = [bytes([number]) * 100_000 for number in range(20)]
    with ExternalSort(folder, 300_000) as sort:
        for row in reversed(rows):
            sort.add((row[0],), row)
        assert list(sort) == rows


def test_little_is_sorted_without_a_file(tmp_path):
    with ExternalSort(tmp_path / "there is no such folder") as sort:
        sort.add((2,), b"b")
        sort.add((1,), b"a")
        assert list(sort) == [b"a", b"b"]


def test_the_file_is_gone_after_an_exception(folder):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None

    def fail():
        with ExternalSort(folder, 1) as sort:
            sort.add((1,), b"a")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert files(folder) == []
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_the_file_is_gone_when_the_process_is_killed(folder):
    program = """
        import os, signal, sys
        from pathlib import Path
        from openrek.jobs.sorting import ExternalSort

        sort = ExternalSort(Path(sys.argv[1]), 1)
        for number in range(100):
            sort.add((number,), b"row")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(folder)], check=False)
    assert killed.returncode == -9
    assert files(folder) == []


def test_memory_stays_bounded(folder):
    row = b"x" * 100
    tracemalloc.start()
    try:
        with ExternalSort(folder, 2 * 1024**2) as sort:
            for number in range(100_000):
                sort.add((-number, "name"), row + b"%d" % number)
            for _ in sort:
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * 1024**2
