from hypothesis import given, settings
from hypothesis import strategies as st

from openrek.features.aggregation import Span, Spans


def spans(instants):
    running = Spans()
    found = [span for instant in instants for span in running.advance(*instant)]
    return found + running.finish()


def test_a_span_ends_at_the_last_instant_that_shows_it():
    assert spans([(0, {"a": 50.0}), (500, {"a": 70.0}), (1000, {}), (1500, {"a": 60.0})]) == [
        Span("a", 0, 500, 70.0),
        Span("a", 1500, 1500, 60.0),
    ]


def test_nothing_comes_of_nothing():
    assert spans([]) == []
    assert spans([(0, {}), (500, {})]) == []


def test_what_ends_together_comes_in_the_order_of_names():
    assert [span.name for span in spans([(0, {"b": 1.0, "a": 1.0}), (1, {})])] == ["a", "b"]


presence = st.lists(st.dictionaries(st.sampled_from("abc"), st.floats(0, 100), max_size=3), max_size=30)


@settings(deadline=None)
@given(presence)
def test_spans_partition_what_is_present(instants):
    found = spans(list(enumerate(instants)))
    shown = [(instant, span.name) for span in found for instant in range(span.start, span.end + 1)]
    assert sorted(shown) == sorted((instant, name) for instant, present in enumerate(instants) for name in present)
    for span in found:
        assert span.confidence == max(instants[instant][span.name] for instant in range(span.start, span.end + 1))
        assert span.start == 0 or span.name not in instants[span.start - 1]
        assert span.end == len(instants) - 1 or span.name not in instants[span.end + 1]
