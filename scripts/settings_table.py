"""Write the tables of docs/reference/settings.md from the settings' own descriptions. `--check` only says whether they are up to date."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from openrek.settings import Settings
from scripts.generated import DOCS, run

PAGE = DOCS / "reference" / "settings.md"
SCRIPT = "scripts/settings_table.py"
TYPES = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "Fraction": "number",
    "bool": "true or false",
    "Path": "path",
}


def table() -> str:
    """All settings as Markdown."""
    lines = ["| Variable | In openrek.toml | Type | Default | |", "|---|---|---|---|---|"]
    for path, field in _settings(Settings):
        cells = (
            f"`OPENREK_{'__'.join(path).upper()}`",
            f"`{'.'.join(path)}`",
            _type(field.annotation),
            _default(field),
            field.description or "",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _settings(model: type[BaseModel], *above: str) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, *above, name)
        else:
            yield (*above, name), field


def _type(annotation: Any) -> str:
    if get_origin(annotation) is UnionType:
        return _type(next(kind for kind in get_args(annotation) if kind is not type(None)))
    if get_origin(annotation) is not None:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    return TYPES[annotation.__name__]


def _default(field: FieldInfo) -> str:
    return "" if field.default in (None, "") else f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


if __name__ == "__main__":
    run(__doc__ or "", PAGE, SCRIPT, table())
