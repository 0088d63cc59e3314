"""What a feature is: demands, a reduction of observations to rows, and the orders in which its rows are paged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from openrek.observations import Demand, ModelFacts, Observed
from openrek.video import VideoFacts

Params = Mapping[str, Any]
Row = dict[str, Any]
"""One element of the result array, as the service model shapes it."""
Key = Callable[[Row], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind and the orders in which Get pages them: `SortBy` → sort key. The first order is the default."""

    orders: Mapping[str, Key]


class View(NamedTuple):
    """What a Get pages through: a table, in one of its orders."""

    table: str
    order: str


@dataclass(frozen=True, slots=True)
class Reduction:
    """All that a reduction may look at.

    Attributes
    ----------
    video
        Facts of the video.
    request
        The Start operation's input, validated, without defaults filled in.
    settings
        The feature's settings as they were when the job started.
    models
        The network chosen for each role.
    observed
        What the demands saw, as streams.
    resources
        What the feature needs from above, by name: a face index, a gallery.
    """

    video: VideoFacts
    request: Params
    settings: Mapping[str, Any]
    models: Mapping[str, ModelFacts]
    observed: Observed
    resources: Mapping[str, Any] = field(default_factory=dict)


class Feature(Protocol):
    """One Rekognition feature.

    Attributes
    ----------
    name
        The field's word: "labels".
    noun
        What stands behind Start and Get: "LabelDetection".
    member
        The result array's member in the Get output: "Labels".
    version
        Raised whenever the same observations give other rows.
    tables
        Rows by kind ("TIMESTAMPS", "SEGMENTS"). The first is the default.
    resources
        Names of what must be handed to the reduction.
    """

    name: str
    noun: str
    member: str
    version: int
    tables: Mapping[str, Table]
    resources: tuple[str, ...]

    def check(self, request: Params) -> None:
        """Refuse a Start that the service model admits but that makes no sense.

        Raises
        ------
        InvalidRequestError
            With a message for the caller.
        """
        ...

    def demands(self, request: Params, settings: Mapping[str, Any]) -> tuple[Demand, ...]:
        """What must be observed for this request."""
        ...

    def reduce(self, reduction: Reduction) -> Iterator[tuple[str, Row]]:
        """Rows with the table that each belongs to, in any order, as a stream."""
        ...

    def view(self, request: Params) -> View:
        """What a Get asks for; `request` holds the members of its input, and of its Start's where it has none of that name."""
        ...

    def describe(self, request: Params, models: Mapping[str, ModelFacts]) -> Row:
        """Members of the Get output that hold for every page: the model's version, what was asked for; `request` as for `view`."""
        ...
