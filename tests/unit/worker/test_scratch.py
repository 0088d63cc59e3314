"""Folders of workers, told from those of real processes that live, have been killed, or have been killed and not taken note of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from openrek.worker.scratch import Scratch

HOLD = """
import sys
from pathlib import Path
from openrek.worker.scratch import Scratch
with Scratch.below(Path(sys.argv[1])) as scratch:
    (scratch.path / "video").write_bytes(bytes(1000))
    print(scratch.path, flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_worker(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds a folder with something in it, until its standard input ends."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def folders(root: Path) -> set[Path]:
    return {each for each in root.iterdir() if each.is_dir()}


def test_a_folder_lasts_as_long_as_its_worker(tmp_path):
    root = tmp_path / "data/work"
    with Scratch.below(root) as scratch:
        assert scratch.path.name.startswith(f"{os.getpid()}-")
        (scratch.path / "staging").mkdir()
        (scratch.path / "staging/video").touch()
        scratch.remove_abandoned()
        assert folders(root) == {scratch.path}
        assert (scratch.path / "staging/video").exists()
    assert folders(root) == set()


def test_a_folder_goes_with_a_worker_that_breaks_off(tmp_path):
    with pytest.raises(KeyError), Scratch.below(tmp_path):
        raise KeyError
    assert folders(tmp_path) == set()


def test_the_folder_of_a_worker_that_lives_is_left_alone(tmp_path):
    with other_worker(tmp_path) as (process, theirs), Scratch.below(tmp_path) as scratch:
        scratch.remove_abandoned()
        assert folders(tmp_path) == {theirs, scratch.path}
        process.communicate()
        assert folders(tmp_path) == {scratch.path}


def test_a_worker_that_was_killed_and_that_nobody_took_note_of(tmp_path):
    with other_worker(tmp_path) as (process, theirs):
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        with Scratch.below(tmp_path) as scratch:
            assert psutil.pid_exists(process.pid)
            assert not theirs.exists()
            assert folders(tmp_path) == {scratch.path}


def test_a_worker_that_is_killed_while_another_one_works(tmp_path):
    with other_worker(tmp_path) as (process, theirs), Scratch.below(tmp_path) as scratch:
        process.kill()
        process.wait()
        assert theirs.exists()
        scratch.remove_abandoned()
        assert folders(tmp_path) == {scratch.path}


@pytest.mark.parametrize("name", [f"{os.getpid()}-before", "1", str(os.getpid())])
def test_a_folder_that_nobody_holds_goes_whatever_process_it_names(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "video").touch()
    with Scratch.below(tmp_path) as scratch:
        assert folders(tmp_path) == {scratch.path}


def test_a_folder_that_cannot_be_looked_into_keeps_no_worker_from_starting(tmp_path):
    (tmp_path / "1-strange/lock").mkdir(parents=True)
    with Scratch.below(tmp_path) as scratch:
        assert folders(tmp_path) == {tmp_path / "1-strange", scratch.path}
