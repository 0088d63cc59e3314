"""More photographs: what is left out, and whose boxes come along. Needs training/requirements.txt."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs training/requirements.txt")
MODELS = Path(os.environ.get("OPENREK_MODELS", "models"))
TEACHER = MODELS / "yolox-nano" / "yolox_nano.onnx"


def scene(seed: int, width: int = 640, height: int = 480) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def gather(*arguments: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "training.gather", *arguments], check=False, capture_output=True, text=True)


@pytest.mark.skipif(not TEACHER.exists(), reason=f"needs {TEACHER}")
def test_what_is_known_stays_out_and_boxes_come_along(tmp_path):
    corpus, evaluation, found = (tmp_path / name for name in ("corpus", "evaluation", "found"))
    write(corpus / "made" / "a.jpg", scene(1, 288, 216))
    image = {"file": "a.jpg", "width": 288, "height": 216, "human": [], "teacher": []}
    (corpus / "made.json").write_text(json.dumps({"info": {"labelled_categories": []}, "images": [image]}))
    write(evaluation / "images" / "000000000139.jpg", scene(2))
    write(found / "a_of_the_corpus.jpg", scene(1))
    write(found / "evaluated_under_another_name.png", scene(2, 500, 375))
    write(found / "COCO_val2014_000000000139.jpg", scene(3))  # evaluated by its number
    write(found / "000000000285.jpg", scene(4))
    write(found / "again" / "COCO_train2014_000000000285.jpg", scene(4, 320, 240))
    write(found / "small.jpg", scene(5, 200, 150))
    write(found / "2007_000027.jpg", scene(6))
    (found / "labels").mkdir()
    (found / "labels" / "000000000285.txt").write_text("16 0.5 0.25 0.2 0.5\n")
    (found / "labels" / "2007_000027.xml").write_text(
        "<annotation><size><width>500</width><height>400</height></size><object><name>sofa</name>"
        "<bndbox><xmin>50</xmin><ymin>40</ymin><xmax>150</xmax><ymax>240</ymax></bndbox></object></annotation>"
    )

    folders = ["--corpus", corpus, "--photographs", evaluation, "--teacher", TEACHER]
    said = gather(tmp_path / "more", found, "--boxes", found / "labels", "--workers", "1", *folders).stdout

    assert said == "found: 2 photographs, 2 with people's boxes\n"
    content = json.loads((tmp_path / "more" / "found.json").read_text())
    assert content["info"]["labelled_categories"] == ["couch", "dog"]
    boxes = {i["was"]: i["human"] for i in content["images"]}
    assert boxes == {"000000000285.jpg": [[18, 192, 0, 96, 180]], "2007_000027.jpg": [[63, 48, 36, 96, 180]]}
    for image in content["images"]:
        pixels = cv2.imread(str(tmp_path / "more" / "found" / image["file"]))
        assert pixels.shape == (image["height"], image["width"], 3) == (360, 480, 3)


@pytest.mark.parametrize(
    ("label", "content"),
    [
        ("000000000285.txt", "80 0.5 0.25 0.2 0.5\n"),
        ("2007_000027.xml", "<annotation>"),
        ("instances.json", '{"images": [], "annotations": ['),
    ],
)
def test_boxes_that_cannot_be_read_are_named(tmp_path, label, content):
    write(tmp_path / "found" / "a.jpg", scene(1))
    for folder in ("corpus", "evaluation"):
        (tmp_path / folder).mkdir()
    (tmp_path / label).write_text(content)
    told = gather(
        tmp_path / "more",
        tmp_path / "found",
        "--boxes",
        tmp_path,
        "--corpus",
        tmp_path / "corpus",
        "--photographs",
        tmp_path / "evaluation",
    )
    assert told.returncode
    assert label in told.stderr
    assert "Traceback" not in told.stderr


def test_folders_that_cannot_become_sources_are_refused(tmp_path):
    write(tmp_path / "one" / "found" / "a.jpg", scene(1))
    write(tmp_path / "two" / "found" / "a.jpg", scene(2))
    (tmp_path / "empty").mkdir()
    out = tmp_path / "more"
    assert "is no folder" in gather(out, tmp_path / "missing").stderr
    assert "holds no" in gather(out, tmp_path / "empty").stderr
    assert "two folders are called found" in gather(out, tmp_path / "one" / "found", tmp_path / "two" / "found").stderr
    assert "give another OUT" in gather(tmp_path / "one", tmp_path / "one" / "found").stderr
    assert (tmp_path / "one" / "found" / "a.jpg").exists()
