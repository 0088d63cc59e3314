"""Light and loudness, against what they are by definition."""

import numpy as np
import pytest

from openrek.observations import SCHEMAS, Observation, Observations
from openrek.vision.measures import LOUDEST, SILENCE, Loudness, LumaStatistics


class Flat:
    """A picture of one luma view, whatever size is asked for."""

    width, height = 1920, 1080

    def __init__(self, view):
        self.view = view

    def luma(self, width, height):
        return self.view(width, height)


def observe(view):
    with LumaStatistics() as measure:
        (columns,) = measure.observe([Flat(view)])
    return columns


@pytest.mark.parametrize("level", [0, 7, 8, 128, 255])
def test_a_flat_picture(level):
    columns = observe(lambda width, height: np.full((height, width), level, np.uint8))
    assert columns["mean"] == pytest.approx([level / 255])
    assert columns["histogram"].tolist() == [[float(i == level // 8) for i in range(32)]]
    assert (columns["grid"] == level).all()


def test_a_picture_of_many_levels():
    rng = np.random.default_rng(0)
    made = {}

    def view(width, height):
        made["view"] = rng.integers(0, 256, (height, width), np.uint8)
        return made["view"]

    columns = observe(view)
    luma = made["view"]
    assert columns["mean"] == pytest.approx([luma.mean() / 255], abs=1e-6)
    np.testing.assert_allclose(columns["histogram"][0], np.histogram(luma, 32, (0, 256))[0] / luma.size, atol=1e-6)
    rows, width = luma.shape[0] // 9, luma.shape[1] // 16
    for row, column in np.ndindex(9, 16):
        tile = luma[row * rows : (row + 1) * rows, column * width : (column + 1) * width]
        assert columns["grid"][0, row, column] == round(tile.mean())


def test_a_tile_is_where_it_is_in_the_picture():
    def view(width, height):
        luma = np.zeros((height, width), np.uint8)
        luma[: height // 9, -width // 16 :] = 200
        return luma

    grid = observe(view)["grid"][0]
    assert grid[0, 15] == 200
    assert grid.sum() == 200


def rms(block):
    with Loudness() as measure:
        (columns,) = measure.observe([np.asarray(block, np.float32)])
    return columns["rms"]


@pytest.mark.parametrize(
    ("block", "decibels"),
    [
        (np.ones(480), 0.0),
        (np.full((480, 2), 0.1), -20.0),
        (np.sin(np.linspace(0, 40 * np.pi, 48_000, endpoint=False)), -3.0103),
        (np.stack([np.ones(10), -np.ones(10)], axis=1), 0.0),  # out of phase is not silent
        (np.stack([np.ones(10), np.zeros(10)], axis=1), -3.0103),
        (np.zeros(480), SILENCE),
        (np.zeros(0), SILENCE),
        (np.full(480, 1e-30), SILENCE),
        (np.full(480, 1e30), LOUDEST),
        ([np.nan, np.inf, -np.inf], LOUDEST),
        ([np.nan, 1.0, 1.0, np.nan], -3.0103),
    ],
)
def test_loudness(block, decibels):
    assert rms(block) == pytest.approx([decibels], abs=1e-3)


def test_both_fit_their_schemas():
    assert SCHEMAS["loudness"]["rms"].low == SILENCE
    assert SCHEMAS["loudness"]["rms"].high == LOUDEST
    batches = [
        ("luma-statistics", observe(lambda width, height: np.full((height, width), 255, np.uint8))),
        ("loudness", {"rms": rms([1e30])}),
        ("loudness", {"rms": rms([0])}),
    ]
    for role, columns in batches:
        batch = Observations.gather(role, [Observation(0, 0, columns)])
        assert Observations.from_bytes(role, batch.to_bytes()).counts.tolist() == [1]
        assert {name: column.dtype for name, column in columns.items()} == {name: np.dtype(c.dtype) for name, c in SCHEMAS[role].items()}
