"""What holds for every feature."""

import subprocess
import sys

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from openrek.features.base import View
from openrek.features.registry import BY_NOUN, FEATURES
from openrek.observations import SCHEMAS, ModelFacts
from openrek.settings import Settings

SERVICE = ServiceModel(Loader().load_service_model("rekognition", "service-2"))
features = pytest.mark.parametrize("feature", FEATURES.values(), ids=FEATURES)


@features
def test_it_is_found_by_its_name_and_by_its_noun(feature):
    assert FEATURES[feature.name] is feature
    assert BY_NOUN[feature.noun] is feature
    assert {f"Start{feature.noun}", f"Get{feature.noun}"} <= set(SERVICE.operation_names)


@features
def test_what_it_returns_is_in_the_service_model(feature):
    output = SERVICE.operation_model(f"Get{feature.noun}").output_shape.members
    assert output[feature.member].type_name == "list"
    models = {role: ModelFacts(role, "0" * 64, "1", "coco-80") for role in SCHEMAS}
    assert feature.describe({}, models).keys() <= output.keys()


@features
def test_its_tables_offer_what_get_lets_one_choose(feature):
    choices = SERVICE.operation_model(f"Get{feature.noun}").input_shape.members
    tables = choices["AggregateBy"].enum if "AggregateBy" in choices else [None]
    orders = choices["SortBy"].enum if "SortBy" in choices else [None]
    views = [feature.view({k: v for k, v in {"AggregateBy": t, "SortBy": o}.items() if v}) for t in tables for o in orders]
    assert sorted(views) == sorted(View(name, order) for name, table in feature.tables.items() for order in table.orders)
    first = next(iter(feature.tables))
    assert feature.view({}) == View(first, next(iter(feature.tables[first].orders)))


@features
def test_it_demands_what_observers_can_see(feature):
    demands = feature.demands({}, getattr(Settings(), feature.name).model_dump(mode="json"))
    assert demands
    assert {demand.role for demand in demands} <= SCHEMAS.keys()


def test_features_see_no_pixels():
    code = "import sys, openrek.features.registry as r; r.FEATURES; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split())
    assert not loaded & {"av", "cv2", "openvino", "onnxruntime", "botocore", "sqlalchemy", "starlette"}
    assert not {name for name in loaded if name.startswith(("openrek.media", "openrek.vision", "openrek.awsmodel"))}
