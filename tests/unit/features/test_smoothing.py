from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrek.features.sightings import Sample, Sighting
from openrek.features.smoothing import GAP, LIFT, NEAR, PEAK, smooth, smooth_signals
from openrek.geometry import Boxes

MILLIS = Fraction(1, 1000)


def smoothed(percents, interval=500, time_base=MILLIS):
    seen = np.array(percents, float)[:, None] / 100
    result = smooth_signals([n * interval for n in range(len(percents))], seen, time_base)
    return (result[:, 0] * 100).tolist()


def shown(percents, least=50):
    return [percent >= least for percent in percents]


def sighting(*confidences: float) -> Sighting:
    boxes: Boxes = np.array([(n / 16, 0.5, 0.25, confidence) for n, confidence in enumerate(confidences)], np.float32)
    return Sighting(float(np.float32(confidences[0])), boxes, np.array(confidences, np.float32))


class TestDips:
    def test_a_dip_with_evidence_is_lifted_to_the_lesser_neighbour(self):
        assert smoothed([90, 30, 60]) == pytest.approx([90, 60, 60])

    def test_little_evidence_is_lifted_a_little(self):
        assert smoothed([90, 5, 90]) == pytest.approx([90, 5 * LIFT, 90])

    def test_without_evidence_there_is_nothing_to_lift(self):
        assert smoothed([90, 90, 0, 90, 90]) == pytest.approx([90, 90, 0, 90, 90])

    def test_a_longer_gap_stays(self):
        assert smoothed([90, 90, 30, 30, 90, 90]) == pytest.approx([90, 90, 30, 30, 90, 90])

    def test_the_end_of_a_presence_is_not_drawn_out(self):
        percents = [90, 80, 45, 20, 5, 0]
        assert shown(smoothed(percents)) == shown(percents)

    def test_the_span_is_of_time_not_of_samples(self):
        dip = [90] * 6 + [30] * 9 + [90] * 6
        assert smoothed(dip, interval=100) == pytest.approx([90] * 21)
        assert smoothed(dip, interval=200) == pytest.approx(dip)


class TestPeaks:
    def test_a_weak_moment_alone_is_lowered(self):
        assert smoothed([0, 0, 60, 0, 0]) == pytest.approx([0, 0, 45, 0, 0])

    def test_a_strong_moment_alone_is_believed(self):
        assert smoothed([0, 0, 85, 0, 0]) == pytest.approx([0, 0, 85, 0, 0])

    def test_a_moment_with_support_is_believed(self):
        assert smoothed([0, 0, 60, 45, 0]) == pytest.approx([0, 0, 60, 45, 0])

    def test_two_moments_that_support_each_other_are_believed(self):
        assert smoothed([0, 0, 55, 55, 0, 0]) == pytest.approx([0, 0, 55, 55, 0, 0])

    def test_a_moment_stands_out_by_half_of_what_lasts(self):
        assert smoothed([20, 20, 60, 20, 20])[2] == pytest.approx(max(20 * PEAK, 60 * 60 / 80))
        assert smoothed([35, 35, 60, 35, 35])[2] == pytest.approx(35 * PEAK)

    def test_the_beginning_of_a_presence_is_not_delayed(self):
        percents = [0, 0, 56, 89, 90]
        assert smoothed(percents) == pytest.approx(percents)

    def test_three_of_many_samples_a_second_are_as_short_as_one_of_few(self):
        assert smoothed([0] * 20 + [60] * 3 + [0] * 20, interval=100)[20:23] == pytest.approx([45] * 3)
        assert smoothed([0] * 20 + [60] * 4 + [0] * 20, interval=100)[20:24] == pytest.approx([60] * 4)


