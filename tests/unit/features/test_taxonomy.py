"""The taxonomy is data; these tests are its schema."""

import re
import tomllib
from importlib import resources

import pytest
from botocore.loaders import Loader

from openrek.errors import SettingsError
from openrek.features.taxonomy import taxonomy

COCO = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign parking_meter bench bird cat dog horse "
    "sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat "
    "baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli "
    "carrot hot_dog pizza donut cake chair couch potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave "
    "oven toaster sink refrigerator book clock vase scissors teddy_bear hair_drier toothbrush"
)


@pytest.fixture(scope="module")
def data():
    return tomllib.loads(resources.files("openrek.features").joinpath("taxonomy.toml").read_text("utf-8"))


def test_the_file_has_its_parts_and_no_others(data):
    assert set(data) == {"categories", "vocabularies", "labels"}
    for facts in data["labels"].values():
        assert set(facts) == {"parents", "aliases", "categories"}
        assert all(isinstance(value, str) and value for values in facts.values() for value in values)
    for classes in data["vocabularies"].values():
        assert all(set(known) == {"class", "label"} for known in classes)


def test_categories_are_the_ones_that_rekognition_publishes(data):
    assert len(data["categories"]) == len(set(data["categories"])) == 40
    assert data["categories"] == sorted(data["categories"], key=str.casefold)
    for name, facts in data["labels"].items():
        assert facts["categories"], name
        assert set(facts["categories"]) <= set(data["categories"]), name


def test_every_parent_is_a_label_and_none_is_its_own_ancestor():
    labels = taxonomy().labels
    for label in labels.values():
        assert set(label.parents) <= labels.keys()
        assert label.name not in label.parents
        for parent in label.parents:
            assert set(labels[parent].parents) < set(label.parents), f"{label.name} lacks an ancestor that {parent} has"


def test_parents_are_the_nearest_and_all_lists_are_in_order(data):
    labels = taxonomy().labels
    for name, facts in data["labels"].items():
        assert not any(a in labels[b].parents for a in facts["parents"] for b in facts["parents"]), name
        for values in facts.values():
            assert values == sorted(set(values)), name
        assert list(labels[name].parents) == sorted(set(labels[name].parents)), name


def test_no_name_means_two_labels(data):
    meanings = [word.casefold() for name, facts in data["labels"].items() for word in (name, *facts["aliases"])]
    assert len(meanings) == len(set(meanings))


def test_every_label_can_be_named_in_a_filter(data):
    shape = Loader().load_service_model("rekognition", "service-2")["shapes"]["GeneralLabelsFilterValue"]
    for word in [*data["categories"], *(word for name, facts in data["labels"].items() for word in (name, *facts["aliases"]))]:
        assert re.fullmatch(shape["pattern"], word)
        assert len(word) <= shape["max"]


def test_all_classes_of_coco_have_a_label_and_no_label_is_idle(data):
    assert [known["class"] for known in data["vocabularies"]["coco-80"]] == [name.replace("_", " ") for name in COCO.split()]
    reachable = {name for label in taxonomy().vocabulary("coco-80") for name in (label.name, *label.parents)}
    assert reachable == set(data["labels"])


@pytest.mark.parametrize(
    ("name", "parents", "aliases", "categories"),
    [
        ("Person", [], ["Human"], ["Person Description"]),
        ("Car", ["Transportation", "Vehicle"], ["Automobile"], ["Vehicles and Automotive"]),
        ("Dog", ["Animal", "Canine", "Mammal", "Pet"], [], ["Animals and Pets"]),
        ("Cat", ["Animal", "Mammal", "Pet"], [], ["Animals and Pets"]),
        ("Bird", ["Animal"], [], ["Animals and Pets"]),
        ("Cup", [], ["Mug"], ["Kitchen and Dining"]),
        ("Couch", ["Furniture"], [], ["Furniture and Furnishings"]),
        ("Laptop", ["Computer", "Electronics", "Pc"], [], ["Technology and Computing"]),
        ("Clothing", [], ["Apparel"], ["Apparel and Accessories"]),
    ],
)
def test_labels_are_as_rekognition_returns_them(name, parents, aliases, categories):
    label = taxonomy().labels[name]
    assert (list(label.parents), list(label.aliases), list(label.categories)) == (parents, aliases, categories)


@pytest.mark.parametrize("vocabulary", [None, "imagenet"])
def test_a_vocabulary_without_labels_is_refused(vocabulary):
    with pytest.raises(SettingsError, match="coco-80"):
        taxonomy().vocabulary(vocabulary)
