import json
import tracemalloc
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from feature_streams import BOX, CAR, CAT, DOG, PERSON, TRUCK, reduction, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from openrek.errors import ObservationError, SettingsError
from openrek.features.base import View
from openrek.features.labels import LabelDetection
from openrek.features.taxonomy import taxonomy
from openrek.observations import Demand, ModelFacts, Sampling

FEATURE = LabelDetection()
OUTPUT = ServiceModel(Loader().load_service_model("rekognition", "service-2")).operation_model("GetLabelDetection").output_shape
EVERYTHING = {"MinConfidence": 0.0}


def percent(confidence):
    return float(np.float32(float(np.float32(confidence)) * 100))


def names(found):
    return [(row["Timestamp"], row["Label"]["Name"]) for row in found]


class TestDemands:
    def test_objects_and_the_light_of_the_same_frames(self):
        sampling = Sampling("rate", Fraction(5, 2))
        assert FEATURE.demands({}, {"sampling_rate": "5/2", "smoothing": True}) == (
            Demand("objects", sampling),
            Demand("luma-statistics", sampling),
        )

    def test_without_smoothing_no_light(self):
        assert FEATURE.demands({}, {"sampling_rate": Fraction(2), "smoothing": False}) == (
            Demand("objects", Sampling("rate", Fraction(2))),
        )


class TestRows:
    def test_a_row_has_all_members_and_its_ancestors_are_rows(self):
        found = {row["Label"]["Name"]: row for row in rows("TIMESTAMPS", [(500, 0, [(DOG, 0.875, BOX)])])}
        assert found.keys() == {"Animal", "Canine", "Dog", "Mammal", "Pet"}
        assert found["Dog"] == {
            "Timestamp": 500,
            "Label": {
                "Name": "Dog",
                "Confidence": 87.5,
                "Instances": [{"BoundingBox": {"Left": 0.25, "Top": 0.25, "Width": 0.5, "Height": 0.5}, "Confidence": 87.5}],
                "Parents": [{"Name": "Animal"}, {"Name": "Canine"}, {"Name": "Mammal"}, {"Name": "Pet"}],
                "Aliases": [],
                "Categories": [{"Name": "Animals and Pets"}],
            },
        }
        assert found["Mammal"] == {
            "Timestamp": 500,
            "Label": {
                "Name": "Mammal",
                "Confidence": 87.5,
                "Instances": [],
                "Parents": [{"Name": "Animal"}],
                "Aliases": [],
                "Categories": [{"Name": "Animals and Pets"}],
            },
        }

    def test_an_ancestor_is_as_certain_as_its_most_certain_descendant(self):
        found = rows("TIMESTAMPS", [(0, 0, [(DOG, 0.625, BOX), (CAT, 0.75, BOX)])])
        confidences = {row["Label"]["Name"]: row["Label"]["Confidence"] for row in found}
        assert confidences == {"Animal": 75.0, "Canine": 62.5, "Cat": 75.0, "Dog": 62.5, "Mammal": 75.0, "Pet": 75.0}

    def test_a_label_is_as_certain_as_its_most_certain_instance(self):
        (row,) = rows("TIMESTAMPS", [(0, 0, [(PERSON, 0.75, BOX), (PERSON, 0.875, BOX), (PERSON, 0.25, BOX)])])
        assert row["Label"]["Confidence"] == 87.5
        assert [instance["Confidence"] for instance in row["Label"]["Instances"]] == [87.5, 75.0]

    def test_numbers_are_32_bit_numbers(self):
        (row,) = rows("TIMESTAMPS", [(0, 0, [(PERSON, 0.6051791763305664, (0.1, 0.2, 0.3, 0.4))])])
        (instance,) = row["Label"]["Instances"]
        numbers = [row["Label"]["Confidence"], instance["Confidence"], *instance["BoundingBox"].values()]
        assert numbers == [float(np.float32(number)) for number in numbers]

    def test_milliseconds_count_from_the_first_displayed_frame(self):
        frames = [(1001 + 4 * 1001, 0, [(PERSON, 0.9, BOX)])]
        (row,) = rows("TIMESTAMPS", frames, start_pts=1001, time_base=Fraction(1, 24_000))
        assert row["Timestamp"] == 166

    def test_classes_that_are_not_reported(self):
        assert rows("TIMESTAMPS", [(0, 0, [(PERSON, 0.9, BOX)])], unreported=(PERSON,)) == []

    def test_a_class_that_the_network_cannot_see_is_an_error(self):
        with pytest.raises(ObservationError):
            rows("TIMESTAMPS", [(0, 0, [(80, 0.9, BOX)])])

    def test_a_network_whose_classes_have_no_names_is_an_error(self):
        given_ = reduction([(0, 0, [])])
        given_.models["objects"] = ModelFacts("other", "0" * 64, "1", "imagenet-1k")
        with pytest.raises(SettingsError):
            list(FEATURE.reduce(given_))

    def test_a_video_without_frames_has_no_rows(self):
        assert list(FEATURE.reduce(reduction([], smoothing=True))) == []

    def test_rows_are_json(self):
        for _, row in FEATURE.reduce(reduction([(0, 0, [(DOG, 0.9, BOX)])])):
            assert json.loads(json.dumps(row)) == row

    def test_rows_hold_only_what_the_service_model_knows(self):
        def check(value, shape):
            if shape.type_name == "structure":
                assert value.keys() <= shape.members.keys()
                for name, member in value.items():
                    check(member, shape.members[name])
            elif shape.type_name == "list":
                for member in value:
                    check(member, shape.member)
            else:
                assert isinstance(value, {"string": str, "long": int, "float": float}[shape.type_name])

        for _, row in FEATURE.reduce(reduction([(0, 0, [(DOG, 0.9, BOX), (PERSON, 0.9, BOX)])])):
            check(row, OUTPUT.members[FEATURE.member].member)


