"""Make scores mean what they say; python -m training.calibrate MODEL.onnx shows whether they do.

Matches the detections on the validation part with the boxes that people drew, for the classes that they labelled, and fits a beta
calibration, so that of the detections at a score of 0.5 about half are right (overlap of a half with a box of their class that no better
detection has taken). The calibration keeps
the order of scores.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from training.categories import IDS
from training.evaluate import find
from training.export import Calibration
from training.predict import OpenVino
from training.settings import shared
from training.teacher import iou
from training.truth import TestSet, evaluation, validation

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
    found_rows = np.array(rows, np.float64).reshape(-1, 2)
    return found_rows[found_rows[:, 0] >= FROM]


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


def crosswise(rows: np.ndarray) -> np.ndarray:
    """Each half of the rows with scores calibrated by the other half's fit: what to expect on pictures that the fit has not seen."""
    halves = np.random.default_rng(0).permutation(len(rows)) % 2 == 0
    done = []
    for own, other in ((rows[halves], rows[~halves]), (rows[~halves], rows[halves])):
        done.append(np.stack([fit(other)(torch.tensor(own[:, 0])).numpy(), own[:, 1]], 1))
    return np.concatenate(done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--on", choices=("validation", "evaluation"), default="validation")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--photographs", type=Path)
    args = parser.parse_args()
    if args.on == "evaluation":
        test = evaluation(args.photographs or shared("media", "labels"))
    else:
        test = validation(args.corpus or shared("corpus"))
    rows = outcomes(test, find(OpenVino(args.model), test))
    shown = {"as exported": rows} | ({"calibrated, each half by the other's fit": crosswise(rows)} if args.on == "validation" else {})
    for title, scored in shown.items():
        print(f"\n{test.name}, {title}: error {expected_error(scored)}")
        for r in reliability(scored):
            print(f"  {r['from']:.1f}  {r['detections']:6d} detections, mean score {r['mean_score']:.3f}, right {r['right']:.3f}")


if __name__ == "__main__":
    main()
