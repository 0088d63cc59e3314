"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openrek.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of everything that openrek keeps.", show_default=".openrek")]


def settings(**given: Any) -> Settings:
    """The settings, with those that an option gave."""
    return Settings(**{name: value for name, value in given.items() if value is not None})