class TestMinConfidence:
    seen = ((0, 0, [(PERSON, 0.5, BOX), (PERSON, 0.49, BOX), (CAR, 0.4, BOX), (TRUCK, 0.1, BOX)]),)

    def test_it_is_50_by_default_and_counts_for_labels_and_boxes(self):
        (row,) = rows("TIMESTAMPS", self.seen)
        assert row["Label"]["Name"] == "Person"
        assert [instance["Confidence"] for instance in row["Label"]["Instances"]] == [50.0]

    @pytest.mark.parametrize(
        ("least", "expected"),
        [
            (0.0, ["Car", "Person", "Transportation", "Truck", "Vehicle"]),
            (10.0, ["Car", "Person", "Transportation", "Truck", "Vehicle"]),
            (40, ["Car", "Person", "Transportation", "Vehicle"]),
            (50.1, []),
            (100, []),
        ],
    )
    def test_it_is_what_the_request_says(self, least, expected):
        assert [name for _, name in names(rows("TIMESTAMPS", self.seen, {"MinConfidence": least}))] == expected

    def test_a_confidence_that_was_returned_meets_itself(self):
        seen = [(0, 0, [(PERSON, 0.6051, BOX)])]
        (row,) = rows("TIMESTAMPS", seen)
        assert rows("TIMESTAMPS", seen, {"MinConfidence": row["Label"]["Confidence"]}) == [row]

    def test_thresholds_are_32_bit_numbers_too(self):
        (row,) = rows("TIMESTAMPS", [(0, 0, [(PERSON, 0.501, BOX)])], {"MinConfidence": 50.1})
        assert row["Label"]["Confidence"] < 50.1

    def test_certainty_is_100_percent(self):
        (row,) = rows("TIMESTAMPS", [(0, 0, [(PERSON, 1.0, BOX)])], {"MinConfidence": 100.0})
        assert row["Label"]["Confidence"] == 100.0


class TestFilters:
    seen = ((0, 0, [(DOG, 0.9, BOX), (CAR, 0.9, BOX)]),)

    def found(self, **filters):
        return [name for _, name in names(rows("TIMESTAMPS", self.seen, {"Settings": {"GeneralLabels": filters}}))]

    def test_ancestors_pass_on_their_own(self):
        assert self.found(LabelInclusionFilters=["Dog"]) == ["Dog"]
        assert self.found(LabelInclusionFilters=["Vehicle"]) == ["Vehicle"]
        assert self.found(LabelExclusionFilters=["Dog"]) == ["Animal", "Canine", "Car", "Mammal", "Pet", "Transportation", "Vehicle"]

    def test_categories(self):
        assert self.found(LabelCategoryInclusionFilters=["Vehicles and Automotive"]) == ["Car", "Transportation", "Vehicle"]

    def test_what_is_filtered_has_no_segment(self):
        request = {"Settings": {"GeneralLabels": {"LabelInclusionFilters": ["Dog"]}}}
        assert names(rows("SEGMENTS", self.seen, request)) == [(0, "Dog")]


