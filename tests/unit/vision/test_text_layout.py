"""Lines of print are found where they stand; pictures without print have none, or next to none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from openrek.observations import SCHEMAS, Observation, Observations
from openrek.vision.text_layout import HEIGHT, WIDTH, TextLayout
from openrek.vision.thumbnails import Thumbnails


class Still:
    """A picture of gray levels."""

    def __init__(self, levels: np.ndarray) -> None:
        self.levels = levels
        self.height, self.width = levels.shape

    def luma(self, width: int, height: int) -> np.ndarray:
        return cv2.resize(self.levels, (width, height), interpolation=cv2.INTER_AREA)

    def chroma(self, width: int, height: int) -> np.ndarray:
        return np.full((height, width, 2), 128, np.uint8)

    def luma_levels(self) -> np.ndarray:
        return np.bincount(self.levels.ravel(), minlength=256)


def observe(levels: np.ndarray) -> dict[str, np.ndarray]:
    with TextLayout() as measure:
        (columns,) = measure.observe([Still(levels)])
    batch = Observations.gather("text-layout", [Observation(0, 0, columns)])
    assert len(Observations.from_bytes("text-layout", batch.to_bytes())) == 1
    return dict(columns)


def board(lines: list[tuple[str, int, int, float]], ground: int, ink: int) -> np.ndarray:
    picture = np.full((2 * HEIGHT, 2 * WIDTH), ground, np.uint8)
    for text, left, base, size in lines:
        cv2.putText(picture, text, (left, base), cv2.FONT_HERSHEY_DUPLEX, size, ink, max(1, round(size * 1.5)), cv2.LINE_AA)
    return picture


@pytest.mark.parametrize(("ground", "ink"), [(0, 255), (30, 200), (235, 20), (128, 250)])
def test_lines_are_where_they_stand(ground: int, ink: int) -> None:
    lines = [("DIRECTED BY", 400, 200, 1.0), ("MARGARET ATWATER", 300, 300, 2.0), ("and many others", 500, 600, 1.2)]
    found = observe(board(lines, ground, ink))
    assert len(found["boxes"]) == 3
    for box, (text, left, base, size) in zip(found["boxes"], lines, strict=True):
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, size, max(1, round(size * 1.5)))
        assert box == pytest.approx([left / 1280, (base - height) / 720, width / 1280, height / 720], abs=0.045)
    assert (found["regularity"] > 0.6).all()
    assert (found["glyphs"] >= 8).all()


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_pictures_without_print(name: str) -> None:
    picture = cv2.cvtColor(getattr(data, name)(), cv2.COLOR_RGB2GRAY)
    assert observe(picture)["glyphs"].sum() < 40


@pytest.mark.parametrize("picture", [np.zeros((90, 160), np.uint8), np.full((2, 2), 255, np.uint8)])
def test_nothing(picture: np.ndarray) -> None:
    assert len(observe(picture)["boxes"]) == 0


def test_noise_is_no_print() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    assert len(observe(noise)["boxes"]) < 10


def test_a_thumbnail() -> None:
    levels = np.zeros((270, 480), np.uint8)
    levels[:, 240:] = 200
    with Thumbnails() as measure:
        (columns,) = measure.observe([Still(levels)])
    batch = Observations.gather("thumbnail", [Observation(0, 0, columns)])
    assert Observations.from_bytes("thumbnail", batch.to_bytes()).counts.tolist() == [1]
    assert {name: column.dtype for name, column in columns.items()} == {n: np.dtype(c.dtype) for n, c in SCHEMAS["thumbnail"].items()}
    assert (columns["luma"][0][:, :24] == 0).all()
    assert (columns["luma"][0][:, 24:] == 200).all()
    assert columns["levels"][0][[0, 200]].tolist() == [32767, 32767]
