"""One network, ready to run: the same protocol for every runtime.

An inference runs on one thread, so that its output does not depend on how many there are; more threads run more inferences at the same
time, which makes the most of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from openrek.errors import ModelCorruptError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One input or output of a network."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Session(Protocol):
    """A network that is ready to run. Close it, or use it with `with`.

    Attributes
    ----------
    inputs, outputs
        What it takes and what it gives, of fixed shapes.
    threads
        How many inferences run at the same time.
    """

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    threads: int

    def infer(self, *inputs: Array) -> tuple[Array, ...]:
        """Run the network once.

        Raises
        ------
        ValueError
            An input has another shape or type than the network takes, or the session is closed.
        """
        ...

    def infer_each(self, batches: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
        """Run the network on each of several sets of inputs, as many at the same time as there are threads."""
        ...

    def close(self) -> None:
        """Give the network's memory back."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def check_inputs(facts: Sequence[TensorFacts], inputs: Sequence[Array]) -> None:
    """Raise ValueError unless the inputs are what a network takes."""
    if len(inputs) != len(facts):
        raise ValueError(f"the network takes {len(facts)} inputs, not {len(inputs)}")
    for fact, array in zip(facts, inputs, strict=True):
        if array.shape != fact.shape or array.dtype != fact.dtype:
            raise ValueError(f"{fact.name} takes {fact.dtype}{list(fact.shape)}, not {array.dtype}{list(array.shape)}")


def unreadable(files: Sequence[Path], error: Exception) -> ModelCorruptError:
    """What to raise when a runtime refuses a file."""
    return ModelCorruptError(f"{files[0]} cannot be read as a network: {str(error).strip().splitlines()[-1]}")
