"""Labels of 50 slides with known boxes, beside a plain loop of OpenCV and ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from benchmarks.average_precision import Found, Truth, average_precision
from benchmarks.plain_loop import Detection, PlainDetector

from openrek.cli.offline import Analysis
from openrek.features.taxonomy import taxonomy
from openrek.geometry import Letterbox
from openrek.media.frames import VideoReader
from openrek.media.probe import probe
from openrek.settings import Settings
from openrek.vision.library import ModelLibrary

NAMES = [label.name for label in taxonomy().vocabulary("coco-80")]
COCO_NAMES = {"keyboard": "computer keyboard", "stop sign": "stopsign"}
"""Where Rekognition's word is another one."""
Moments = dict[int, list[Detection]]


@pytest.fixture(scope="module")
def slides(shared: Path) -> Path:
    return shared / "media/composed/dev_labels_slides.mp4"


@pytest.fixture(scope="module")
def truth(slides: Path) -> Mapping[str, Any]:
    return json.loads(slides.with_suffix("").with_suffix(".gt.json").read_text())


@pytest.fixture(scope="module")
def plain(shared: Path) -> PlainDetector:
    library = ModelLibrary.of(Settings())
    return PlainDetector(library.locate(library.choose("objects", "yolox-nano").sha256)[0])


def rows(video: Path, folder: Path, *, smoothing: bool, least: float) -> list[dict[str, Any]]:
    settings = Settings(labels={"smoothing": smoothing, "model": "yolox-nano"})
    with Analysis(video, "labels", {"MinConfidence": least}, settings, folder) as analysis:
        analysis.run(lambda done, total: None)
        return list(analysis.rows())


@pytest.fixture(scope="module")
def raw(slides: Path, tmp_path_factory: pytest.TempPathFactory) -> Moments:
    """openrek's detections with MinConfidence 0 and smoothing off."""
    moments: Moments = {}
    for row in rows(slides, tmp_path_factory.mktemp("raw"), smoothing=False, least=0):
        for instance in row["Label"]["Instances"]:
            box = tuple(instance["BoundingBox"][side] for side in ("Left", "Top", "Width", "Height"))
            moments.setdefault(row["Timestamp"], []).append(Detection(NAMES.index(row["Label"]["Name"]), instance["Confidence"] / 100, box))
    return moments


def in_order(found: list[Detection]) -> list[Detection]:
    return sorted(found, key=lambda d: (d.kind, -d.confidence, d.box))


def test_equal_to_the_plain_loop_on_the_same_pixels(slides: Path, plain: PlainDetector, raw: Moments) -> None:
    packets = probe(slides, lambda: None).packets
    compared = 0
    with VideoReader(slides, packets) as reader:
        for frame in reader.frames([packets.frame_at(Fraction(n, 2)) for n in range(100)], lambda: None):
            expected = plain.of_scaled(frame.bgr(Letterbox(frame.width, frame.height, 416)))
            found = raw[frame.number * 40]
            # At the floor of 1 % a difference in the seventh digit may let one in or out.
            sure = [in_order([d for d in each if d.confidence > 0.0101]) for each in (expected, found)]
            assert [d.kind for d in sure[0]] == [d.kind for d in sure[1]]
            for one, other in zip(*sure, strict=True):
                assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
                assert one.box == pytest.approx(other.box, abs=1e-4)
                compared += 1
    assert compared > 4000


def precision(moments: list[tuple[Mapping[str, Any], list[Detection]]]) -> float:
    truths, founds = [], []
    coco = {name.lower(): kind for kind, name in enumerate(NAMES)}
    for item, detections in moments:
        boxes = [[box["box"][side] for side in ("Left", "Top", "Width", "Height")] for box in item["boxes"]]
        kinds = [coco[COCO_NAMES.get(box["label"], box["label"])] for box in item["boxes"]]
        crowd = [bool(box["iscrowd"]) for box in item["boxes"]]
        truths.append(Truth(np.array(boxes, float).reshape(-1, 4), np.array(kinds, np.int64), np.array(crowd, bool)))
        founds.append(
            Found(
                np.array([d.box for d in detections], float).reshape(-1, 4),
                np.array([d.kind for d in detections], np.int64),
                np.array([d.confidence for d in detections], float),
            )
        )
    return float(np.mean(list(average_precision(truths, founds).values())))


def test_as_accurate_as_the_plain_loop_on_its_own_pixels(
    slides: Path, truth: Mapping[str, Any], plain: PlainDetector, raw: Moments
) -> None:
    capture = cv2.VideoCapture(str(slides))
    own, theirs = [], []
    for number, item in enumerate(truth["items"]):
        at = item["start_ms"] + 480  # the sample at k + 0.5 s shows the frame at k + 0.48 s
        for skipped in range(25):
            picture = capture.read()[1]
            if skipped == 12:
                theirs.append((item, plain(picture)))
        own.append((item, raw[at]))
        assert number * 1000 == item["start_ms"]
    assert len(own) == 50
    assert precision(own) == pytest.approx(precision(theirs), abs=0.01)
    assert precision(own) > 0.45


def test_rows_lie_inside_the_slide_that_they_describe(slides: Path, truth: Mapping[str, Any], raw: Moments, tmp_path: Path) -> None:
    """With defaults, no label is carried from one slide to the next: whatever is there was seen in a frame of the same slide."""
    seen = [
        {NAMES[d.kind] for at, found in raw.items() if item["start_ms"] <= at < item["end_ms"] for d in found if d.confidence >= 0.15}
        for item in truth["items"]
    ]
    labels = taxonomy().labels
    smoothed = rows(slides, tmp_path, smoothing=True, least=50)
    assert len(smoothed) > 400
    for row in smoothed:
        slide = next(n for n, item in enumerate(truth["items"]) if item["start_ms"] <= row["Timestamp"] < item["end_ms"])
        name = row["Label"]["Name"]
        assert any(name == known or name in labels[known].parents for known in seen[slide]), (row, seen[slide])
