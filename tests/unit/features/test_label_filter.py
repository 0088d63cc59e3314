import pytest

from openrek.features.label_filter import LabelFilter
from openrek.features.taxonomy import taxonomy

INCLUDE, EXCLUDE = "LabelInclusionFilters", "LabelExclusionFilters"
INCLUDE_CATEGORY, EXCLUDE_CATEGORY = "LabelCategoryInclusionFilters", "LabelCategoryExclusionFilters"
ALL = set(taxonomy().labels)
PETS = {name for name, label in taxonomy().labels.items() if "Animals and Pets" in label.categories}


def admitted(general):
    request = {"Settings": {"GeneralLabels": general}}
    return {name for name, label in taxonomy().labels.items() if LabelFilter.of(request).admits(label)}


@pytest.mark.parametrize("request_", [{}, {"Settings": {}}, {"Settings": {"GeneralLabels": {}}}, {"Features": ["GENERAL_LABELS"]}])
def test_without_filters_everything_is_wanted(request_):
    assert all(LabelFilter.of(request_).admits(label) for label in taxonomy().labels.values())


@pytest.mark.parametrize(
    ("general", "expected"),
    [
        ({INCLUDE: [], EXCLUDE: [], INCLUDE_CATEGORY: [], EXCLUDE_CATEGORY: []}, ALL),
        ({INCLUDE: ["Dog"]}, {"Dog"}),
        ({INCLUDE: ["Automobile"]}, {"Car"}),
        ({INCLUDE: ["dog", "AUTOMOBILE"]}, {"Dog", "Car"}),
        ({INCLUDE: ["Car"], INCLUDE_CATEGORY: ["Animals and Pets"]}, PETS | {"Car"}),
        ({INCLUDE_CATEGORY: ["animals and pets"]}, PETS),
        ({EXCLUDE: ["Human", "Dog"]}, ALL - {"Person", "Dog"}),
        ({EXCLUDE_CATEGORY: ["Animals and Pets"]}, ALL - PETS),
        ({INCLUDE: ["Dog", "Cat"], EXCLUDE: ["Cat"]}, {"Dog"}),
        ({INCLUDE: ["Dog", "Car"], EXCLUDE_CATEGORY: ["Animals and Pets"]}, {"Car"}),
        (
            {INCLUDE_CATEGORY: ["Animals and Pets"], EXCLUDE: ["Pet", "Mammal", "Canine", "Animal"]},
            PETS - {"Pet", "Mammal", "Canine", "Animal"},
        ),
        ({INCLUDE: ["Unicorn"]}, set()),
        ({INCLUDE: [""]}, set()),
        ({INCLUDE: ["Animals and Pets"]}, set()),
        ({INCLUDE_CATEGORY: ["Dog"]}, set()),
        ({EXCLUDE: ["Unicorn", ""], EXCLUDE_CATEGORY: ["Popular Landmark"]}, ALL),
    ],
)
def test_inclusions_are_a_union_and_exclusions_win(general, expected):
    assert admitted(general) == expected


def test_the_guides_example():
    general = {
        INCLUDE: ["Cat", "Dog"],
        EXCLUDE: ["Tiger"],
        INCLUDE_CATEGORY: ["Animals and Pets"],
        EXCLUDE_CATEGORY: ["Popular Landmark"],
    }
    assert admitted(general) == PETS
