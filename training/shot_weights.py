"""Fit the weights of shot detection, `src/openrek/features/shot_weights.json`, on sequences made of photographs.

    python -m training.shot_weights PHOTOGRAPHS [--sequences 800] [--spans 500] [--held-out 300] [--check]

PHOTOGRAPHS is a folder of JPEG files, at any depth. Needs scikit-learn, and half an hour. Cuts and frames of transitions are learnt from
the first sequences; whole spans from what these weights find in further ones, and in as many without any transition. Prints how the
weights do on sequences of other photographs; with `--check` those that are there, and fits none.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from openrek.features import cut_evidence, logistic, shots
from openrek.features.logistic import Logistic, terms
from openrek.features.shots import transition_evidence
from openrek.features.views import Views
from openrek.observations import Observation
from training.shot_sequences import Maker, Sequence_

TARGET = Path(__file__).resolve().parents[1] / "src/openrek/features/shot_weights.json"
RATE = Fraction(25)
"""Frames a second of the sequences."""
AROUND = 3
"""Frames around a transition that count neither way."""
OVERLAP = 0.3
"""Share of the frames of either that a span and the transition that it is taken for have in common; less counts neither way."""
Weights = dict[str, Any]
Rows = tuple[Any, Any]


def is_near(frame: int, sequence: Sequence_) -> bool:
    return any(first - 2 <= frame <= last + 3 for first, last in sequence.gradual)


def seen(sequence: Sequence_) -> Callable[[], Iterator[Observation]]:
    """The thumbnails as they come from the store."""
    pictures = list(zip(sequence.luma, sequence.chroma, strict=True))
    return lambda: (Observation(n, n, {"luma": a[None], "chroma": b[None]}) for n, (a, b) in enumerate(pictures))


def evidence_of_frames(sequences: Iterable[Sequence_]) -> dict[str, Rows]:
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
        rows["transitions"][0].append(transition_evidence(views)[known])
        rows["transitions"][1].append(truth[known])
    return {name: (np.concatenate(x), np.concatenate(y)) for name, (x, y) in rows.items()}


def evidence_of_spans(sequences: Iterable[Sequence_], weights: Weights) -> Rows:
    """Evidence and truth of the spans that the other weights find."""
    use(weights)
    found, truth = [], []
    for sequence in sequences:
        for span, evidence in shots.examined_spans(seen(sequence), RATE):
            share = max((overlap(span.first, span.last, *true) for true in sequence.gradual), default=0.0)
            if share == 0 or share >= OVERLAP:
                found.append(evidence)
                truth.append(share > 0)
    return np.stack(found), np.array(truth)


def overlap(first: int, last: int, true_first: int, true_last: int) -> float:
    """Frames that both have, as a share of those of the shorter."""
    shared = min(last, true_last) - max(first, true_first) + 1
    return max(0, shared) / min(last - first + 1, true_last - true_first + 1)


def fit(rows: Rows, strength: float) -> dict[str, Any]:
    """Weights for the terms as they are, whatever scale they were fitted at."""
    found, truth = rows
    scale = StandardScaler().fit(terms(found))
    model = LogisticRegression(C=strength, max_iter=2000).fit(scale.transform(terms(found)), truth)
    weights = model.coef_[0] / scale.scale_
    bias = float(model.intercept_[0] - (weights * scale.mean_).sum())
    return {"weights": [float(f"{weight:.5g}") for weight in weights], "bias": float(f"{bias:.5g}")}


def use(weights: Weights) -> None:
    """Have shots told by these weights in this process."""
    made = {name: Logistic(np.array(stored["weights"]), stored["bias"]) for name, stored in weights.items()}
    shots.load = logistic.load = made.__getitem__


@dataclass
class Report:
    """How whole boundaries do: cuts to the frame, where what lies near a transition counts neither way; transitions that are overlapped."""

    hits: int = 0
    missed: int = 0
    false: int = 0
    transitions: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false_transitions: int = 0
    errors: list[int] = field(default_factory=list)

    def add(self, sequence: Sequence_) -> None:
        """Look for the boundaries of one sequence."""
        boundaries = shots.boundaries(seen(sequence), RATE)
        starts = {shot.first for shot in boundaries.shots()} - {0}
        cuts = {cut for cut in sequence.cuts if not is_near(cut, sequence)}
        self.hits, self.missed = self.hits + len(cuts & starts), self.missed + len(cuts - starts)
        self.false += sum(not is_near(start, sequence) for start in starts - cuts)
        spans = [(span.first, span.last) for span in boundaries.transitions]
        self.false_transitions += sum(not any(overlap(*span, *true) for true in sequence.gradual) for span in spans)
        for true, kind in zip(sequence.gradual, sequence.kinds, strict=True):
            self.transitions[kind] += 1
            best = max(spans, key=lambda span: overlap(*span, *true), default=None)
            if best is not None and overlap(*best, *true) > 0:
                self.found[kind] += 1
                self.errors += [abs(best[0] - true[0]), abs(best[1] - true[1])]

    def __str__(self) -> str:
        score = 2 * self.hits / max(1, 2 * self.hits + self.missed + self.false)
        kinds = ", ".join(f"{kind} {self.found[kind]} of {count}" for kind, count in sorted(self.transitions.items()))
        return (
            f"cuts: F1 {score:.3f} ({self.hits} found, {self.missed} missed, {self.false} false)\n"
            f"transitions: {self.found.total()} of {self.transitions.total()} found ({kinds}), {self.false_transitions} false; "
            f"their ends are off by {np.median(self.errors or [0]):.0f} frames (median)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the weights of shot detection.")
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--sequences", type=int, default=800, help="for cuts and for frames of transitions")
    parser.add_argument("--spans", type=int, default=500, help="further ones, for whole spans, with transitions and without")
    parser.add_argument("--held-out", type=int, default=300)
    parser.add_argument("--check", action="store_true", help="fit nothing")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted(args.photographs.rglob("*.jpg"))
    if args.check:
        weights = json.loads(TARGET.read_text())
    else:
        maker = Maker([p for n, p in enumerate(paths) if n % 5])
        rows = evidence_of_frames(maker.sequence(seed) for seed in range(args.sequences))
        weights = {"cuts": fit(rows["cuts"], 1.0), "transitions": fit(rows["transitions"], 0.1)}
        further = range(args.sequences, args.sequences + args.spans)
        made = (maker.sequence(seed, cuts_only=cuts_only) for cuts_only in (False, True) for seed in further)
        weights["spans"] = fit(evidence_of_spans(made, weights), 0.1)
        TARGET.write_text(json.dumps(weights, indent=1) + "\n")
    use(weights)
    held_out, report = Maker(paths[::5]), Report()
    for seed in range(args.held_out):
        report.add(held_out.sequence(10**6 + seed))
    print(report)


if __name__ == "__main__":
    main()
