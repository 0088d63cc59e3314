"""Labels of a video at a glance: when each was first and last seen, how sure, how many at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from openrek.cli.output import clock_time


@dataclass
class LabelSpan:
    """One label over the whole video. Times in milliseconds, confidence in percent."""

    first: int
    last: int
    confidence: float
    instances: int
    times: int = 1

    def add(self, timestamp: int, confidence: float, instances: int) -> None:
        """Take note of one more row."""
        self.first, self.last = min(self.first, timestamp), max(self.last, timestamp)
        self.confidence, self.instances = max(self.confidence, confidence), max(self.instances, instances)
        self.times += 1


@dataclass
class LabelSummary:
    """Collects rows of GetLabelDetection, as many as there are, in the memory of one row a label."""

    labels: dict[str, LabelSpan] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    rows: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take note of a row."""
        label, timestamp = row["Label"], row["Timestamp"]
        name, confidence, instances = label["Name"], label["Confidence"], len(label["Instances"])
        self.rows += 1
        if name in self.labels:
            self.labels[name].add(timestamp, confidence, instances)
        else:
            self.labels[name] = LabelSpan(timestamp, timestamp, confidence, instances)
            self.parents[name] = [parent["Name"] for parent in label["Parents"]]

    def table(self, title: str) -> Table:
        """The labels in the order in which they appear."""
        table = Table(title=title, title_justify="left")
        table.add_column("label")
        table.add_column("parents", style="dim")
        for column in ("first", "last", "best confidence", "instances"):
            table.add_column(column, justify="right")
        for name, span in sorted(self.labels.items(), key=lambda item: (item[1].first, -item[1].confidence, item[0])):
            most = str(span.instances) if span.instances else ""
            parents = ", ".join(self.parents[name])
            table.add_row(name, parents, clock_time(span.first), clock_time(span.last), f"{span.confidence:.1f} %", most)
        return table
