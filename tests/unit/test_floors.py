"""Imports run downwards: a package uses what lies on floors below its own, and nothing beside or above it. There are no circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import openrek

SOURCE = Path(openrek.__file__).parent

FLOORS = {
    1: ("errors", "clock", "timecode", "geometry", "video", "observations", "settings", "log", "db", "migrations"),
    2: ("awsmodel", "media", "vision"),
    3: ("features",),
    4: ("engine", "jobs"),
    5: ("worker", "operations"),
    6: ("wire", "localaws"),
    7: ("server",),
    8: ("cli",),
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names}
PIXELS = {"media", "vision", "av", "cv2", "openvino", "onnxruntime"}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(path: Path) -> set[str]:
    """Full names of what a module imports, wherever it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_every_package_has_a_floor() -> None:
    assert {package(name) for name, _ in modules()} - {""} == set(FLOOR)


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_run_downwards(name: str, path: Path) -> None:
    own = package(name)
    for other in imports(path):
        if other.startswith("openrek.") and package(other) in FLOOR and package(other) != own:
            below = FLOOR[package(other)] < FLOOR.get(own, 0)
            assert below or (FLOOR[own] == 1 and FLOOR[package(other)] == 1), f"{name} imports {other}"


@pytest.mark.parametrize(
    ("name", "path"), [m for m in modules() if package(m[0]) == "features"], ids=lambda v: v if isinstance(v, str) else ""
)
def test_features_see_no_pixels(name: str, path: Path) -> None:
    assert not {other for other in imports(path) if other.split(".")[0] in PIXELS or package(other) in PIXELS}


def test_no_circles() -> None:
    known = dict(modules())
    graph = {name: {other for other in imports(path) if other in known and other != name} for name, path in known.items()}
    # A package may import its own modules, and a module its package's name.
    graph = {name: {other for other in others if not name.startswith(f"{other}.")} for name, others in graph.items()}
    tuple(TopologicalSorter(graph).static_order())
