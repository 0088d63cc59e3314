"""Logistic regressions whose weights lie beside this module: from evidence to log-odds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MOST = 10.0
"""Log-odds beyond which nothing is more certain: some ten thousand examples say no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """Log-odds as a weighted sum of the evidence x, of log(1 + x) and of log(1 + 10 x), where negative x count as 0.

    Attributes
    ----------
    weights
        Shape (3 x evidence,).
    """

    weights: NDArray[np.float64]
    bias: float

    def log_odds(self, evidence: Floats) -> NDArray[np.float64]:
        """Of each row of the evidence, shape (n, k)."""
        # A product by BLAS would start threads, which cost more than they give here.
        return np.asarray(np.einsum("ij,j->i", terms(evidence), self.weights) + self.bias, np.float64)


def terms(evidence: Floats) -> NDArray[np.float64]:
    """What the weights belong to, shape (n, 3 x k)."""
    plain = evidence.astype(np.float64)
    positive = np.maximum(plain, 0)
    return np.concatenate([plain, np.log1p(positive), np.log1p(10 * positive)], axis=1)


def probability(log_odds: float) -> float:
    """The probability that has these log-odds, as far as they can be vouched for."""
    return float(1 / (1 + np.exp(-np.clip(log_odds, -MOST, MOST))))


@cache
def load(name: str) -> Logistic:
    """The regression of that name: "cuts" or "transitions"."""
    stored = json.loads(files("openrek.features").joinpath("shot_weights.json").read_text())[name]
    return Logistic(np.array(stored["weights"]), stored["bias"])
