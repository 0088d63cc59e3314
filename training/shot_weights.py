"""Fit the weights of shot detection, `src/openrek/features/shot_weights.json`, on sequences made of photographs.

    python -m training.shot_weights PHOTOGRAPHS [--sequences 800] [--held-out 200]

PHOTOGRAPHS is a folder of JPEG files, at any depth. Needs scikit-learn. Prints how the weights do on sequences of other photographs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from openrek.features import cut_evidence, gradual_evidence, logistic, shots
from openrek.features.cut_evidence import Views
from openrek.features.logistic import Logistic, terms
from openrek.observations import Observation
from training.shot_sequences import Maker, Sequence_

TARGET = Path(__file__).resolve().parents[1] / "src/openrek/features/shot_weights.json"
AROUND = 3
"""Frames around a transition that count neither way."""


def is_near(frame: int, sequence: Sequence_) -> bool:
    return any(first - 2 <= frame <= last + 3 for first, last in sequence.gradual)


def evidence(sequences: Iterator[Sequence_]) -> dict[str, tuple[Any, Any]]:
    """Evidence and truth of every candidate for a cut, and of every other frame for a transition."""
    rows: dict[str, tuple[list[Any], list[Any]]] = {"cuts": ([], []), "transitions": ([], [])}
    for sequence in sequences:
        views = Views(sequence.luma, sequence.chroma)
        places = cut_evidence.candidates(views)
        places = places[[place in sequence.cuts or not is_near(place, sequence) for place in places.tolist()]]
        if len(places):
            rows["cuts"][0].append(cut_evidence.evidence(views, places, 1.0))
            rows["cuts"][1].append(np.isin(places, sequence.cuts))
        truth = np.zeros(len(views), int)
        for first, last in sequence.gradual:
            truth[max(0, first - AROUND) : last + AROUND + 1] = -1
            if last - first >= AROUND:
                truth[first + 1 : last] = 1
        known = np.flatnonzero(truth >= 0)[::2]
        rows["transitions"][0].append(gradual_evidence.evidence(views)[known])
        rows["transitions"][1].append(truth[known])
    return {name: (np.concatenate(x), np.concatenate(y)) for name, (x, y) in rows.items()}


def fit(found: Any, truth: Any, strength: float) -> dict[str, Any]:
    """Weights for the terms as they are, whatever scale they were fitted at."""
    scale = StandardScaler().fit(terms(found))
    model = LogisticRegression(C=strength, max_iter=2000).fit(scale.transform(terms(found)), truth)
    weights = model.coef_[0] / scale.scale_
    bias = float(model.intercept_[0] - (weights * scale.mean_).sum())
    return {"weights": [float(f"{weight:.5g}") for weight in weights], "bias": float(f"{bias:.5g}")}


def check(weights: dict[str, Any], sequences: Iterator[Sequence_]) -> str:
    """How whole boundaries do, cuts to the frame; what lies near a transition counts neither way."""
    made = {name: Logistic(np.array(stored["weights"]), stored["bias"]) for name, stored in weights.items()}
    shots.load = logistic.load = made.__getitem__  # type: ignore[assignment]
    hits = missed = false = found = transitions = 0
    for sequence in sequences:

        def read(of: Sequence_ = sequence) -> Iterator[Observation]:
            return (
                Observation(n, n, {"luma": a[None], "chroma": b[None]}) for n, (a, b) in enumerate(zip(of.luma, of.chroma, strict=True))
            )

        boundaries = shots.boundaries(read, 25)  # type: ignore[arg-type]
        starts = {shot.first for shot in boundaries.shots()} - {0}
        cuts = {cut for cut in sequence.cuts if not is_near(cut, sequence)}
        hits, missed = hits + len(cuts & starts), missed + len(cuts - starts)
        false += sum(not is_near(start, sequence) for start in starts - cuts)
        transitions += len(sequence.gradual)
        found += sum(any(min(s.last, b) >= max(s.first, a) for s in boundaries.transitions) for a, b in sequence.gradual)
    score = 2 * hits / max(1, 2 * hits + missed + false)
    return f"cuts: F1 {score:.3f} ({hits} found, {missed} missed, {false} false); transitions: {found} of {transitions} found"


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the weights of shot detection.")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--sequences", type=int, default=800)
    parser.add_argument("--held-out", type=int, default=200)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted(args.photographs.rglob("*.jpg"))
    learnt, held_out = Maker([p for n, p in enumerate(paths) if n % 5]), Maker(paths[::5])
    rows = evidence(learnt.sequence(seed) for seed in range(args.sequences))
    weights = {"cuts": fit(*rows["cuts"], 1.0), "transitions": fit(*rows["transitions"], 0.1)}
    print(check(weights, (held_out.sequence(10**6 + seed) for seed in range(args.held_out))))
    TARGET.write_text(json.dumps(weights, indent=1) + "\n")


if __name__ == "__main__":
    main()
