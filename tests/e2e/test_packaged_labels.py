"""The detector that comes inside the package: what the catalogue says of it is so, and with nothing else on the machine openrek sees."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from benchmarks.detectors import Photo, accuracy, found_by, truths_in

from openrek.cli.offline import Analysis
from openrek.cli.reel import make_reel
from openrek.features.taxonomy import taxonomy
from openrek.settings import Settings
from openrek.vision.catalogue import ModelEntry, catalogue
from openrek.vision.library import ModelLibrary
from openrek.vision.registry import open_observer
from openrek.vision.runtimes import open_session

NAMES = [label.name for label in taxonomy().vocabulary("coco-80")]
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def entry() -> ModelEntry:
    (packaged,) = (model for model in catalogue().of_role("objects") if model.packaged)
    return packaged


@pytest.fixture(scope="module")
def path(entry: ModelEntry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (file,) = ModelLibrary((), tmp_path_factory.mktemp("cache")).locate(entry.sha256)
    return file


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a machine on which no other network lies."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPENREK_MODELS", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield Settings()


def seen(video: Path, settings: Settings, folder: Path, least: float = 50) -> Rows:
    with Analysis(video, "labels", {"MinConfidence": least}, settings, folder) as analysis:
        assert analysis.models["objects"].name == "openrek-labels"
        analysis.run(lambda done, total: None)
        return list(analysis.rows())


def test_it_is_small_and_answers_when_nothing_else_is_there(entry: ModelEntry, path: Path, alone: Settings) -> None:
    onnx = pytest.importorskip("onnx")
    held = onnx.load(str(path)).graph.initializer
    assert sum(int(np.prod(tensor.dims)) for tensor in held) < 6_000_000
    assert path.stat().st_size == entry.bytes < 8_000_000
    assert ModelLibrary.of(alone).choose("objects").name == entry.name == "openrek-labels"


def test_runtimes_agree_on_it(path: Path, entry: ModelEntry) -> None:
    """Eight bits round differently here and there, so scores agree to a few hundredths only."""
    data = pytest.importorskip("skimage.data")
    side = entry.input.side
    picture = cv2.resize(np.asarray(data.astronaut())[..., ::-1], (side, side))[None]
    with open_session([path], pixels=True) as a, open_session([path], runtime="onnxruntime", pixels=True) as b:
        (ours,), (theirs,) = a.infer(picture), b.infer(picture)
    scores = [answer[0, :, 4:5] * answer[0, :, 5:] for answer in (ours, theirs)]
    assert scores[0].max() > 0.5
    np.testing.assert_allclose(*scores, atol=0.06)


def test_it_sees_what_the_demo_shows(alone: Settings, tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    make_reel(tmp_path / "reel.mp4")
    rows = seen(tmp_path / "reel.mp4", alone, tmp_path)
    scenes = {"Person": (3000, 7000), "Cat": (7000, 11_000), "Motorcycle": (15_000, 18_000)}
    for name, (start, end) in scenes.items():
        times = [row["Timestamp"] for row in rows if row["Label"]["Name"] == name]
        assert len([time for time in times if start <= time < end]) >= (end - start) / 1000, name
        assert all(start <= time < end for time in times), name
    assert not [row for row in rows if row["Timestamp"] < 3000 or row["Timestamp"] >= 20_000], "bars and black show nothing"


def test_it_names_no_class_that_it_does_not_know(entry: ModelEntry, alone: Settings, shared: Path, tmp_path: Path) -> None:
    unknown = {NAMES[kind] for kind in entry.unreported}
    assert unknown
    rows = seen(shared / "media/composed/dev_labels_slides.mp4", alone, tmp_path, least=0)
    assert len(rows) > 300
    assert not unknown & {row["Label"]["Name"] for row in rows}


def test_people_who_walk_by_are_found(alone: Settings, shared: Path, tmp_path: Path) -> None:
    name = "one-by-one-person-detection.mp4"
    visits = json.loads((shared / "media/annotations/dev_clips.json").read_text())[name]["person_intervals_s"]
    times = [row["Timestamp"] / 1000 for row in seen(shared / "media/clips" / name, alone, tmp_path) if row["Label"]["Name"] == "Person"]
    for start, end in visits:
        assert sum(start <= time <= end for time in times) > 0.8 * 2 * (end - start)
    slack = 1.5  # the intervals were read off thumbnails
    assert all(any(start - slack <= time <= end + slack for start, end in visits) for time in times)


def test_its_accuracy_is_what_the_catalogue_says(entry: ModelEntry, path: Path, shared: Path) -> None:
    data: Mapping[str, Any] = json.loads((shared / "media/labels/instances_dev.json").read_text())
    photos = [Photo(np.asarray(cv2.imread(str(shared / "media/labels/images" / image["file_name"])), np.uint8)) for image in data["images"]]
    with open_observer("objects", entry.sha256, [path], threads=2) as detector:
        measured = accuracy(truths_in(dict(data)), found_by(detector, photos))
    said = {fact.measure: fact.value for fact in entry.accuracy}
    assert measured[0] == pytest.approx(said["AP@0.5"], abs=0.005)
    assert measured[1] == pytest.approx(said["AP@[.5:.95]"], abs=0.005)
