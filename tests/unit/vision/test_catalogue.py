"""The catalogue says of every network what openrek and its users need to know."""

import subprocess
import sys
import tomllib
from importlib import resources

import pytest
from pydantic import ValidationError

from openrek.errors import ModelNotFoundError
from openrek.observations import SCHEMAS
from openrek.vision.catalogue import CLASSES, PERMISSIVE, Catalogue, ModelEntry, catalogue


def entry(**changes):
    facts = {
        "name": "tiny",
        "role": "objects",
        "version": "tiny-1",
        "licence": "Apache-2.0",
        "author": "us",
        "homepage": "https://example.org",
        "training_data": "ours",
        "decoder": "yolox",
        "vocabulary": "coco-80",
        "input": {"side": 64},
        "files": [{"name": "tiny.onnx", "bytes": 4, "sha256": "0" * 64, "urls": ["https://example.org/tiny.onnx"]}],
        "accuracy": [{"measure": "AP", "data": "some", "value": 0.5, "measured_by": "us"}],
    }
    return ModelEntry.model_validate(facts | changes)


_FILE = [{"name": "hers.onnx", "bytes": 4, "sha256": "2" * 64, "urls": ["https://example.org/hers.onnx"]}]


def _packaged(name):
    return {"name": name, "version": name, "files": [{"name": f"{name}.onnx", "bytes": 4, "sha256": "1" * 64}]}


def test_every_file_is_pinned_and_can_be_fetched_or_is_packaged():
    for model in catalogue().models:
        for file in model.files:
            packaged = resources.files("openrek.vision").joinpath("weights", file.name)
            assert file.urls or packaged.is_file(), file.name


def test_nothing_in_the_catalogue_has_a_licence_that_surprises():
    assert {model.licence for model in catalogue().models} <= PERMISSIVE


def test_roles_and_vocabularies_are_known():
    for model in catalogue().models:
        assert model.role in SCHEMAS
        assert model.vocabulary in CLASSES


def test_the_more_accurate_network_comes_first_within_a_role():
    published = [model.accuracy[0].value for model in catalogue().of_role("objects") if model.accuracy[0].measured_by == "its authors"]
    assert published == sorted(published, reverse=True)
    assert len(published) == 3


def test_the_better_network_of_a_role_is_told():
    known = Catalogue(
        models=(entry(**_packaged("hers") | {"licence": "AGPL-3.0-only", "files": _FILE}), entry(), entry(**_packaged("ours")))
    )
    assert known.better("ours") is known.named("tiny")
    assert known.better("tiny") is None
    assert [model.packaged for model in known.models] == [False, False, True]


def test_entries_are_found_by_name_and_by_hash():
    nano = catalogue().named("yolox-nano")
    assert nano.sha256 == "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d"
    assert catalogue().hashed(nano.sha256) is nano
    assert nano.facts.sha256 == nano.sha256
    assert nano.facts.version == "yolox-nano-0.1.1rc0"
    with pytest.raises(ModelNotFoundError, match=r'no model "yolo"\. It has: .*yolox-nano'):
        catalogue().named("yolo")
    with pytest.raises(ModelNotFoundError, match=r"f{64}.*use the version that chose it"):
        catalogue().hashed("f" * 64)


def test_the_hash_of_several_files_changes_with_each_of_them():
    def several(*hashes):
        return entry(files=[{"name": f"f{i}", "bytes": 1, "sha256": digit * 64} for i, digit in enumerate(hashes)]).sha256

    assert len({several("a", "b"), several("b", "a"), several("a", "c"), several("a"), several("a", "b", "c")}) == 5
    assert several("a") == "a" * 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surprise": 1}, "Extra inputs"),
        ({"unreported": [80]}, "does not report a class that coco-80 does not have"),
        ({"unreported": [-1]}, "does not report a class"),
        ({"files": []}, "at least 1 item"),
        ({"files": [{"name": "a.onnx", "bytes": 4, "sha256": "0" * 63}]}, "sha256"),
        ({"files": [{"name": "../a.onnx", "bytes": 4, "sha256": "0" * 64}]}, "name"),
        ({"files": [{"name": "a", "bytes": 4, "sha256": "0" * 64, "urls": ["http://example.org/a"]}]}, "urls"),
        ({"files": [{"name": "a", "bytes": 4, "sha256": "0" * 64}, {"name": "a", "bytes": 4, "sha256": "1" * 64}]}, "two files of tiny"),
        ({"input": {"side": 100}}, "multiple of 32"),
        ({"input": {"side": 64, "colour": "RGB"}}, "colour"),
        ({"accuracy": []}, "at least 1 item"),
        ({"decoder": "detr"}, "decoder"),
    ],
)
def test_an_entry_that_openrek_could_not_use_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        entry(**changes)


@pytest.mark.parametrize("what", ["name", "sha256", "version"])
def test_two_entries_cannot_be_confused(what):
    other = {"name": "other", "version": "other-1", "files": [{"name": "other.onnx", "bytes": 4, "sha256": "1" * 64}]}
    del other["files" if what == "sha256" else what]
    with pytest.raises(ValidationError, match=f"have one {what}"):
        Catalogue(models=(entry(), entry(**other)))


def test_the_file_is_toml_that_a_person_can_read_in_order():
    data = tomllib.loads(resources.files("openrek.vision").joinpath("catalogue.toml").read_text("utf-8"))
    assert [model["name"] for model in data["models"]] == [model.name for model in catalogue().models]


def test_listing_models_imports_no_runtime_and_no_decoder():
    script = (
        "import sys, openrek.vision.library, openrek.vision.registry;"
        "openrek.vision.library.catalogue();"
        "print([m for m in ('openvino', 'onnxruntime', 'cv2', 'av') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"
