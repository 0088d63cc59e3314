"""From the demands of many features to what one pass observes, each thing once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from openrek.observations import Demand, ModelFacts

MEDIA_VERSION = 1
"""Raised whenever the same file gives other packets, frames or sound."""


@dataclass(frozen=True)
class Observable:
    """A demand and who answers it: a network and code. With a chunk of a video it determines every bit of the answer.

    Attributes
    ----------
    model
        SHA-256 of the network's file, None for a measure without one.
    version
        Of the observer's code.
    """

    demand: Demand
    model: str | None
    version: int

    @cached_property
    def key(self) -> str:
        """A name for files, of 32 hexadecimal digits."""
        canonical = json.dumps(asdict(self) | {"media": MEDIA_VERSION}, default=str, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def observables(demands: Iterable[Demand], models: Mapping[str, ModelFacts], versions: Mapping[str, int]) -> tuple[Observable, ...]:
    """Every demand once, in a stable order.

    Parameters
    ----------
    models
        The network chosen for a role.
    versions
        The version of the observer's code of every role.
    """
    return tuple(
        sorted(
            {
                Observable(demand, models[demand.role].sha256 if demand.role in models else None, versions[demand.role])
                for demand in demands
            },
            key=lambda observable: (observable.demand.role, observable.key),
        )
    )
