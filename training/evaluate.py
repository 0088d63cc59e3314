"""Average precision beside YOLOX-Nano: python -m training.evaluate MODEL.onnx [--on validation|sharp|evaluation]"""

import argparse
import json
from pathlib import Path

import numpy as np

from training.categories import NAMES
from training.predict import OnnxRuntime, OpenVino, Session, detect, named
from training.settings import shared
from training.truth import Precision, TestSet, evaluation, in_fours, precision, sharp, validation

WHERE = """validation: the held-out part of the corpus; people: the same, only classes and boxes that people labelled; fours: four held-
out photographs to a picture; sharp: photographs of COCO at full size, in a folder like github.com/lightly-ai/coco128_yolo; evaluation: the
100 evaluation photographs, for the final report only"""


def find(session: Session, test: TestSet) -> dict[int, np.ndarray]:
    return {i: detect(session, pixels) for i, pixels in test.pixels.items()}


def table(columns: dict[str, Precision], counts: dict[int, int]) -> str:
    """Totals, then AP50 of each class that occurs, as Markdown."""
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for label, field in (("AP@0.5", "ap50"), ("AP@[.5:.95]", "ap"), ("small", "small"), ("medium", "medium"), ("large", "large")):
        lines.append(f"| {label} | " + " | ".join(f"{getattr(p, field):.3f}" for p in columns.values()) + " |")
    for c, n in sorted(counts.items(), key=lambda item: -item[1]):
        cells = [f"{p.by_class[c][0]:.2f}" if c in p.by_class else "" for p in columns.values()]
        if any(cells):
            lines.append(f"| {NAMES[c]} ({n}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def counts(test: TestSet) -> dict[int, int]:
    found: dict[int, int] = {}
    for annotation in test.truth.dataset["annotations"]:
        if not annotation.get("iscrowd"):
            index = NAMES.index(test.truth.cats[annotation["category_id"]]["name"])
            found[index] = found.get(index, 0) + 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="+")
    parser.add_argument("--on", choices=("validation", "people", "fours", "sharp", "evaluation"), default="validation", help=WHERE)
    parser.add_argument("--side", type=int, help="another side than the model's own (f32 models with a free size only)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runtime", choices=("openvino", "onnxruntime"), default="openvino")
    parser.add_argument("--without-teacher", action="store_true")
    parser.add_argument("--json", type=Path, help="write the numbers here too")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--photographs", type=Path, help="folder of the evaluation photographs")
    parser.add_argument("--sharp", type=Path, help="folder of the photographs at full size")
    parser.add_argument("--teacher", type=Path)
    args = parser.parse_args()
    people = args.on == "people"
    corpus, photographs = args.corpus or shared("corpus"), args.photographs or shared("media", "labels")
    if args.on == "evaluation":
        test = evaluation(photographs)
    elif args.on == "sharp":
        if not args.sharp:
            parser.error("--on sharp needs --sharp FOLDER: a clone of github.com/lightly-ai/coco128_yolo")
        test = sharp(args.sharp, corpus, photographs)
        if not test.pixels:
            parser.error(f"{args.sharp} holds no images/SPLIT/ID.jpg with object_detection/labels/SPLIT/ID.txt")
    else:
        test = validation(corpus, people_only=people)
        test = in_fours(test) if args.on == "fours" else test
    columns = {}
    for name, path in named(args.model).items():
        session = OnnxRuntime(path, args.threads) if args.runtime == "onnxruntime" else OpenVino(path, args.threads, args.side)
        columns[name] = precision(test, find(session, test), people_only=people)
    if not args.without_teacher:
        teacher = OpenVino(args.teacher or shared("models", "yolox-nano", "yolox_nano.onnx"), args.threads)
        columns["YOLOX-Nano"] = precision(test, find(teacher, test), people_only=people)
    print(f"{len(test.pixels)} photographs, {test.name}\n")
    print(table(columns, counts(test)))
    if args.json:
        content = {
            name: {
                "ap50": p.ap50,
                "ap": p.ap,
                "small": p.small,
                "medium": p.medium,
                "large": p.large,
                "by_class": {NAMES[c]: v for c, v in p.by_class.items()},
            }
            for name, p in columns.items()
        }
        args.json.write_text(json.dumps({"photographs": len(test.pixels), "on": test.name, "models": content}, indent=1) + "\n")


if __name__ == "__main__":
    main()
