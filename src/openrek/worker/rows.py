"""From a reduction's stream of rows to pages: serialised once, sorted once for every order that Get offers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from openrek.features.base import Feature, Row
from openrek.jobs.leases import Claim
from openrek.jobs.results import ResultWriter
from openrek.jobs.sorting import ExternalSort

Serialise = Callable[[Feature, Row], bytes]


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

    def write(self, claim: Claim, feature: Feature, rows: Iterable[tuple[str, Row]], folder: Path) -> int:
        """Write all rows in all orders; the generation that completion makes visible.

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
            for table, row in rows:
                line = self.serialise(feature, row)
                for order, key in feature.tables[table].orders.items():
                    sorters[table, order].add(key(row), line)
            with self.open_writer(claim) as writer:
                for (table, order), sorter in sorters.items():
                    writer.write(table, order, sorter)
                return writer.generation
