"""Labels with their ancestors, aliases and categories; the names that a network's classes have among them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from openrek.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Label:
    """One label, as it is known whatever the video.

    Attributes
    ----------
    parents
        All ancestors, in the order of their names; each is a label itself.
    aliases, categories
        As the data file orders them.
    """

    name: str
    parents: tuple[str, ...]
    aliases: tuple[str, ...]
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Taxonomy:
    """All labels.

    Attributes
    ----------
    labels
        By name.
    vocabularies
        What the classes of a network are called, by the vocabulary's name and in the order of the network's outputs.
    """

    labels: Mapping[str, Label]
    vocabularies: Mapping[str, tuple[Label, ...]]

    def vocabulary(self, name: str | None) -> tuple[Label, ...]:
        """The labels of a network's classes.

        Raises
        ------
        SettingsError
            No label is known for the classes of this network.
        """
        if name is None or name not in self.vocabularies:
            raise SettingsError(
                f"The model's classes ({name or 'unnamed'}) have no labels; known are {', '.join(sorted(self.vocabularies))}."
            )
        return self.vocabularies[name]


@cache
def taxonomy() -> Taxonomy:
    """The taxonomy of `taxonomy.toml`, read at the first call."""
    data = tomllib.loads(resources.files("openrek.features").joinpath("taxonomy.toml").read_text("utf-8"))
    described: Mapping[str, Mapping[str, list[str]]] = data["labels"]
    labels = {
        name: Label(name, tuple(sorted(_ancestors(name, described))), tuple(facts["aliases"]), tuple(facts["categories"]))
        for name, facts in described.items()
    }
    vocabularies: Mapping[str, list[Mapping[str, Any]]] = data["vocabularies"]
    return Taxonomy(labels, {name: tuple(labels[known["label"]] for known in classes) for name, classes in vocabularies.items()})


def _ancestors(name: str, described: Mapping[str, Mapping[str, list[str]]]) -> set[str]:
    parents = described[name]["parents"]
    return set(parents).union(*(_ancestors(parent, described) for parent in parents))
