"""Children whose libraries or networks are broken: that is told apart from a video that brings them down."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from openrek.engine.chunks import Chunk
from openrek.engine.demands import Observable
from openrek.engine.pool import Child
from openrek.engine.tasks import ChunkTask, IndexTask, Places, VideoLimits
from openrek.errors import ChildCrashedError, ChildUnfitError, UnsupportedVideoError
from openrek.observations import Demand, Sampling
from openrek.video import ObjectReference
from openrek.vision.catalogue import catalogue

VIDEO = ObjectReference("bucket", "clip.mp4")
NETWORK = catalogue().named("yolox-nano").facts.sha256
OBJECTS = Observable(Demand("objects", Sampling("rate", Fraction(2))), NETWORK, 1)
TASK = ChunkTask(VIDEO, "identity", VideoLimits(), Chunk(0, 1), (OBJECTS,))
CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGILL)"
ADVICE = "`openrek doctor` says what is missing."


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A file that is no video, and a network that is none."""
    for name in ("clip.mp4", "index", "network.onnx"):
        (tmp_path / name).write_text("nothing")
    return Places(tmp_path / "clip.mp4", tmp_path / "index", {NETWORK: (tmp_path / "network.onnx",)})


def break_library(name: str, program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have children find this in the place of a library."""
    (folder / "broken").mkdir()
    (folder / "broken" / f"{name}.py").write_text(program)
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "broken"), *([inherited] if inherited else [])]))


@pytest.mark.parametrize(
    ("program", "how"),
    [
        (
            "raise ImportError('libGL.so.1: cannot open shared object file.')",
            "with status 1: ImportError: libGL.so.1: cannot open shared object file",
        ),
        (CRASH, "by signal 4"),
    ],
)
def test_libraries_that_cannot_be_loaded(program: str, how: str, tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    break_library("cv2", program, tmp_path, monkeypatch)
    with Child(3072, 60) as child:
        for _ in range(2):
            with pytest.raises(ChildUnfitError) as caught:
                child.answer(IndexTask(VIDEO, "identity", VideoLimits()), places, lambda: None)
            assert caught.value.message == (
                "openrek cannot work on this machine, whatever the video: "
                f"the process that reads videos ended before it looked at one, {how}. {ADVICE}"
            )


def test_libraries_that_are_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_library("cv2", "import time; time.sleep(600)", tmp_path, monkeypatch)
    with Child(3072, 1) as child, pytest.raises(ChildUnfitError, match=r"did not start within 1 s\."):
        child.greet()


@pytest.mark.parametrize(
    ("program", "told", "patience"),
    [
        (CRASH, "the process that reads videos ended before it looked at one, by signal 4.", 120),
        ("raise ImportError('no such symbol.')", "the networks cannot be loaded: ImportError: no such symbol.", 120),
        ("import time; time.sleep(600)", "the networks were not ready after 1 s.", 1),
        ("x = bytearray(10**9); x[::4096] = x[::4096]; import time; time.sleep(600)", "its networks take more than 900 MB of memory", 120),
    ],
)
def test_networks_that_cannot_be_loaded(
    program: str, told: str, patience: float, tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_library("openvino", program, tmp_path, monkeypatch)
    with Child(900, 120) as child:
        child.greet()
        child.stuck_seconds = patience
        with pytest.raises(ChildUnfitError) as caught:
            child.answer(TASK, places, lambda: None)
        child.stuck_seconds = 120
        assert f"whatever the video: {told}" in caught.value.message
        assert caught.value.message.endswith(ADVICE)
        with pytest.raises(UnsupportedVideoError, match="The file is text"):  # what needs no network goes on
            child.answer(IndexTask(VIDEO, "identity", VideoLimits()), places, lambda: None)


def test_a_crash_behind_the_networks_is_the_videos(tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    loudness = Observable(Demand("loudness", Sampling("blocks", Fraction(20))), None, 1)
    task = ChunkTask(VIDEO, "identity", VideoLimits(), Chunk(0, 1), (loudness,))
    break_library("sitecustomize", f"""
import sys
if "openrek.engine.child" in sys.orig_argv:
    import openrek.engine.indexes
    def crash(path):
        {CRASH}
    openrek.engine.indexes.read_packets = crash
""", tmp_path, monkeypatch)  # fmt: skip
    with Child(3072, 60) as child, pytest.raises(ChildCrashedError, match=r"The process that reads the video ended by signal 4\."):
        child.answer(task, places, lambda: None)
