"""One pass serves features of every kind; their rows do not depend on the company, the workers, an interruption or the runner."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from openrek.engine import passes
from openrek.engine.demands import observables
from openrek.engine.runners import HereRunner, ProcessRunner, Runner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import Alive, ChunkAnswer, ChunkTask, IndexAnswer, Places, Task, VideoLimits
from openrek.features.base import Feature, Params, Reduction, Row
from openrek.features.labels import LabelDetection
from openrek.observations import EVERY_FRAME, Demand, ModelFacts, Sampling
from openrek.settings import Settings
from openrek.timecode import milliseconds
from openrek.video import ObjectReference
from openrek.vision.library import ModelLibrary
from openrek.vision.registry import VERSIONS

Rows = dict[str, list[tuple[str, Row]]]
REFERENCE = ObjectReference("bucket", "clip.mp4")
SETTINGS = Settings(labels={"sampling_rate": "1"})


class _TestFeature:
    """What the features of this module share."""

    noun = member = "Test"
    version = 1
    tables: Mapping[str, Any] = {}
    resources: tuple[str, ...] = ()

    def check(self, request: Params) -> None: ...


class LumaOfEveryFrame(_TestFeature):
    name = "luma"
    demand = Demand("luma-statistics", EVERY_FRAME)

    def demands(self, request: Params, settings: Mapping[str, Any]) -> tuple[Demand, ...]:
        return (self.demand,)

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        for moment in reduction.observed(self.demand):
            yield "ROWS", {"frame": moment.frame, "mean": moment["mean"].tolist(), "grid": moment["grid"].tolist()}


class LoudnessOfBlocks(_TestFeature):
    name = "loudness"
    demand = Demand("loudness", Sampling("blocks", Fraction(20)))

    def demands(self, request: Params, settings: Mapping[str, Any]) -> tuple[Demand, ...]:
        return (self.demand,)

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        for moment in reduction.observed(self.demand):
            yield "ROWS", {"block": moment.frame, "rms": moment["rms"].tolist()}


class DarkFramesSoFar(LumaOfEveryFrame):
    """Counts on through the whole video, whatever chunk a frame is in; reads the stream twice."""

    name = "counter"

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        means = [float(moment["mean"][0]) for moment in reduction.observed(self.demand)]
        middle, dark = sorted(means)[len(means) // 2], 0
        for moment in reduction.observed(self.demand):
            dark += float(moment["mean"][0]) < middle
            yield "ROWS", {"frame": moment.frame, "dark": dark}


class NearestKnownLight(_TestFeature):
    """Needs an index from above, as face search does."""

    name = "nearest"
    resources = ("light-index",)
    demand = Demand("luma-statistics", Sampling("rate", Fraction(2)))

    def demands(self, request: Params, settings: Mapping[str, Any]) -> tuple[Demand, ...]:
        return (self.demand,)

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        find: Callable[[float], str] = reduction.resources["light-index"]
        for moment in reduction.observed(self.demand):
            yield "ROWS", {"pts": moment.pts, "nearest": find(float(moment["mean"][0]))}


FEATURES: tuple[Feature, ...] = (LabelDetection(), LumaOfEveryFrame(), LoudnessOfBlocks(), DarkFramesSoFar(), NearestKnownLight())
KNOWN_LIGHTS = {"night": 0.1, "dusk": 0.3, "day": 0.6}
RESOURCES = {"light-index": lambda mean: min(KNOWN_LIGHTS, key=lambda name: abs(KNOWN_LIGHTS[name] - mean))}


@dataclass
class Bench:
    """A clip, a store of observations, and the way of a pass over them."""

    clip: Path
    store: ObservationStore
    models: Mapping[str, ModelFacts]
    files: Mapping[str, tuple[Path, ...]]

    def locate(self, task: Task) -> Places:
        return Places(self.clip, self.store.index_path(task.identity, task.limits), self.files)

    def run(self, features: tuple[Feature, ...], runner: Runner, alive: Alive = lambda: None) -> Rows:
        video = passes.index(REFERENCE, "0" * 64, VideoLimits(), runner, self.store, alive)
        settings = SETTINGS.of_feature("labels")
        wanted = observables((d for f in features for d in f.demands({}, settings)), self.models, VERSIONS)
        observed, damage = passes.observe(video, wanted, runner, self.store, lambda done, total: None, alive)
        assert damage.packets == 0
        assert len(video.chunks) > 3
        return {
            f.name: list(f.reduce(Reduction(video.facts, {"MinConfidence": 20}, settings, self.models, observed, RESOURCES)))
            for f in features
        }


@dataclass
class PicklingRunner:
    """Hands tasks and answers over as bytes only, as another machine would."""

    inner: HereRunner
    width: int = 1
    sizes: list[int] = field(default_factory=list)

    def submit(self, task: Task, alive: Alive) -> Future[IndexAnswer | ChunkAnswer]:
        data = pickle.dumps(task)
        self.sizes.append(len(data))
        future: Future[IndexAnswer | ChunkAnswer] = Future()
        future.set_result(pickle.loads(pickle.dumps(self.inner.submit(pickle.loads(data), alive).result())))
        return future

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(scope="module")
def library() -> ModelLibrary:
    return ModelLibrary.of(Settings())


@pytest.fixture
def bench(clip: Path, shared: Path, tmp_path: Path, library: ModelLibrary) -> Bench:
    facts = library.choose("objects", "yolox-nano")
    return Bench(clip, ObservationStore(tmp_path / "observations"), {"objects": facts}, {facts.sha256: library.locate(facts.sha256)})


def processes(bench: Bench, width: int) -> ProcessRunner:
    return ProcessRunner(bench.locate, width, 3000, 60)


@pytest.fixture(scope="module")
def expected(clip: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory, library: ModelLibrary) -> Rows:
    """All features together, in one process."""
    facts = library.choose("objects", "yolox-nano")
    folder = tmp_path_factory.mktemp("expected")
    bench = Bench(clip, ObservationStore(folder), {"objects": facts}, {facts.sha256: library.locate(facts.sha256)})
    runner = HereRunner(bench.locate)
    try:
        return bench.run(FEATURES, runner)
    finally:
        runner.close()


def test_every_feature_finds_something(expected: Rows) -> None:
    assert {row["Label"]["Name"] for table, row in expected["labels"] if table == "TIMESTAMPS"} >= {"Person", "Cup", "Cat"}
    assert len(expected["luma"]) == 620
    assert len(expected["loudness"]) == 1240
    assert expected["counter"][-1][1]["dark"] == 310
    assert {row["nearest"] for _, row in expected["nearest"]} == {"dusk", "day", "night"}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_alone_as_together(bench: Bench, expected: Rows, feature: Feature) -> None:
    with processes(bench, 2) as runner:
        assert bench.run((feature,), runner) == {feature.name: expected[feature.name]}


@pytest.mark.parametrize("width", [1, 2, 7])
def test_any_number_of_workers(bench: Bench, expected: Rows, width: int) -> None:
    with processes(bench, width) as runner:
        assert bench.run(FEATURES, runner) == expected


def test_tasks_and_answers_are_values(bench: Bench, expected: Rows) -> None:
    runner = PicklingRunner(HereRunner(bench.locate))
    assert bench.run(FEATURES, runner) == expected
    assert max(runner.sizes) < 10_000
    runner.close()


def test_goes_on_after_a_kill(bench: Bench, expected: Rows) -> None:
    """A child is killed in the middle of a pass; the next pass makes only what is missing."""
    from openrek.errors import ChildCrashedError

    with processes(bench, 1) as runner:
        killed = threading.Event()

        def kill_once() -> None:
            if len(list(bench.store.root.rglob("*-*"))) > 8 and not killed.is_set():
                import os
                import signal

                killed.set()
                for pid in runner.pids:
                    os.kill(pid, signal.SIGKILL)

        with pytest.raises(ChildCrashedError, match="signal 9"):
            bench.run(FEATURES, runner, kill_once)
        assert killed.is_set()
        made: list[ChunkTask] = []
        submit = runner.submit

        def noted(task: Task, alive: Alive) -> Future[IndexAnswer | ChunkAnswer]:
            made.extend([task] if isinstance(task, ChunkTask) else [])
            return submit(task, alive)

        runner.submit = noted  # type: ignore[method-assign]
        assert bench.run(FEATURES, runner) == expected
        assert 0 < len(made) < 7


def test_a_later_job_decodes_nothing_again(bench: Bench, expected: Rows) -> None:
    with processes(bench, 2) as runner:
        bench.run(FEATURES, runner)

    class Refuses:
        width = 1

        def submit(self, task: Task, alive: Alive) -> Future[IndexAnswer | ChunkAnswer]:
            raise AssertionError(f"{task} was done again")

        def close(self) -> None: ...

    assert bench.run(FEATURES[:2], Refuses()) == {name: expected[name] for name in ("labels", "luma")}


def test_timestamps_are_floors_of_the_frames_times(bench: Bench, expected: Rows) -> None:
    times = {row["Timestamp"] for table, row in expected["labels"] if table == "TIMESTAMPS"}
    assert times <= {milliseconds(1000 * n, 0, Fraction(1, 1000)) for n in range(62)}
