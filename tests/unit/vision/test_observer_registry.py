"""Every role has an observer, and every observer its role."""

import numpy as np
import pytest

from openrek.errors import ModelError, ModelNotFoundError
from openrek.observations import SCHEMAS
from openrek.vision.catalogue import catalogue
from openrek.vision.registry import OBSERVERS, VERSIONS, open_observer

NANO = catalogue().named("yolox-nano").sha256


def test_roles_are_those_of_the_schemas():
    assert set(OBSERVERS) == set(SCHEMAS)
    assert all(version >= 1 for version in VERSIONS.values())
    assert {entry.role for entry in catalogue().models} == {role for role, kind in OBSERVERS.items() if kind.detector}


def test_measures_need_no_model():
    for role in ("luma-statistics", "loudness"):
        with open_observer(role, None) as observer:
            assert observer.role == role
        with pytest.raises(ModelError, match=f'"{role}" cannot be answered by the model {NANO}'):
            open_observer(role, NANO)


def test_networks_need_theirs(nano, photo):
    with open_observer("objects", NANO, nano) as observer:
        assert observer.role == "objects"
        (columns,) = observer.observe([photo(np.zeros((90, 160, 3), np.uint8))])
    assert set(columns) == set(SCHEMAS["objects"])
    with pytest.raises(ModelError, match='"objects" cannot be answered by no model'):
        open_observer("objects", None)
    with pytest.raises(ModelNotFoundError, match="use the version that chose it"):
        open_observer("objects", "0" * 64, nano)


def test_the_runtime_is_a_choice(nano, photos):
    photo = photos("000000397133.jpg")
    answers = []
    for runtime in ("openvino", "onnxruntime"):
        with open_observer("objects", NANO, nano, runtime=runtime) as observer:
            answers.append(observer.observe([photo])[0])
    ours, theirs = ({name: column[answer["confidence"] > 0.02] for name, column in answer.items()} for answer in answers)
    assert ours["kind"].tolist() == theirs["kind"].tolist()
    np.testing.assert_allclose(ours["boxes"], theirs["boxes"], atol=1e-4)
    np.testing.assert_allclose(ours["confidence"], theirs["confidence"], atol=1e-4)
