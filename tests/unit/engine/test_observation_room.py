"""How the store of observations makes room."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from openrek.engine.store import ObservationStore


@pytest.fixture
def store(tmp_path: Path) -> ObservationStore:
    """Four videos of 1000 bytes each, used one after the other."""
    store = ObservationStore(tmp_path / "observations")
    for number in range(4):
        folder = store.root / f"{number:02d}" / f"{number:02d}ff"
        for name in ("index", "demand/0-1"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(bytes(500))
        os.utime(folder, (number, number))
    return store


def left(store: ObservationStore) -> set[int]:
    return {int(folder.parent.name) for folder in store.root.glob("??/*")}


@pytest.mark.parametrize(("most", "kept"), [(4000, {0, 1, 2, 3}), (3999, {1, 2, 3}), (2000, {2, 3}), (0, set())])
def test_what_was_used_longest_ago_goes_first(most: int, kept: set[int], store: ObservationStore) -> None:
    assert store.sweep(most) == 4000 - 1000 * len(kept)
    assert left(store) == kept
    assert store.sweep(most) == 0


def test_what_is_used_now_stays(store: ObservationStore) -> None:
    assert store.sweep(2000, lambda identity: identity == "00ff") == 2000
    assert left(store) == {0, 3}


def test_using_a_video_keeps_it(store: ObservationStore) -> None:
    store.touch("00ff")
    store.sweep(1000)
    assert left(store) == {0}


def test_it_is_asked_at_the_last_moment_what_is_used(store: ObservationStore) -> None:
    used: set[str] = set()

    def in_use(identity: str) -> bool:
        used.add("01ff")  # a pass begins meanwhile
        return identity in used

    store.sweep(0, in_use)
    assert left(store) == {1}
