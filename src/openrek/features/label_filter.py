"""Which labels a request lets through: `Settings.GeneralLabels`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from openrek.features.base import Params
from openrek.features.taxonomy import Label

Values = frozenset[str]


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """Lets a label through if a filter includes it, or if there is none that includes, and no filter excludes it.

    A label filter means a label by its name or by one of its aliases, a category filter all labels of the category; neither minds
    upper and lower case. A value that means nothing known includes and excludes nothing, as in Rekognition, whose own example filters
    by a category that does not exist. Ancestors are judged on their own: to include Dog does not include Animal.
    """

    included: Values = frozenset()
    excluded: Values = frozenset()
    included_categories: Values = frozenset()
    excluded_categories: Values = frozenset()

    @classmethod
    def of(cls, request: Params) -> Self:
        """The filter that a Start asks for; one that lets everything through if it asks for none."""
        general = request.get("Settings", {}).get("GeneralLabels", {})
        return cls(
            _fold(general.get("LabelInclusionFilters", ())),
            _fold(general.get("LabelExclusionFilters", ())),
            _fold(general.get("LabelCategoryInclusionFilters", ())),
            _fold(general.get("LabelCategoryExclusionFilters", ())),
        )

    def admits(self, label: Label) -> bool:
        """Whether rows of this label are wanted."""
        names, categories = _fold((label.name, *label.aliases)), _fold(label.categories)
        if names & self.excluded or categories & self.excluded_categories:
            return False
        if not self.included and not self.included_categories:
            return True
        return bool(names & self.included or categories & self.included_categories)


def _fold(values: Iterable[str]) -> Values:
    return frozenset(value.casefold() for value in values)
