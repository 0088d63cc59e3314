import json
from itertools import pairwise

import av
import numpy as np
import pytest
from feature_streams import luma, objects

from openrek.features.cuts import CHANGE, is_cut, with_cuts
from openrek.observations import LUMA_GRID

ROWS, COLUMNS = LUMA_GRID


def grid(*columns):
    """Tiles of which whole columns have the given levels, the rest 128."""
    tiles = np.full(LUMA_GRID, 128, np.uint8)
    tiles[:, : len(columns)] = columns
    return tiles


@pytest.mark.parametrize(
    ("before", "after", "cut"),
    [
        (grid(), grid(), False),
        (grid(), grid(0, 0, 0, 0, 0), True),
        (grid(), grid(0, 0, 0, 0), False),
        (grid(), np.full(LUMA_GRID, 128 + CHANGE, np.uint8), False),
        (grid(), np.full(LUMA_GRID, 128 + CHANGE + 1, np.uint8), True),
        (np.zeros(LUMA_GRID, np.uint8), np.zeros(LUMA_GRID, np.uint8), False),
        (np.zeros(LUMA_GRID, np.uint8), np.full(LUMA_GRID, CHANGE, np.uint8), False),
        (np.full(LUMA_GRID, 255, np.uint8), np.zeros(LUMA_GRID, np.uint8), True),
    ],
    ids=["same", "more than a quarter", "a quarter", "slightly lighter", "lighter", "black", "black noise", "white to black"],
)
def test_a_cut_changes_more_than_a_quarter_of_the_tiles(before, after, cut):
    assert is_cut(before, after) is cut
    assert is_cut(after, before) is cut


def test_black_bars_do_not_hide_a_cut():
    before, after = np.zeros((2, *LUMA_GRID), np.uint8)
    before[:, :3], after[:, :3] = 200, 50
    assert 3 / COLUMNS < 0.25
    assert is_cut(before, after)


def cuts(seen, light):
    return [cut for _, cut in with_cuts((objects(frame, frame, []) for frame in seen), (luma(f, f, shot) for f, shot in light))]


def test_every_shot_begins_with_a_cut():
    assert cuts([0, 5, 10, 15], [(0, 0), (5, 0), (10, 1), (15, 1)]) == [True, False, True, False]


def test_moments_are_matched_by_their_frames_and_a_missing_one_counts_as_a_cut():
    assert cuts([5, 10, 15, 20], [(0, 1), (5, 0), (7, 1), (15, 0), (20, 0)]) == [True, True, True, False]
    assert cuts([0, 5], []) == [True, True]
    assert cuts([], [(0, 0)]) == []


def tiles(path, per_second):
    """Tiles of the frames shown at `per_second` instants a second, with their times in seconds."""
    found, due = [], 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        frames = ((frame.time, frame) for frame in container.decode(stream))
        start, last = next(frames)
        for time, frame in frames:
            while due / per_second < time - start:
                luma_plane = last.reformat(width=COLUMNS * 20, height=ROWS * 20, format="gray", dst_color_range="JPEG").to_ndarray()
                found.append((due / per_second, luma_plane.reshape(ROWS, 20, COLUMNS, 20).mean((1, 3)).round().astype(np.uint8)))
                due += 1
            last = frame
    return found


def test_every_slide_begins_with_a_cut_and_none_is_within(shared):
    truth = json.loads((shared / "media/composed/dev_labels_slides.gt.json").read_text())["items"]
    seen = tiles(str(shared / "media/composed/dev_labels_slides.mp4"), 4)
    found = {time for (_, before), (time, after) in pairwise(seen) if is_cut(before, after)}
    assert found == {slide["start_ms"] / 1000 for slide in truth[1:]}


@pytest.mark.parametrize("clip", ["bottle-detection.mp4", "store-aisle-detection.mp4"])
def test_a_fixed_camera_is_hardly_ever_taken_for_cuts(shared, clip):
    seen = tiles(str(shared / "media/clips" / clip), 2)
    found = [is_cut(before, after) for (_, before), (_, after) in pairwise(seen)]
    assert sum(found) <= 0.05 * len(found)
