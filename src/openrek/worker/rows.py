"""From a reduction's stream of rows to pages: serialised once, sorted once for every order that Get offers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from openrek.engine.tasks import Alive
from openrek.features.base import Feature, Row
from openrek.jobs.leases import Claim
from openrek.jobs.results import ResultWriter
from openrek.jobs.sorting import ExternalSort

Serialise = Callable[[Feature, Row], bytes]
T = TypeVar("T")

WATCHED = 1000
"""Rows between two looks at whether they are still wanted."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Writes the rows of jobs.

    Attributes
    ----------
    open_writer
        Begins a new generation of a claim's rows.
    serialise
        One row as JSON, checked against the service model.
    """

    open_writer: Callable[[Claim], ResultWriter]
    serialise: Serialise

    def write(self, claim: Claim, feature: Feature, rows: Iterable[tuple[str, Row]], folder: Path, alive: Alive) -> int:
        """Write all rows in all orders; the generation that completion makes visible.

        Parameters
        ----------
        folder
            For sorting.
        alive
            Called now and then; an exception that it raises ends the writing, and nothing is left of it.

        Raises
        ------
        LeaseLostError
            The claim no longer holds.
        """
        with contextlib.ExitStack() as stack:
            sorters = {
                (table, order): stack.enter_context(ExternalSort(folder))
                for table, description in feature.tables.items()
                for order in description.orders
            }
            for table, row in _watched(rows, alive):
                line = self.serialise(feature, row)
                for order, key in feature.tables[table].orders.items():
                    sorters[table, order].add(key(row), line)
            with self.open_writer(claim) as writer:
                for (table, order), sorter in sorters.items():
                    writer.write(table, order, _watched(sorter, alive))
                return writer.generation


def _watched(items: Iterable[T], alive: Alive) -> Iterator[T]:
    for number, item in enumerate(items):
        if number % WATCHED == 0:
            alive()
        yield item
