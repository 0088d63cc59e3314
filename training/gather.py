"""More photographs for a training: python -m training.gather OUT FOLDER [FOLDER …]

Each FOLDER becomes a source in the corpus's form: photographs shrunk to 480 pixels, what the teacher finds in them, and the boxes that
people drew, where `--boxes` knows some. Left out are small pictures, pictures that came before, and whatever looks like a photograph of
the corpus, of the evaluation, or of a folder that `--never` names.
"""

import argparse
import functools
import hashlib
import json
import multiprocessing
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from training.categories import IDS, NAMES
from training.corpus import coco_number, read
from training.predict import OpenVino, detect
from training.settings import shared

LONGEST, LEAST = 480, 300  # pixels of the longest side: those that are kept, and those below which a picture is left out
ALIKE = 5  # bits of 64 by which two copies of a picture may differ
PICTURES = {".jpg", ".jpeg", ".png"}
VOC = {"aeroplane": "airplane", "diningtable": "dining table", "motorbike": "motorcycle", "pottedplant": "potted plant", "sofa": "couch",
       "tvmonitor": "tv"}  # fmt: skip

Row = list[float]  # COCO category id, and x, y, width, height as shares of the picture


def name(path: Path) -> str:
    """What a photograph is called wherever it lies: COCO's number without its split, else the file's stem."""
    number = coco_number(path.stem)
    return path.stem if number is None else f"coco {number}"


def looks(pixels: np.ndarray) -> np.uint64:
    """64 bits, whether each of 8 x 8 cells of BGR `pixels` is darker than its right neighbour (difference hash)."""
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(grey[:, :-1] < grey[:, 1:]).view(np.uint64)[0]


def alike(one: np.uint64, many: np.ndarray) -> bool:
    """Whether a look differs from any of `many` (n,) in no more than `ALIKE` bits."""
    return bool((np.bitwise_count(many ^ one) <= ALIKE).any())


def instances(path: Path) -> Iterator[tuple[str, Row]]:
    """COCO's annotations, crowds left out; nothing from a json file of another kind."""
    content = json.loads(path.read_text())
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        return
    images = {i["id"]: i for i in content["images"]}
    for a in content["annotations"]:
        if "bbox" in a and not a.get("iscrowd") and a["category_id"] in IDS:
            image = images[a["image_id"]]
            (x, y, w, h), width, height = a["bbox"], image["width"], image["height"]
            yield name(Path(image["file_name"])), [a["category_id"], x / width, y / height, w / width, h / height]


def objects(path: Path) -> Iterator[tuple[str, Row]]:
    """Pascal VOC's annotation of one picture; names that COCO does not have are passed over."""
    tree = ET.parse(path).getroot()
    width, height = (float(tree.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    for thing in tree.iter("object"):
        called = thing.findtext("name") or ""
        called = VOC.get(called, called)
        if called in NAMES and width and height:
            left, top, right, bottom = (float(thing.findtext(f"bndbox/{side}") or 0) for side in ("xmin", "ymin", "xmax", "ymax"))
            row = [IDS[NAMES.index(called)], left / width, top / height, (right - left) / width, (bottom - top) / height]
            yield name(path), row


def lines(path: Path) -> Iterator[tuple[str, Row]]:
    """YOLO's lines for one picture, read only where the file has a number of COCO's: else its classes could be any."""
    if coco_number(path.stem) is None:
        return
    for line in path.read_text().splitlines():
        c, x, y, w, h = (float(value) for value in line.split()[:5])
        yield name(path), [IDS[int(c)], x - w / 2, y - h / 2, w, h]


FORMATS = {".json": instances, ".xml": objects, ".txt": lines}


def boxes(folders: list[Path]) -> dict[str, list[Row]]:
    """People's boxes below `folders`, by photograph."""
    found: dict[str, list[Row]] = {}
    for path in (p for folder in folders for p in below(folder) if p.suffix in FORMATS):
        try:
            for photograph, row in FORMATS[path.suffix](path):
                found.setdefault(photograph, []).append(row)
        except (ET.ParseError, ValueError, LookupError) as error:
            raise SystemExit(f"{path} holds no boxes that can be read ({error}); mend it or move it out of the folder") from None
    return found


def below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SystemExit(f"{folder} is no folder")
    return sorted(folder.rglob("*"))


@functools.cache
def network(teacher: Path) -> OpenVino:
    """One a process."""
    cv2.setNumThreads(1)
    return OpenVino(teacher, threads=1)


def answer(teacher: Path, path: Path) -> tuple[Path, np.uint64, bytes, tuple[int, int], list[Row]] | None:
    """A photograph's look, its JPEG file shrunk, width and height of that, and what the teacher finds in it: rows of COCO category id, x,
    y, width, height in pixels, and score. None for what is no photograph or too small.
    """
    pixels = cv2.imread(str(path))
    if pixels is None or max(pixels.shape[:2]) < LEAST or min(pixels.shape[:2]) < LEAST / 3:
        return None
    h, w = pixels.shape[:2]
    scale = min(1.0, LONGEST / max(h, w))
    small = cv2.resize(pixels, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA)
    found = detect(network(teacher), small, least=0.25).tolist()
    rows = [[IDS[int(c)], *(round(v, 1) for v in box), round(s, 3)] for c, *box, s in found]
    return path, looks(pixels), cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes(), small.shape[1::-1], rows


def fresh(paths: list[Path], seen: set[str]) -> list[Path]:
    """The pictures whose number or whose bytes are new; `seen` learns them."""
    found = []
    for path in paths:
        told = hashlib.sha256(path.read_bytes()).hexdigest() if coco_number(path.stem) is None else name(path)
        if told not in seen:
            seen.add(told)
            found.append(path)
    return found


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
    sources = [folder.resolve().name for folder in args.folder]
    if doubled := {source for source in sources if sources.count(source) > 1}:
        parser.error(f"two folders are called {doubled.pop()}, and a source takes the name of its folder: rename one of them")
    if own := [folder for folder in args.folder if args.out.resolve() in (folder.resolve(), *folder.resolve().parents)]:
        parser.error(f"{own[0]} lies in {args.out}, where the sources are written: give another OUT")
    pictures = {folder: [p for p in below(folder) if p.suffix.lower() in PICTURES] for folder in args.folder}
    if empty := [folder for folder, found in pictures.items() if not found]:
        parser.error(f"{empty[0]} holds no {', '.join(sorted(PICTURES))}")
    never = [*args.never, args.photographs or shared("media", "labels")]
    kept_out = [p for folder in never for p in below(folder) if p.suffix.lower() in PICTURES]
    seen = {name(p) for p in kept_out}
    shown = functools.partial(track, console=Console(stderr=True))
    looked_at = shown(kept_out, "photographs that stay out")
    known = [looks(pixels) for p in looked_at if (pixels := cv2.imread(str(p))) is not None]
    known += [looks(p.pixels) for p in shown(read(args.corpus or shared("corpus")), "the corpus")]
    hashes = np.array(known, np.uint64)
    drawn = boxes(args.boxes)
    teacher = args.teacher or shared("models", "yolox-nano", "yolox_nano.onnx")
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        for source, folder in zip(sources, args.folder, strict=True):
            images = []
            (args.out / source).mkdir(parents=True, exist_ok=True)
            for old in (args.out / source).glob("*.jpg"):
                old.unlink()
            paths = fresh(pictures[folder], seen)
            answers = pool.imap(functools.partial(answer, teacher), paths, 16)
            for made in shown(answers, source, total=len(paths)):
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
