"""The detector against a plain reference that does one thing after the other."""

import json
import math

import numpy as np
import pytest
from benchmarks.average_precision import average_precision
from benchmarks.detectors import found_by, truths_in
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from openrek.errors import ModelCorruptError
from openrek.geometry import Letterbox
from openrek.observations import Observation, Observations
from openrek.vision import objects
from openrek.vision.catalogue import InputFacts, catalogue
from openrek.vision.objects import CANDIDATES, FLOOR, MOST, OVERLAP, ObjectDetector, detect, suppress
from openrek.vision.runtimes import open_session

SIDE = 64
CELLS = 8 * 8 + 4 * 4 + 2 * 2


def overlap(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union else 0.0


def greedy(boxes, kinds):
    """Indices that stay, of boxes in the order of falling confidence."""
    stay = []
    for i in range(len(boxes)):
        if not any(kinds[i] == kinds[j] and overlap(boxes[i], boxes[j]) > OVERLAP for j in stay):
            stay.append(i)
    return stay


def reference(output, side):
    """Every detection as (confidence, class, corners), one cell and one class after the other."""
    candidates, cell = [], 0
    for stride in (8, 16, 32):
        for y in range(side // stride):
            for x in range(side // stride):
                dx, dy, w, h, certain, *classes = (float(value) for value in output[cell])
                cx, cy, w, h = (x + dx) * stride, (y + dy) * stride, math.exp(w) * stride, math.exp(h) * stride
                for kind, probability in enumerate(classes):
                    score = float(np.float32(certain) * np.float32(probability))
                    if score >= np.float32(FLOOR):
                        candidates.append((-score, kind, cell, (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)))
                cell += 1
    candidates.sort()
    stay = greedy([c[3] for c in candidates], [c[1] for c in candidates])
    return [(-candidates[i][0], candidates[i][1], candidates[i][3]) for i in stay]


def equal_to_reference(output, side):
    corners, confidence, kinds = detect(output, side)
    expected = reference(output, side)
    assert [int(kind) for kind in kinds] == [kind for _, kind, _ in expected]
    np.testing.assert_allclose(confidence, [score for score, _, _ in expected], rtol=0, atol=1e-6)
    np.testing.assert_allclose(corners.reshape(-1, 4), np.array([box for _, _, box in expected]).reshape(-1, 4), rtol=1e-9, atol=1e-6)
    return len(expected)


def random_output(seed, classes=80, crowd=0.3):
    random = np.random.default_rng(seed)
    output = random.uniform(0, 1, (CELLS, 5 + classes)).astype(np.float32) ** 4
    output[:, :2] = random.normal(0.5, 1, (CELLS, 2))
    output[:, 2:4] = random.normal(0.7, 0.5, (CELLS, 2))
    output[random.uniform(size=CELLS) > crowd, 4] = 0
    return output


@pytest.mark.parametrize("seed", range(6))
def test_random_outputs_are_read_as_the_reference_reads_them(seed):
    assert equal_to_reference(random_output(seed, classes=3), SIDE) > 5


def test_equal_confidences_have_one_order():
    output = random_output(1, classes=3)
    output[:, 4:] = 0.5
    equal_to_reference(output, SIDE)


def test_a_real_output_is_read_as_the_reference_reads_it(nano, photos):
    with open_session(nano, pixels=True) as session:
        for name in ("000000397133.jpg", "000000252219.jpg"):
            photo = photos(name)
            square = np.full((1, 416, 416, 3), 114, np.uint8)
            letterbox = Letterbox(photo.width, photo.height, 416)
            square[0, : letterbox.scaled[1], : letterbox.scaled[0]] = photo.bgr(letterbox)
            (output,) = session.infer(square)
            assert equal_to_reference(output[0], 416) > 10


corner_boxes = arrays.arrays(np.float64, st.tuples(st.integers(0, 25), st.just(4)), elements=st.integers(0, 8).map(float)).map(
    lambda boxes: np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
)


@settings(max_examples=300, deadline=None)
@given(corner_boxes, st.integers(1, 3))
def test_suppression_is_greedy(boxes, classes):
    kinds = np.sort(np.arange(len(boxes)) % classes)
    assert suppress(boxes, kinds).tolist() == greedy(boxes.tolist(), kinds.tolist())


def test_a_long_chain_of_overlaps_is_undone_link_by_link():
    left = np.arange(40.0)
    chain = np.stack([left, 0 * left, left + 3, 0 * left + 1], axis=1)  # each overlaps the next by half, and no other by enough
    assert suppress(chain, np.zeros(40, np.intp)).tolist() == list(range(0, 40, 2))


def test_the_floor_is_kept_and_classes_do_not_disturb_each_other():
    output = np.zeros((CELLS, 7), np.float32)
    output[0] = (0.5, 0.5, 0, 0, 1.0, FLOOR, 0.5)
    output[1] = (-0.5, 0.5, 0, 0, 1.0, np.nextafter(np.float32(FLOOR), np.float32(0)), 0.4)
    corners, confidence, kinds = detect(output, SIDE)
    assert kinds.tolist() == [1, 0]
    np.testing.assert_allclose(confidence, [0.5, FLOOR], rtol=1e-6)
    np.testing.assert_allclose(corners, [[0, 0, 8, 8]] * 2)


def test_nothing_is_nothing():
    corners, confidence, kinds = detect(np.zeros((CELLS, 85), np.float32), SIDE)
    assert (corners.shape, confidence.shape, kinds.shape) == ((0, 4), (0,), (0,))


def test_very_many_candidates_are_bounded_to_the_most_confident(monkeypatch):
    monkeypatch.setattr(objects, "CANDIDATES", 10)
    output = random_output(2)
    output[:, 2:4] = -3  # too small to overlap
    corners, confidence, _ = detect(output, SIDE)
    assert len(corners) == 10
    scores = output[:, 4:5] * output[:, 5:]
    np.testing.assert_array_equal(confidence, np.sort(scores.ravel())[::-1][:10])
    assert CANDIDATES >= MOST


@pytest.fixture
def detector(recording_detector):
    """A detector whose network always answers the same."""

    def make(output):
        entry = catalogue().named("yolox-nano").model_copy(update={"input": InputFacts(side=SIDE)})
        return ObjectDetector(entry, open_session([recording_detector(output[None])], pixels=True))

    return make


def box_output(*boxes):
    """An output that shows boxes (left, top, right, bottom in pixels, confidence, class), one in each of the first cells of stride 8."""
    output = np.zeros((CELLS, 85), np.float32)
    for cell, (left, top, right, bottom, confidence, kind) in enumerate(boxes):
        x, y = cell % 8, cell // 8
        output[cell, :4] = (left + right) / 16 - x, (top + bottom) / 16 - y, math.log((right - left) / 8), math.log((bottom - top) / 8)
        output[cell, 4], output[cell, 5 + kind] = 1, confidence
    return output


def test_boxes_become_ratios_of_the_frame_without_its_padding(detector, photo):
    with detector(box_output((0, 0, 32, 16, 0.9, 7), (16, 8, 48, 24, 0.8, 3))) as wide:
        (columns,) = wide.observe([photo(np.zeros((200, 400, 3), np.uint8))])  # 64 x 32 in the square
    np.testing.assert_allclose(columns["boxes"], [[0, 0, 0.5, 0.5], [0.25, 0.25, 0.5, 0.5]], atol=1e-6)
    np.testing.assert_allclose(columns["confidence"], [0.9, 0.8], rtol=1e-6)
    assert columns["kind"].tolist() == [7, 3]
    assert {name: column.dtype.name for name, column in columns.items()} == {"boxes": "float32", "confidence": "float32", "kind": "int16"}


def test_boxes_are_clipped_to_the_frame_and_dropped_in_the_padding(detector, photo):
    with detector(box_output((-20, -20, 20, 20, 0.9, 1), (10, 40, 30, 60, 0.8, 2), (40, 20, 90, 60, 0.7, 3))) as wide:
        (columns,) = wide.observe([photo(np.zeros((200, 400, 3), np.uint8))])
    assert columns["kind"].tolist() == [1, 3]
    np.testing.assert_allclose(columns["boxes"], [[0, 0, 20 / 64, 20 / 32], [40 / 64, 20 / 32, 24 / 64, 12 / 32]], atol=1e-6)


def test_a_network_that_answers_nonsense_makes_no_nonsense_observations(detector, photo):
    twice = (32, 32, 48, 48, 0.5, 9)
    output = box_output((0, 0, 32, 16, 0.9, 7), (16, 8, 48, 24, 0.8, 3), (16, 8, 48, 24, 0.7, 5), (0, 0, 9, 9, 0.6, 1), twice, twice)
    output[0, 4] = np.nan
    output[1, 0] = np.nan
    output[2, 2:4] = 80
    output[3, 4] = 7
    with detector(output) as broken:
        (columns,) = broken.observe([photo(np.zeros((64, 64, 3), np.uint8))])
    assert columns["kind"].tolist() == [1, 5, 9]
    assert columns["confidence"].tolist() == pytest.approx([1.0, 0.7, 0.5])
    batch = Observations.gather("objects", [Observation(0, 0, columns)])
    assert len(Observations.from_bytes("objects", batch.to_bytes())) == 1


def test_at_most_so_many_detections_are_kept(nano, detector, photo):
    output = random_output(3, crowd=1.0)
    output[:, 2:4] = -3
    with detector(output) as crowded:
        (columns,) = crowded.observe([photo(np.zeros((64, 64, 3), np.uint8))])
    assert len(columns["kind"]) == MOST
    assert (np.diff(columns["confidence"]) <= 0).all()


def test_what_the_network_sees_is_the_frame_at_the_top_left_of_grey(photo):
    class Seeing:
        threads = 1
        inputs = (type("Facts", (), {"shape": (1, SIDE, SIDE, 3)}),)
        outputs = (type("Facts", (), {"shape": (1, CELLS, 85)}),)
        seen = ()

        def infer_each(self, batches):
            self.seen = [inputs[0] for inputs in batches]
            return [(np.zeros((1, CELLS, 85), np.float32),) for _ in batches]

        def close(self):
            pass

    session = Seeing()
    entry = catalogue().named("yolox-nano").model_copy(update={"input": InputFacts(side=SIDE)})
    frame = np.random.default_rng(0).integers(0, 256, (50, 100, 3), np.uint8)
    with ObjectDetector(entry, session) as seeing:
        seeing.observe([photo(frame), photo(frame.transpose(1, 0, 2).copy())])
    wide, tall = session.seen
    np.testing.assert_array_equal(wide[0, :32], photo(frame).bgr(Letterbox(100, 50, SIDE)))
    assert (wide[0, 32:] == 114).all()
    assert (tall[0, :, 32:] == 114).all()
    assert not (tall[0, :, :32] == 114).all()


def test_a_network_of_another_shape_is_refused(recording_detector):
    session = open_session([recording_detector(np.zeros((1, CELLS, 85)))], pixels=True)
    with pytest.raises(ModelCorruptError, match="yolox-nano is not a YOLOX network of 416 pixels with the classes coco-80"):
        ObjectDetector(catalogue().named("yolox-nano"), session)


def test_observations_do_not_depend_on_batches_or_threads(nano, photos):
    names = ["000000397133.jpg", "000000037777.jpg", "000000252219.jpg", "000000087038.jpg", "000000174482.jpg"]
    entry = catalogue().named("yolox-nano")
    with (
        ObjectDetector(entry, open_session(nano, pixels=True)) as one,
        ObjectDetector(entry, open_session(nano, threads=2, pixels=True)) as two,
    ):
        assert (one.at_once, two.at_once) == (1, 2)
        alone = [one.observe([photos(name)])[0] for name in names]
        together = two.observe([photos(name) for name in names])
    for a, b in zip(alone, together, strict=True):
        assert len(a["kind"]) > 3
        for column in a:
            np.testing.assert_array_equal(a[column], b[column])


def test_accuracy_on_real_photographs(nano, photos, shared):
    """COCO's AP@0.5 of YOLOX-Nano on the 100 evaluation photographs is 0.412 with every detection kept; the floor costs 0.006."""
    data = json.loads((shared / "media/labels/instances_dev.json").read_text())
    truths = truths_in(data)
    with ObjectDetector(catalogue().named("yolox-nano"), open_session(nano, pixels=True)) as detector:
        found = found_by(detector, [photos(image["file_name"]) for image in data["images"]])
    precision = average_precision(truths, found)
    assert np.mean(list(precision.values())) == pytest.approx(0.412, abs=0.01)
    assert precision[0] == pytest.approx(0.65, abs=0.03)  # persons
