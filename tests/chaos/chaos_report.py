"""Tables of what was measured, printed when all is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

Report = Callable[..., None]
"""Adds a row to a table: its title, and cells."""

_tables: dict[str, list[tuple[str, ...]]] = {}


def add(title: str, *cells: object) -> None:
    """Add a row to a table."""
    _tables.setdefault(title, []).append(tuple(f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells))


def lines() -> Iterator[str]:
    """All tables, columns below each other."""
    for title, rows in _tables.items():
        yield title
        widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(max(map(len, rows)))]
        for row in rows:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        yield ""
