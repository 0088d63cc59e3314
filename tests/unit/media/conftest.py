"""Clips that the suite makes once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from media_clips import RECIPES, encode

Clip = Callable[[str], Path]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The clip of a recipe, by its name."""
    folder = tmp_path_factory.mktemp("clips")
    recipes = {recipe.name: recipe for recipe in RECIPES}

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else encode(path, recipes[name])

    return make
