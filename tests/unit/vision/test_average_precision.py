"""The measure that models are compared by, against an example worked out by hand."""

import numpy as np
import pytest
from benchmarks.average_precision import Found, Truth, average_precision

A, B, C = (0, 0, 10, 10), (20, 0, 10, 10), (40, 0, 10, 10)
SHIFTED = (0, 0, 10, 20)  # overlaps A by 0.5
ELSEWHERE = (70, 70, 5, 5)


def truth(*boxes, kind=0, crowd=()):
    count = len(boxes)
    return Truth(np.array(boxes, float).reshape(-1, 4), np.full(count, kind), np.isin(np.arange(count), list(crowd)))


def found(*scored, kind=0):
    return Found(
        np.array([box for box, _ in scored], float).reshape(-1, 4),
        np.full(len(scored), kind),
        np.array([score for _, score in scored], float),
    )


def test_a_worked_example():
    # Two pictures, three objects. By falling confidence: hit, miss, hit, miss (a second box on A). Precision 1, 1/2, 2/3, 1/2 at recall 1/3, 1/3, 2/3, 2/3.
    # Interpolated: 1 for recalls 0 to 0.33 (34 points), 2/3 for 0.34 to 0.66 (33 points), 0 for the other 34.
    pictures = [truth(A, B), truth(C)]
    detections = [found((A, 0.9), (ELSEWHERE, 0.8), (A, 0.3)), found((C, 0.7))]
    assert average_precision(pictures, detections) == {0: pytest.approx((34 + 33 * 2 / 3) / 101)}


def test_everything_found_is_one_and_nothing_is_zero():
    assert average_precision([truth(A, B)], [found((B, 0.2), (A, 0.1))]) == {0: 1.0}
    assert average_precision([truth(A, B)], [found()]) == {0: 0.0}
    assert average_precision([truth()], [found((A, 0.5))]) == {}


def test_the_threshold_itself_is_a_hit():
    assert average_precision([truth(A)], [found((SHIFTED, 0.9))], 0.5) == {0: 1.0}
    assert average_precision([truth(A)], [found((SHIFTED, 0.9))], 0.51) == {0: 0.0}


def test_a_crowd_costs_and_earns_nothing():
    inside = (22, 2, 3, 3)
    pictures, detections = [truth(A, B, crowd=[1])], [found((inside, 0.9), (inside, 0.8), (A, 0.5))]
    assert average_precision(pictures, detections) == {0: 1.0}
    assert average_precision([truth(B, crowd=[0])], [found((B, 0.9))]) == {}


def test_an_object_is_found_once_and_by_the_box_that_fits_best():
    near = (1, 0, 10, 10)
    assert average_precision([truth(A, near)], [found((near, 0.9), (A, 0.8))]) == {0: 1.0}
    assert average_precision([truth(A)], [found((near, 0.9), (A, 0.8))]) == {0: 1.0}


def test_classes_are_apart():
    pictures = [Truth(np.array([A, B], float), np.array([3, 5]), np.zeros(2, bool))]
    detections = [Found(np.array([A, B], float), np.array([3, 3]), np.array([0.5, 0.9]))]
    assert average_precision(pictures, detections) == {3: 0.5, 5: 0.0}


def test_only_a_hundred_detections_of_a_picture_count():
    wrong = [(ELSEWHERE, 0.9)] * 100
    assert average_precision([truth(A)], [found(*wrong, (A, 0.1))]) == {0: 0.0}
    assert average_precision([truth(A)], [found(*wrong[1:], (A, 0.1))])[0] == pytest.approx(0.01)
