"""From a checkpoint to the file that is shipped, with the facts about it: python -m training.release MEAN.pt OUT.onnx FACTS.json

Exports, quantises, calibrates on the validation part, and measures: precision of the f32 and the int8 network on the validation part,
agreement of OpenVINO with ONNX Runtime, time beside YOLOX-Nano; with --final also precision and reliability on the evaluation
photographs.
"""

import argparse
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import torch

from training.calibrate import LEAST_AP50, crosswise, expected_error, fit, outcomes, reliability
from training.categories import IDS, NAMES
from training.evaluate import counts, find, table
from training.export import Calibration, export
from training.predict import OnnxRuntime, OpenVino, letterbox
from training.quantise import PICTURES, pictures, quantise
from training.settings import shared
from training.timing import in_turns
from training.truth import Precision, TestSet, evaluation, precision, validation


def numbers(p: Precision) -> dict[str, object]:
    totals = {k: round(v, 4) for k, v in asdict(p).items() if k != "by_class"}
    return totals | {"ap50_by_class": {NAMES[c]: round(v[0], 3) for c, v in p.by_class.items()}}


def agreement(a: OpenVino | OnnxRuntime, b: OpenVino | OnnxRuntime, test: TestSet, count: int = 50) -> dict[str, float]:
    """Differences of the scores, and of the boxes in pixels where both score 0.1 and more."""
    scores, boxes = [0.0], [0.0]
    for i in sorted(test.pixels)[:count]:
        image, _ = letterbox(test.pixels[i], a.side)
        x, y = a.run(image)[0], b.run(image)[0]
        sx, sy = x[:, 4:5] * x[:, 5:], y[:, 4:5] * y[:, 5:]
        scores.append(float(np.abs(sx - sy).max()))
        clear = np.minimum(sx.max(1), sy.max(1)) > 0.1
        if clear.any():
            boxes.append(float(np.abs(x[clear, :4] - y[clear, :4]).max()))
    return {
        "score_largest": round(max(scores), 4),
        "score_typical": round(float(np.median(scores)), 4),
        "raw_box_largest": round(max(boxes), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("facts", type=Path)
    parser.add_argument("--side", type=int, default=416)
    parser.add_argument("--pictures", type=int, default=PICTURES, help="pictures that ranges for int8 are taken from")
    parser.add_argument("--final", action="store_true", help="also measure on the evaluation photographs")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--teacher", type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    corpus = args.corpus or shared("corpus")
    teacher_path = args.teacher or shared("models", "yolox-nano", "yolox_nano.onnx")
    plain = args.out.with_suffix(".f32.onnx")
    images = list(pictures(corpus, args.side, args.pictures))

    def make(calibration: Calibration | None) -> None:
        export(args.weights, plain, args.side, calibration)
        onnx.save(quantise(onnx.load(str(plain)), images), str(args.out))

    make(None)
    test = validation(corpus)
    full = precision(test, find(OpenVino(plain), test))
    found = find(OpenVino(args.out), test)
    small = precision(test, found)
    rows = outcomes(test, found)
    if not len(rows):
        parser.error(f"{args.weights}: finds nothing on the validation part, so there is nothing to calibrate; train it for longer")
    calibration = fit(rows)
    unseen = crosswise(rows)
    make(calibration)
    sessions = {"YOLOX-Nano": OpenVino(teacher_path), "int8": OpenVino(args.out)}
    content = args.out.read_bytes()
    weights = torch.load(args.weights, weights_only=True)
    facts: dict[str, object] = {
        "file": args.out.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "parameters": sum(v.numel() for k, v in weights.items() if "running" not in k and "num_batches" not in k),
        "side": args.side,
        "validation": {"f32": numbers(full), "int8": numbers(small)},
        "calibration": {
            "beta": asdict(calibration),
            "expected_error": {"before": expected_error(rows), "after": expected_error(unseen)},
            "reliability": reliability(unseen),
        },
        "not_reported": [NAMES[c] for c in range(len(IDS)) if small.by_class.get(c, (0.0, 0.0))[0] < LEAST_AP50],
        "openvino_beside_onnxruntime": agreement(sessions["int8"], OnnxRuntime(args.out), test),
        "milliseconds": {
            n: {"median": round(float(np.median(t)), 2), "least": round(min(t), 2)} for n, t in in_turns(sessions, 100).items()
        },
    }
    if args.final:
        final = evaluation(args.photographs or shared("media", "labels"))
        results = {
            n: find(s, final) for n, s in {"f32": OpenVino(plain), "int8": sessions["int8"], "YOLOX-Nano": sessions["YOLOX-Nano"]}.items()
        }
        columns = {n: precision(final, r) for n, r in results.items()}
        print(table(columns, counts(final)))
        right = outcomes(final, results["int8"])
        facts["evaluation"] = {n: numbers(p) for n, p in columns.items()} | {
            "reliability": reliability(right),
            "expected_error": expected_error(right),
        }
    plain.unlink()
    args.facts.write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps({k: v for k, v in facts.items() if k not in ("validation", "evaluation")}, indent=1))


if __name__ == "__main__":
    main()
