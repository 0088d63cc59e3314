"""Make scores mean what they say: python -m training.calibrate MODEL.onnx OUT.json

Matches the detections on the validation part with the boxes that people drew, for the classes that they labelled, and fits a beta
calibration, so that of the detections at a score of 0.5 about half are right (overlap of a half with a box of their class that no better
detection has taken). The calibration keeps the order of scores. Also lists the classes that the model does not find (`not_reported`):
AP50 below 0.05 on the validation part, or nothing there to measure it on.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from training.categories import IDS, NAMES
from training.evaluate import find
from training.export import Calibration
from training.predict import OpenVino
from training.settings import shared
from training.teacher import iou
from training.truth import TestSet, evaluation, precision, validation

LEAST_AP50 = 0.05
FROM = 0.03  # detections below this score tell nothing of use


def outcomes(test: TestSet, found: dict[int, np.ndarray]) -> np.ndarray:
    """Rows of score and whether it is right, of the detections whose class people labelled in the photograph."""
    rows = []
    for i, detections in found.items():
        annotations = test.truth.imgToAnns[i]
        for kind in np.unique(detections[:, 0]).astype(int):
            if kind not in test.known[i]:
                continue
            of_kind = [a for a in annotations if a["category_id"] == IDS[kind]]
            ignored = np.array([bool(a.get("iscrowd")) for a in of_kind], bool)
            boxes = np.array([a["bbox"] for a in of_kind], np.float32).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            free = np.ones(len(boxes), bool)
            for _, x, y, w, h, score in detections[detections[:, 0] == kind]:
                overlap = iou(boxes, np.array([x, y, x + w, y + h], np.float32)) * (free | ignored) if len(boxes) else np.zeros(1)
                best = int(overlap.argmax())
                right = overlap[best] >= 0.5
                if right and ignored[best]:
                    continue
                if right:
                    free[best] = False
                rows.append((score, float(right)))
    return np.array(rows, np.float64).reshape(-1, 2)


def fit(rows: np.ndarray) -> Calibration:
    """Maximum likelihood of a beta calibration with a and b kept positive."""
    p = torch.tensor(rows[:, 0]).clamp(1e-6, 1 - 1e-6)
    right = torch.tensor(rows[:, 1])
    raw = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([raw], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        a, b = torch.nn.functional.softplus(raw[:2])
        value = torch.nn.functional.binary_cross_entropy_with_logits(a * p.log() - b * (1 - p).log() + raw[2], right)
        value.backward()
        return value

    optimiser.step(loss)
    a, b = torch.nn.functional.softplus(raw[:2]).tolist()
    return Calibration(round(a, 5), round(b, 5), round(raw[2].item(), 5))


def reliability(rows: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Share that is right within each tenth of the scores."""
    out = []
    for k in range(bins):
        within = rows[(rows[:, 0] >= k / bins) & (rows[:, 0] < (k + 1) / bins + (k == bins - 1))]
        if len(within):
            out.append(
                {
                    "from": k / bins,
                    "detections": len(within),
                    "mean_score": round(within[:, 0].mean(), 3),
                    "right": round(within[:, 1].mean(), 3),
                }
            )
    return out


def expected_error(rows: np.ndarray, least: float = 0.1) -> float:
    """Expected calibration error over the detections of score `least` and above."""
    table = [r for r in reliability(rows) if r["from"] >= least - 1e-9]
    total = sum(r["detections"] for r in table)
    return round(sum(r["detections"] * abs(r["right"] - r["mean_score"]) for r in table) / max(total, 1), 4)


def applied(calibration: Calibration, rows: np.ndarray) -> np.ndarray:
    return np.stack([calibration(torch.tensor(rows[:, 0])).numpy(), rows[:, 1]], 1)


def show(title: str, rows: np.ndarray) -> None:
    print(f"\n{title}: error {expected_error(rows)}")
    for r in reliability(rows):
        print(f"  {r['from']:.1f}  {r['detections']:6d} detections, mean score {r['mean_score']:.3f}, right {r['right']:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="exported without calibration")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--check", action="store_true", help="only report how reliable the scores are as they stand")
    parser.add_argument("--on", choices=("validation", "evaluation"), default="validation", help="with --check")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--photographs", type=Path)
    args = parser.parse_args()
    session = OpenVino(args.model)
    test = (
        evaluation(args.photographs or shared("media", "labels"))
        if args.on == "evaluation"
        else validation(args.corpus or shared("corpus"))
    )
    found = find(session, test)
    rows = outcomes(test, found)
    rows = rows[rows[:, 0] >= FROM]
    show(f"as exported, {test.name}", rows)
    if args.check:
        return
    calibration = fit(rows)
    halves = np.random.default_rng(0).permutation(len(rows)) % 2 == 0
    unseen = np.concatenate([applied(fit(rows[halves]), rows[~halves]), applied(fit(rows[~halves]), rows[halves])])
    show("calibrated, each half by the other's fit", unseen)
    print(calibration)
    scores = precision(test, found)
    reported = {c: ap[0] for c, ap in scores.by_class.items() if ap[0] >= LEAST_AP50}
    content = {
        "beta": asdict(calibration),
        "reliability_before": reliability(rows),
        "reliability": reliability(unseen),
        "expected_error": {"before": expected_error(rows), "after": expected_error(unseen)},
        "not_reported": [NAMES[c] for c in range(len(IDS)) if c not in reported],
        "validation_ap50": {NAMES[c]: round(ap[0], 3) for c, ap in scores.by_class.items()},
    }
    print("not reported:", ", ".join(content["not_reported"]))
    if args.out:
        args.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
