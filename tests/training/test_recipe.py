"""The parts of the training recipe that need no PyTorch."""

import json

import cv2
import numpy as np
import pytest
from training.augment import Painter
from training.corpus import Photograph, odds

from training import categories, corpus, settings


def photograph(kind: int, box: list[float]) -> Photograph:
    pixels = np.full((200, 288, 3), 50, np.uint8)
    x, y, w, h = (int(v) for v in box)
    pixels[y : y + h, x : x + w] = (0, 0, 255)
    encoded = cv2.imencode(".png", pixels)[1]
    return Photograph("made", f"{kind}.jpg", encoded, np.array([[kind, *box]], np.float32), np.zeros((0, 6), np.float32), frozenset({kind}))


def test_categories_are_cocos():
    assert (categories.NAMES[0], categories.IDS[0]) == ("person", 1)
    assert (categories.NAMES[79], categories.IDS[79]) == ("toothbrush", 90)
    assert categories.NAMES[categories.INDEX[18]] == "dog"


def test_boxes_follow_the_pixels():
    photographs = [photograph(k, [60 + 9 * k, 50, 80, 70]) for k in range(5)]
    painter = Painter(photographs, odds(photographs))
    for seed in range(40):
        made = painter.picture(np.random.default_rng(seed), 320)
        assert made.pixels.shape == (320, 320, 3)
        for _, left, top, right, bottom in made.human.tolist():
            assert 0 <= left < right <= 320
            assert 0 <= top < bottom <= 320
            inside = made.pixels[round(top) + 3 : round(bottom) - 3, round(left) + 3 : round(right) - 3].astype(int)
            assert (inside[..., 2] >= inside[..., 0]).mean() > 0.97


def test_photographs_at_full_size_are_none_that_training_or_evaluation_has(tmp_path):
    truth = pytest.importorskip("training.truth", reason="needs training/requirements.txt", exc_type=ImportError)
    for split, number in (("train2017", 9), ("val2017", 139), ("val2017", 285), ("val2017", 776), ("val2017", 1000)):
        for folder in (tmp_path / "images" / split, tmp_path / "object_detection/labels" / split):
            folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / split / f"{number:012}.jpg"), np.zeros((200, 400, 3), np.uint8))
        if number != 1000:  # nobody drew boxes
            (tmp_path / "object_detection/labels" / split / f"{number:012}.txt").write_text("16 0.5 0.25 0.2 0.5\n")
    (tmp_path / "coco_made.json").write_text(json.dumps({"images": [{"file": "COCO_train2014_000000000009.jpg"}]}))
    (tmp_path / "evaluated/images").mkdir(parents=True)
    (tmp_path / "evaluated/images/000000000776.jpg").touch()
    found = truth.sharp(tmp_path, tmp_path, tmp_path / "evaluated")
    assert list(found.pixels) == [139, 285]
    assert found.truth.imgToAnns[139][0]["bbox"] == pytest.approx([160, 0, 80, 100])
    assert found.truth.cats[found.truth.imgToAnns[139][0]["category_id"]]["name"] == "dog"
    nothing = truth.precision(found, {139: np.zeros((0, 6), np.float32)})
    assert (nothing.ap50, nothing.ap) == (0, 0)


def test_rare_classes_come_up_more_often():
    photographs = [photograph(0, [10, 10, 50, 50])] * 99 + [photograph(7, [10, 10, 50, 50])]
    weight = np.diff(odds(photographs), prepend=0)
    assert weight[-1] > 1.5 * weight[0]


def test_in_each_stage_the_rate_rises_and_falls():
    run = settings.Settings(steps=4000)
    stages = list(dict.fromkeys(run.stage(k) for k in range(4000)))
    assert [(stage.name, stage.begins, stage.ends) for stage in stages] == [
        ("apart", 0, 320),
        ("fixed", 320, 1200),
        ("whole", 1200, 4000),
    ]
    for stage in stages:
        rates = [run.rate(k) for k in range(stage.begins, stage.ends)]
        assert rates[0] < rates[50] < max(rates) <= stage.peak
        assert rates[-1] == pytest.approx(stage.peak / 100, rel=0.01)


def test_what_has_been_taught_goes_on_as_a_whole():
    run = settings.Settings(steps=10, apart=0, fixed=0)
    assert {run.stage(k).name for k in range(10)} == {"whole"}


def test_a_photograph_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "empty.jpg").touch()
    image = {"file": "empty.jpg", "width": 288, "height": 216, "human": [], "teacher": []}
    (tmp_path / "made.json").write_text(json.dumps({"info": {"labelled_categories": []}, "images": [image]}))
    (found,) = corpus.read(tmp_path)
    with pytest.raises(ValueError, match=r"made/empty\.jpg"):
        _ = found.pixels


@pytest.mark.parametrize(
    ("stem", "number"), [("000000000139", 139), ("COCO_val2014_000000000139", 139), ("2007_000027", None), ("a1000000000139", None)]
)
def test_cocos_numbers(stem, number):
    assert corpus.coco_number(stem) == number
