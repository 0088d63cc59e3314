"""What there is to be found in a set of photographs, in COCO's format, and average precision against it."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from training.categories import IDS, INDEX, NAMES
from training.corpus import coco_number, read

CONFIDENT = 0.45  # a teacher's box from this score on stands for the truth where people labelled nothing; a weaker one is ignored
EVERYTHING = frozenset(range(len(IDS)))


@dataclass(frozen=True, slots=True)
class TestSet:
    """Photographs and the boxes in them. `known` says, per photograph, for which classes people drew the boxes."""

    name: str
    pixels: dict[int, np.ndarray]
    truth: COCO
    known: dict[int, frozenset[int]]


def _coco(content: dict) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = content
        coco.createIndex()
    return coco


def evaluation(folder: Path) -> TestSet:
    """The evaluation photographs, boxes by people for all 80 classes."""
    content = json.loads((folder / "instances_dev.json").read_text())
    truth = _coco(content)
    pixels = {i: cv2.imread(str(folder / "images" / truth.imgs[i]["file_name"])) for i in sorted(truth.imgs)}
    return TestSet("evaluation", pixels, truth, dict.fromkeys(pixels, EVERYTHING))


def validation(corpus: Path, *, people_only: bool = False) -> TestSet:
    """The corpus's validation part.

    For the classes that people labelled in a photograph's source their boxes are the truth. For the others, unless `people_only`, the
    teacher's boxes of score `CONFIDENT` and above are, and its weaker ones are ignored (COCO's crowd flag).
    """
    pixels, known, rows = {}, {}, []
    for i, photograph in enumerate(read(corpus, held_out=True), 1):
        pixels[i], known[i] = photograph.pixels, photograph.labelled
        for c, x, y, w, h in photograph.human.tolist():
            rows.append((i, int(c), [x, y, w, h], 0))
        if not people_only:
            rows += [
                (i, int(c), [x, y, w, h], int(s < CONFIDENT))
                for c, x, y, w, h, s in photograph.teacher.tolist()
                if int(c) not in photograph.labelled
            ]
    annotations = [_annotation(n, *row) for n, row in enumerate(rows, 1)]
    truth = _coco(_content(pixels, annotations))
    return TestSet("validation, people's boxes" if people_only else "validation", pixels, truth, known)


def sharp(folder: Path, corpus: Path, evaluated: Path) -> TestSet:
    """Photographs of COCO at full size with boxes of all 80 classes, as lightly-ai/coco128_yolo has them: `images/SPLIT/ID.jpg` and, in
    YOLO's format, `object_detection/labels/SPLIT/ID.txt`; without those of the corpus and of the evaluation.
    """
    taken = {int(path.stem) for path in (evaluated / "images").glob("*.jpg")}
    for described in corpus.glob("coco_*.json"):
        numbers = (coco_number(Path(image["file"]).stem) for image in json.loads(described.read_text())["images"])
        taken |= {number for number in numbers if number is not None}
    pixels, annotations = {}, []
    for path in sorted(folder.glob("images/*/*.jpg"), key=lambda path: path.stem):
        i = int(path.stem)
        labels = folder / "object_detection/labels" / path.parent.name / f"{path.stem}.txt"
        if i in taken or not labels.exists():
            continue
        pixels[i] = cv2.imread(str(path))
        height, width = pixels[i].shape[:2]
        for line in labels.read_text().splitlines():
            c, x, y, w, h = (float(value) for value in line.split())
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            annotations.append(_annotation(len(annotations) + 1, i, int(c), box, 0))
    return TestSet("sharp", pixels, _coco(_content(pixels, annotations)), dict.fromkeys(pixels, EVERYTHING))


def _annotation(number: int, image: int, kind: int, box: list[float], crowd: int) -> dict:
    return {"id": number, "image_id": image, "category_id": IDS[kind], "bbox": box, "area": box[2] * box[3], "iscrowd": crowd}


def _content(pixels: dict[int, np.ndarray], annotations: list[dict]) -> dict:
    categories = [{"id": identity, "name": name} for identity, name in zip(IDS, NAMES, strict=True)]
    images = [{"id": i, "width": p.shape[1], "height": p.shape[0]} for i, p in pixels.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def in_fours(test: TestSet, room: int = 288) -> TestSet:
    """The same photographs, four to a picture of 2 x `room` pixels: objects as small beside their picture as in everyday photographs."""
    order = np.random.default_rng(0).permutation(sorted(test.pixels)).tolist()
    pixels, known, annotations = {}, {}, []
    for k in range(len(order) // 4):
        canvas = np.full((2 * room, 2 * room, 3), 114, np.uint8)
        four = order[4 * k : 4 * k + 4]
        for n, i in enumerate(four):
            left, top = n % 2 * room, n // 2 * room
            h, w = test.pixels[i].shape[:2]
            canvas[top : top + h, left : left + w] = test.pixels[i]
            for a in test.truth.imgToAnns[i]:
                x, y, *size = a["bbox"]
                annotations.append(a | {"id": len(annotations) + 1, "image_id": k + 1, "bbox": [x + left, y + top, *size]})
        pixels[k + 1], known[k + 1] = canvas, frozenset.intersection(*(test.known[i] for i in four))
    return TestSet(f"{test.name}, four to a picture", pixels, _coco(_content(pixels, annotations)), known)


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision at an overlap of a half, and over .5:.95; for all, by object size (at .5:.95), and by class index."""

    ap50: float
    ap: float
    small: float
    medium: float
    large: float
    by_class: dict[int, tuple[float, float]]


def precision(test: TestSet, found: dict[int, np.ndarray], *, people_only: bool = False) -> Precision:
    """`found` holds the rows of `predict.detect` by photograph; with `people_only`, those of classes that people did not label there are
    left out.
    """
    rows = []
    for i, boxes in found.items():
        for c, x, y, w, h, s in boxes.tolist():
            if not people_only or int(c) in test.known[i]:
                rows.append({"image_id": i, "category_id": IDS[int(c)], "bbox": [x, y, w, h], "score": s})
    with contextlib.redirect_stdout(io.StringIO()):
        result = COCOeval(test.truth, test.truth.loadRes(rows) if rows else _coco(_content({}, [])), "bbox")
        result.evaluate()
        result.accumulate()
        result.summarize()
    table = result.eval["precision"][:, :, :, 0, 2]
    by_class = {}
    for k, identity in enumerate(result.params.catIds):
        if (table[0, :, k] > -1).any():
            by_class[INDEX[identity]] = (float(table[0, :, k].mean()), float(table[:, :, k].mean()))
    s = result.stats
    return Precision(float(s[1]), float(s[0]), float(s[3]), float(s[4]), float(s[5]), by_class)