@pytest.mark.parametrize(
    ("percents", "interval", "expected"),
    [
        ([0, 0, 0, 56, 20, 89, 89], 500, "___xxxx"),  # a visitor comes in
        ([0, 0, 5, 51, 0, 0, 0], 500, "_______"),  # a cat that is none
        ([6, 3, 50, 7, 5, 2], 500, "______"),  # a tie that is none
        ([23, 25, 32, 52, 39], 500, "___x_"),  # a table that comes into view
        ([78, 78, 61, 25, 87, 74, 11], 100, "xxxxxx_"),  # a visitor goes out
        ([76, 72, 80, 47, 84, 86, 84, 82, 22, 45, 12], 100, "xxxxxxxx___"),  # another
        ([34, 44, 50, 37, 60, 46, 45, 52], 100, "__xxxxxx"),  # a plant at the edge of confidence
    ],
)
def test_what_a_detector_saw_in_real_clips(percents, interval, expected):
    result = "".join("x" if present else "_" for present in shown(np.round(smoothed(percents, interval), 6)))
    assert result == expected


class TestShortAndSparse:
    @pytest.mark.parametrize("percents", [[], [55], [5]])
    def test_one_moment_stays_as_it_is(self, percents):
        assert smoothed(percents) == pytest.approx(percents)

    def test_the_first_and_last_moment_are_judged_by_the_one_neighbour_they_have(self):
        assert smoothed([60, 0]) == pytest.approx([45, 0])
        assert smoothed([0, 60]) == pytest.approx([0, 45])
        assert smoothed([60, 55]) == pytest.approx([60, 55])

    @pytest.mark.parametrize("interval", [700, 1000, 2000, 60_000])
    def test_few_samples_a_second_stay_as_they_are(self, interval):
        percents = [0, 55, 0, 90, 30, 90, 0, 60]
        assert smoothed(percents, interval) == pytest.approx(percents)

    def test_two_moments_at_the_same_time(self):
        assert smoothed([60, 60, 60], interval=0) == pytest.approx([60, 60, 60])

    @pytest.mark.parametrize("time_base", [Fraction(1, 2), Fraction(1, 90_000), Fraction(1001, 30_000)])
    def test_any_time_base(self, time_base):
        pts = [int(n / 2 / time_base) for n in range(9)]
        seen = np.array([0, 0, 0.6, 0, 0, 0, 0.9, 0.3, 0.9])[:, None]
        assert smooth_signals(pts, seen, time_base)[:, 0] == pytest.approx([0, 0, 0.45, 0, 0, 0, 0.9, 0.9, 0.9])


confidence = st.integers(0, 100).map(lambda percent: percent / 100)
signals = st.integers(1, 3).flatmap(
    lambda labels: st.lists(
        st.tuples(st.sampled_from([4, 40, 100, 300, 500, 700]), *[confidence] * labels),
        min_size=1,
        max_size=25,
    )
)


def columns(signal):
    table = np.array(signal)
    return np.cumsum(table[:, 0]).astype(int).tolist(), table[:, 1:]


@settings(deadline=None)
@given(signals)
def test_smoothing_stays_between_its_bounds(signal):
    pts, seen = columns(signal)
    result = smooth_signals(pts, seen, MILLIS)
    assert ((result > 0) == (seen > 0)).all()
    assert (result <= np.minimum(LIFT * seen, seen.max(axis=0)) + 1e-12).all()
    assert (result >= seen * np.minimum(seen / 0.8, 1) - 1e-12).all()


@settings(deadline=None)
@given(signals, st.data())
def test_more_evidence_is_never_worth_less(signal, data):
    pts, seen = columns(signal)
    row = data.draw(st.integers(0, len(pts) - 1))
    more = seen.copy()
    more[row] = np.minimum(more[row] + 0.2, 1.0)
    assert (smooth_signals(pts, more, MILLIS) >= smooth_signals(pts, seen, MILLIS) - 1e-12).all()


@settings(deadline=None)
@given(signals)
def test_labels_do_not_know_of_each_other(signal):
    pts, seen = columns(signal)
    together = smooth_signals(pts, seen, MILLIS)
    for column in range(seen.shape[1]):
        assert np.array_equal(smooth_signals(pts, seen[:, column : column + 1], MILLIS), together[:, column : column + 1])


