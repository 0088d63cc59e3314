"""More photographs for a training: python -m training.gather OUT FOLDER [FOLDER …]

Each FOLDER becomes a source in the corpus's form: photographs shrunk to 480 pixels, what the teacher finds in them, and the boxes that
people drew, where `--boxes` knows some. Left out are small pictures, pictures that came before, and whatever looks like a photograph of
the corpus, of the evaluation, or of a folder that `--never` names.
"""

import argparse
import hashlib
import json
import multiprocessing
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from training.categories import IDS, NAMES
from training.corpus import read
from training.predict import OpenVino, detect
from training.settings import shared

LONGEST, LEAST = 480, 300  # pixels of the longest side: those that are kept, and those below which a picture is left out
ALIKE = 5  # bits of 64 by which two copies of a picture may differ
PICTURES = {".jpg", ".jpeg", ".png"}
VOC = {"aeroplane": "airplane", "diningtable": "dining table", "motorbike": "motorcycle", "pottedplant": "potted plant", "sofa": "couch",
       "tvmonitor": "tv"}  # fmt: skip

Boxes = dict[str, list[list[float]]]  # by photograph: COCO category id, and x, y, width, height as shares of the picture

session: OpenVino


def name(path: Path) -> str:
    """What a photograph is called wherever it lies: COCO's number without its split, else the file's stem."""
    numbered = re.fullmatch(r"(?:COCO_\w+_)?(\d{12})", path.stem)
    return f"coco {int(numbered[1])}" if numbered else path.stem


def looks(pixels: np.ndarray) -> np.uint64:
    """64 bits, whether each of 8 x 8 cells is darker than its right neighbour (difference hash)."""
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(grey[:, :-1] < grey[:, 1:]).view(np.uint64)[0]


def alike(one: np.uint64, many: np.ndarray) -> bool:
    return bool((np.bitwise_count(many ^ one) <= ALIKE).any())


def boxes(folders: list[Path]) -> Boxes:
    """People's boxes below `folders`: COCO's instances (json), Pascal VOC's annotations (xml), YOLO's lines (txt, 80 classes)."""
    found: Boxes = {}
    for path in (p for folder in folders for p in sorted(folder.rglob("*"))):
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
                continue
            images = {i["id"]: i for i in content["images"]}
            for a in content["annotations"]:
                if "bbox" in a and not a.get("iscrowd") and a["category_id"] in IDS:
                    image = images[a["image_id"]]
                    (x, y, w, h), width, height = a["bbox"], image["width"], image["height"]
                    row = [a["category_id"], x / width, y / height, w / width, h / height]
                    found.setdefault(name(Path(image["file_name"])), []).append(row)
        elif path.suffix == ".xml":
            tree = ET.parse(path).getroot()
            width, height = (float(tree.findtext(f"size/{side}") or 0) for side in ("width", "height"))
            for thing in tree.iter("object"):
                called = thing.findtext("name") or ""
                called = VOC.get(called, called)
                if called in NAMES and width and height:
                    left, top, right, bottom = (float(thing.findtext(f"bndbox/{s}") or 0) for s in ("xmin", "ymin", "xmax", "ymax"))
                    row = [IDS[NAMES.index(called)], left / width, top / height, (right - left) / width, (bottom - top) / height]
                    found.setdefault(path.stem, []).append(row)
        elif path.suffix == ".txt" and name(path).startswith("coco "):
            for line in path.read_text().splitlines():
                c, x, y, w, h = (float(value) for value in line.split()[:5])
                found.setdefault(name(path), []).append([IDS[int(c)], x - w / 2, y - h / 2, w, h])
    return found


def begin(teacher: Path) -> None:
    global session  # noqa: PLW0603 - one network a process
    cv2.setNumThreads(1)
    session = OpenVino(teacher, threads=1)


def answer(path: Path) -> tuple[Path, np.uint64, bytes, tuple[int, int], list[list[float]]] | None:
    """A photograph shrunk, and what the teacher finds in it; None for what is no photograph or too small."""
    pixels = cv2.imread(str(path))
    if pixels is None or max(pixels.shape[:2]) < LEAST or min(pixels.shape[:2]) < LEAST / 3:
        return None
    h, w = pixels.shape[:2]
    scale = min(1.0, LONGEST / max(h, w))
    small = cv2.resize(pixels, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA)
    rows = [[IDS[int(c)], *(round(v, 1) for v in box), round(s, 3)] for c, *box, s in detect(session, small, least=0.25).tolist()]
    return path, looks(pixels), cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes(), small.shape[1::-1], rows


def fresh(folder: Path, seen: set[str]) -> Iterator[Path]:
    """The pictures below `folder` whose name and whose bytes are new."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURES:
            told = {name(path)} if name(path).startswith("coco ") else {hashlib.sha256(path.read_bytes()).hexdigest()}
            if not told & seen:
                seen |= told
                yield path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--boxes", type=Path, nargs="*", default=[], help="folders with COCO's json, VOC's xml or YOLO's txt")
    parser.add_argument("--never", type=Path, nargs="*", default=[], help="folders whose photographs must not be among them")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--photographs", type=Path, help="folder of the evaluation photographs")
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    never = [*args.never, args.photographs or shared("media", "labels")]
    kept_out = [p for folder in never for p in sorted(folder.rglob("*")) if p.suffix.lower() in PICTURES]
    seen = {name(p) for p in kept_out}
    known = [looks(pixels) for p in kept_out if (pixels := cv2.imread(str(p))) is not None]
    known += [looks(p.pixels) for p in read(args.corpus or shared("corpus"))]
    hashes = np.array(known, np.uint64)
    drawn = boxes(args.boxes)
    args.out.mkdir(parents=True, exist_ok=True)
    teacher = args.teacher or shared("models", "yolox-nano", "yolox_nano.onnx")
    with multiprocessing.get_context("spawn").Pool(args.workers, begin, (teacher,)) as pool:
        for folder in args.folder:
            source, images = folder.name, []
            (args.out / source).mkdir(exist_ok=True)
            for made in pool.imap(answer, fresh(folder, seen), 16):
                if made is None or alike(made[1], hashes):
                    continue
                path, look, jpeg, (width, height), rows = made
                hashes = np.append(hashes, look)
                people = [[c, x * width, y * height, w * width, h * height] for c, x, y, w, h in drawn.get(name(path), [])]
                file = f"{len(images):06}.jpg"
                (args.out / source / file).write_bytes(jpeg)
                images.append({"file": file, "was": path.name, "width": width, "height": height, "human": people, "teacher": rows})
            labelled = sorted({NAMES[IDS.index(int(b[0]))] for i in images for b in i["human"]})
            (args.out / f"{source}.json").write_text(json.dumps({"info": {"labelled_categories": labelled}, "images": images}))
            print(f"{source}: {len(images)} photographs, {sum(bool(i['human']) for i in images)} with people's boxes", flush=True)


if __name__ == "__main__":
    main()
