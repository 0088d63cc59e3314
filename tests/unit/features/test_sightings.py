import random

import numpy as np
import pytest
from feature_streams import BOX, CAR, DOG, PERSON, objects

from openrek.errors import ObservationError
from openrek.features.sightings import sightings
from openrek.features.taxonomy import Label, taxonomy

COCO = taxonomy().vocabulary("coco-80")


def seen(detections, classes=COCO, unreported=()):
    (sample,) = sightings([(objects(7, 3, detections), True)], classes, unreported)
    assert (sample.pts, sample.cut) == (7, True)
    return sample.labels


def test_instances_are_grouped_by_label_the_most_confident_first():
    labels = seen([(PERSON, 0.5, BOX), (CAR, 0.25, BOX), (PERSON, 0.75, (0.0, 0.0, 0.5, 0.5))])
    assert labels.keys() == {"Person", "Car"}
    assert labels["Person"].confidence == 0.75
    assert labels["Person"].confidences.tolist() == [0.75, 0.5]
    assert labels["Person"].boxes.tolist() == [[0.0, 0.0, 0.5, 0.5], list(BOX)]


def test_nothing_seen_is_no_label():
    assert seen([]) == {}


def test_the_order_in_which_boxes_were_found_does_not_show():
    detections = [(random.Random(n).choice([PERSON, CAR]), 0.5 + n % 2 / 4, (n / 10, 0.1, 0.2, 0.3)) for n in range(8)]
    expected = seen(detections)
    for order in range(10):
        random.Random(order).shuffle(detections)
        labels = seen(detections)
        assert labels.keys() == expected.keys()
        for name, sighting in labels.items():
            assert np.array_equal(sighting.boxes, expected[name].boxes)
            assert np.array_equal(sighting.confidences, expected[name].confidences)


def test_classes_of_one_label_become_one():
    one = Label("One", (), (), ())
    labels = seen([(0, 0.5, BOX), (1, 0.75, BOX)], classes=(one, one))
    assert labels.keys() == {"One"}
    assert labels["One"].confidences.tolist() == [0.75, 0.5]


def test_classes_that_the_network_does_not_know_well_are_passed_over():
    assert seen([(PERSON, 0.9, BOX), (DOG, 0.5, BOX)], unreported=(PERSON,)).keys() == {"Dog"}


def test_a_class_that_the_network_does_not_have_is_refused():
    with pytest.raises(ObservationError, match="80"):
        seen([(80, 0.5, BOX)])