@settings(deadline=None)
@given(signals)
def test_time_has_no_direction(signal):
    pts, seen = columns(signal)
    backwards = smooth_signals([pts[-1] - moment for moment in reversed(pts)], seen[::-1], MILLIS)
    assert backwards[::-1] == pytest.approx(smooth_signals(pts, seen, MILLIS))


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_at_two_samples_a_second_no_presence_begins_or_ends_elsewhere(present):
    percents = [90 if here else 0 for here in present]
    assert shown(smoothed(percents)) == present


# A stream of samples, through blocks and across cuts.


def samples(signal, cuts=()):
    pts, seen = columns(signal)
    return [
        Sample(moment, number == 0 or number in cuts, {f"label {n}": sighting(value) for n, value in enumerate(values) if value})
        for number, (moment, values) in enumerate(zip(pts, seen, strict=True))
    ]


@pytest.mark.parametrize("interval", [20, 100, 400, 500, 700, 3000])
def test_a_long_shot_in_blocks_is_what_it_is_at_once(interval):
    random = np.random.default_rng(interval)
    steps = random.integers(interval // 2, interval * 3 // 2, 2000)
    values = random.choice([0.0, 0.0, 0.2, 0.4, 0.55, 0.9], (2000, 2))
    signal = np.column_stack([steps, values])
    pts, seen = columns(signal)
    result = list(smooth(samples(signal), MILLIS))
    assert [sample.pts for sample in result] == pts
    found = [[sample.labels[f"label {n}"].confidence if f"label {n}" in sample.labels else 0.0 for n in range(2)] for sample in result]
    assert np.array(found) == pytest.approx(smooth_signals(pts, seen, MILLIS), rel=1e-6)


@settings(deadline=None)
@given(signals, st.data())
def test_nothing_crosses_a_cut(signal, data):
    cut = data.draw(st.integers(0, len(signal)))
    whole = samples(signal, cuts={cut})
    apart = [*smooth(whole[:cut], MILLIS), *smooth(whole[cut:], MILLIS)]
    together = list(smooth(whole, MILLIS))
    assert [(s.pts, s.cut, {name: x.confidence for name, x in s.labels.items()}) for s in together] == [
        (s.pts, s.cut, {name: x.confidence for name, x in s.labels.items()}) for s in apart
    ]


@settings(deadline=None)
@given(signals)
def test_boxes_are_those_that_were_seen(signal):
    given_ = samples(signal)
    for before, after in zip(given_, smooth(given_, MILLIS), strict=True):
        assert (before.pts, before.cut, before.labels.keys()) == (after.pts, after.cut, after.labels.keys())
        for name, seen in before.labels.items():
            now = after.labels[name]
            assert now.boxes is seen.boxes
            assert (now.confidences <= seen.confidences).all()
            assert now.confidence >= now.confidences[0]


def test_the_instances_of_a_lowered_label_are_lowered_alike():
    quiet = {}
    stream = [Sample(0, True, quiet), Sample(500, False, {"a": sighting(0.6, 0.3)}), Sample(1000, False, quiet)]
    (_, middle, _) = smooth(stream, MILLIS)
    assert middle.labels["a"].confidences.tolist() == pytest.approx([0.45, 0.225])
    assert middle.labels["a"].confidence == middle.labels["a"].confidences[0]


def test_the_instances_of_a_lifted_label_stay():
    low = sighting(0.4, 0.2)
    stream = [Sample(n * 500, n == 0, {"a": seen}) for n, seen in enumerate([sighting(0.9), low, sighting(0.9)])]
    (_, middle, _) = smooth(stream, MILLIS)
    assert middle.labels["a"].confidence == pytest.approx(0.9)
    assert middle.labels["a"].confidences is low.confidences


def test_a_stream_is_given_back_while_it_comes():
    """An endless shot at the highest rate: what is held covers seconds, not the video."""
    taken = 0

    def endless():
        nonlocal taken
        while True:
            yield Sample(taken * 1000 // 240, taken == 0, {"a": sighting(0.6)})
            taken += 1

    stream = smooth(endless(), MILLIS)
    for given_back in range(20_000):
        next(stream)
        assert taken - given_back <= 10 * (GAP + NEAR) * 240