class TestSegments:
    def test_a_segment_has_all_members_and_no_instances(self):
        seen = [(0, 0, []), (500, 0, [(PERSON, 0.75, BOX)]), (1000, 0, [(PERSON, 0.875, BOX)]), (1500, 0, [])]
        assert rows("SEGMENTS", seen) == [
            {
                "Timestamp": 500,
                "StartTimestampMillis": 500,
                "EndTimestampMillis": 1000,
                "DurationMillis": 500,
                "Label": {
                    "Name": "Person",
                    "Confidence": 87.5,
                    "Parents": [],
                    "Aliases": [{"Name": "Human"}],
                    "Categories": [{"Name": "Person Description"}],
                },
            }
        ]

    def test_an_ancestor_lasts_while_any_descendant_does(self):
        seen = [(0, 0, [(CAR, 0.9, BOX)]), (500, 0, [(TRUCK, 0.8, BOX)])]
        spans = {row["Label"]["Name"]: (row["StartTimestampMillis"], row["EndTimestampMillis"]) for row in rows("SEGMENTS", seen)}
        assert spans == {"Car": (0, 0), "Truck": (500, 500), "Vehicle": (0, 500), "Transportation": (0, 500)}

    def test_a_cut_does_not_end_what_goes_on(self):
        seen = [(n * 500, n // 2, [(PERSON, 0.9, BOX)]) for n in range(6)]
        assert names(rows("SEGMENTS", seen, smoothing=True)) == [(0, "Person")]


class TestOrders:
    seen = (
        (500, 0, [(PERSON, 0.6, BOX), (CAR, 0.9, BOX)]),
        (0, 0, [(PERSON, 0.8, BOX), (DOG, 0.7, BOX)]),
        (1000, 0, [(PERSON, 0.8, BOX)]),
    )

    @pytest.mark.parametrize("table", ["TIMESTAMPS", "SEGMENTS"])
    def test_the_first_order_is_by_time(self, table):
        assert list(FEATURE.tables) == ["TIMESTAMPS", "SEGMENTS"]
        assert list(FEATURE.tables[table].orders) == ["TIMESTAMP", "NAME"]

    def test_by_time_and_then_name(self):
        found = names(rows("TIMESTAMPS", self.seen))
        assert found == sorted(found)

    def test_by_name_the_most_confident_first_and_then_time(self):
        found = [row for table, row in FEATURE.reduce(reduction(self.seen)) if table == "TIMESTAMPS"]
        found.sort(key=FEATURE.tables["TIMESTAMPS"].orders["NAME"])
        people = [(row["Timestamp"], row["Label"]["Confidence"]) for row in found if row["Label"]["Name"] == "Person"]
        assert people == [(0, percent(0.8)), (1000, percent(0.8)), (500, percent(0.6))]
        assert [row["Label"]["Name"] for row in found] == sorted(row["Label"]["Name"] for row in found)

    def test_names_are_compared_by_code_points(self):
        order = FEATURE.tables["TIMESTAMPS"].orders["NAME"]
        given_ = [{"Timestamp": 0, "Label": {"Name": name, "Confidence": 50.0}} for name in ("Truck", "TV", "Toilet")]
        assert [row["Label"]["Name"] for row in sorted(given_, key=order)] == ["TV", "Toilet", "Truck"]


class TestGet:
    @pytest.mark.parametrize(
        ("request_", "view"),
        [
            ({}, View("TIMESTAMPS", "TIMESTAMP")),
            ({"SortBy": "NAME"}, View("TIMESTAMPS", "NAME")),
            ({"AggregateBy": "SEGMENTS"}, View("SEGMENTS", "TIMESTAMP")),
            ({"AggregateBy": "SEGMENTS", "SortBy": "NAME"}, View("SEGMENTS", "NAME")),
        ],
    )
    def test_what_is_paged_and_what_is_said_of_it(self, request_, view):
        assert FEATURE.view(request_) == view
        assert view.order in FEATURE.tables[view.table].orders
        described = FEATURE.describe(request_, {"objects": ModelFacts("yolox-nano", "0" * 64, "yolox-nano-1")})
        assert described == {
            "LabelModelVersion": "yolox-nano-1",
            "GetRequestMetadata": {"SortBy": view.order, "AggregateBy": view.table},
        }
        assert described.keys() <= OUTPUT.members.keys()

    @pytest.mark.parametrize("request_", [{}, {"Features": []}, {"Features": ["GENERAL_LABELS"]}])
    def test_whatever_the_model_admits_is_accepted(self, request_):
        FEATURE.check(request_)


# Properties.

boxes = st.tuples(*[st.integers(0, 8).map(lambda eighths: eighths / 16)] * 4)
detections = st.lists(
    st.tuples(st.sampled_from([PERSON, CAR, TRUCK, DOG, CAT]), st.integers(1, 20).map(lambda n: n / 20), boxes), max_size=6
)
videos = st.lists(st.tuples(st.sampled_from([0, 0, 1]), detections), max_size=12).map(
    lambda moments: [(number * 500, sum(cut for cut, _ in moments[: number + 1]), seen) for number, (_, seen) in enumerate(moments)]
)
requests = st.fixed_dictionaries({}, optional={"MinConfidence": st.sampled_from([0, 5, 30, 50, 80.0])})


def observed(seen):
    """Every box with its class's label, in one list a moment."""
    labels = taxonomy().vocabulary("coco-80")
    return {
        pts: [(labels[kind].name, tuple(float(np.float32(edge)) for edge in box), percent(confidence)) for kind, confidence, box in found]
        for pts, _, found in seen
    }


def returned(found):
    return {
        (row["Timestamp"], row["Label"]["Name"]): [
            (tuple(instance["BoundingBox"][side] for side in ("Left", "Top", "Width", "Height")), instance["Confidence"])
            for instance in row["Label"]["Instances"]
        ]
        for row in found
    }


@settings(deadline=None)
@given(videos, requests)
def test_without_smoothing_rows_are_what_was_seen(seen, request):
    least = request.get("MinConfidence", 50.0)
    expected = {}
    for pts, found in observed(seen).items():
        for name, box, confidence in found:
            if confidence >= least:
                expected.setdefault((pts, name), []).append((box, confidence))
    instances = returned(rows("TIMESTAMPS", seen, request))
    assert {key: sorted(value) for key, value in instances.items() if value} == {key: sorted(value) for key, value in expected.items()}
    ancestors = {(pts, parent) for pts, name in expected for parent in taxonomy().labels[name].parents}
    assert instances.keys() == expected.keys() | ancestors


@settings(deadline=None)
@given(videos)
def test_no_instance_is_invented_and_none_grows_more_certain(seen):
    known = observed(seen)
    for (pts, name), instances in returned(rows("TIMESTAMPS", seen, EVERYTHING, smoothing=True)).items():
        mine = [(box, confidence) for label, box, confidence in known[pts] if label == name]
        assert sorted(box for box, _ in instances) == sorted(box for box, _ in mine)
        for box, confidence in instances:
            assert any(box == seen_box and confidence <= seen_confidence for seen_box, seen_confidence in mine)


@settings(deadline=None)
@given(videos)
def test_smoothing_adds_and_takes_no_label_that_there_was_evidence_for(seen):
    assert names(rows("TIMESTAMPS", seen, EVERYTHING, smoothing=True)) == names(rows("TIMESTAMPS", seen, EVERYTHING))


@settings(deadline=None)
@given(videos, st.sampled_from([0, 20, 50, 70]), st.booleans())
def test_a_higher_threshold_gives_a_part_of_the_rows(seen, least, smoothing):
    everything = {
        (row["Timestamp"], row["Label"]["Name"]): row["Label"]["Confidence"]
        for row in rows("TIMESTAMPS", seen, EVERYTHING, smoothing=smoothing)
    }
    found = {
        (row["Timestamp"], row["Label"]["Name"]): row["Label"]["Confidence"]
        for row in rows("TIMESTAMPS", seen, {"MinConfidence": least}, smoothing=smoothing)
    }
    assert found == {key: confidence for key, confidence in everything.items() if confidence >= least}


@settings(deadline=None)
@given(videos, st.randoms(use_true_random=False), st.booleans())
def test_the_order_in_which_a_network_finds_things_does_not_show(seen, random, smoothing):
    shuffled = [(pts, shot, random.sample(found, len(found))) for pts, shot, found in seen]
    assert list(FEATURE.reduce(reduction(shuffled, EVERYTHING, smoothing=smoothing))) == list(
        FEATURE.reduce(reduction(seen, EVERYTHING, smoothing=smoothing))
    )


@settings(deadline=None)
@given(videos, st.sampled_from([PERSON, CAR, DOG]))
def test_what_else_is_seen_makes_no_difference_to_a_label(seen, kind):
    name = taxonomy().vocabulary("coco-80")[kind].name
    alone = [(pts, shot, [found for found in moment if found[0] == kind]) for pts, shot, moment in seen]

    def mine(moments):
        return [row for row in rows("TIMESTAMPS", moments, EVERYTHING, smoothing=True) if row["Label"]["Name"] == name]

    assert mine(seen) == mine(alone)


@settings(deadline=None)
@given(videos, st.integers(1, 11))
def test_nothing_crosses_a_cut(seen, at):
    before, after = seen[:at], [(pts, shot + 1, found) for pts, shot, found in seen[at:]]
    apart = rows("TIMESTAMPS", before, EVERYTHING, smoothing=True) + rows("TIMESTAMPS", after, EVERYTHING, smoothing=True)
    assert rows("TIMESTAMPS", before + after, EVERYTHING, smoothing=True) == apart


@settings(deadline=None)
@given(videos, requests, st.booleans())
def test_segments_partition_the_presence(seen, request, smoothing):
    found = {
        (row["Timestamp"], row["Label"]["Name"]): row["Label"]["Confidence"]
        for row in rows("TIMESTAMPS", seen, request, smoothing=smoothing)
    }
    covered = {}
    for row in rows("SEGMENTS", seen, request, smoothing=smoothing):
        start, end, name = row["StartTimestampMillis"], row["EndTimestampMillis"], row["Label"]["Name"]
        assert row["Timestamp"] == start
        assert row["DurationMillis"] == end - start
        inside = {pts: found[pts, name] for pts, _, _ in seen if start <= pts <= end}
        assert row["Label"]["Confidence"] == max(inside.values())
        assert not {start - 500, end + 500} & {pts for pts, label in found if label == name}
        assert not covered.keys() & {(pts, name) for pts in inside}
        covered |= {(pts, name): True for pts in inside}
    assert covered.keys() == found.keys()


@settings(deadline=None)
@given(videos, st.booleans())
def test_every_order_is_total(seen, smoothing):
    for name, table in FEATURE.tables.items():
        found = rows(name, seen, EVERYTHING, smoothing=smoothing)
        for key in table.orders.values():
            assert len({key(row) for row in found}) == len(found)


# Length.


def crowd(moments):
    """Six things at every instant, in shots of a minute."""
    for number in range(moments):
        yield number * 500, number // 120, [(n, 0.9, BOX) for n in range(6)]


@pytest.mark.parametrize("smoothing", [False, True])
def test_rows_come_while_the_video_is_read(smoothing):
    taken = 0

    def endless():
        nonlocal taken
        for moment in crowd(10**9):
            taken += 1
            yield moment

    found = FEATURE.reduce(reduction(endless(), smoothing=smoothing))
    assert len(list(islice(found, 1000))) == 1000
    assert taken < 300


def test_memory_does_not_grow_with_the_video():
    def peak(moments):
        tracemalloc.start()
        try:
            assert sum(1 for _ in FEATURE.reduce(reduction(Replayed(moments), smoothing=True))) > moments
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)
    assert peak(1200) < 1.2 * peak(300)


class Replayed:
    """A crowd that can be watched again, as observations can be read again."""

    def __init__(self, moments):
        self.moments = moments

    def __iter__(self):
        return crowd(self.moments)
