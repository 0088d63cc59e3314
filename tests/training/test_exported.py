"""The exported detector, and the way back from its file. Needs what training needs: training/requirements.txt."""

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from training.export import Calibration, export
from training.exported import convolutions, load_exported
from training.network import Detector, lifted
from training.predict import OpenVino

SIDE = 64


@pytest.fixture(scope="module")
def pictures():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, SIDE, SIDE)).astype(np.float32)) / 64


@pytest.fixture(scope="module")
def net(pictures):
    """A detector whose normalisation has measured something and whose scores are not all alike."""
    torch.manual_seed(0)
    net = Detector()
    for reading in (*net.kinds, *net.places):
        torch.nn.init.normal_(reading.weight, std=0.05)
        torch.nn.init.zeros_(reading.bias)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    net(pictures)
    return net.eval()


@pytest.fixture(scope="module")
def file(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    torch.save(net.state_dict(), folder / "mean.pt")
    export(folder / "mean.pt", folder / "network.onnx", SIDE)
    return folder / "network.onnx"


def test_given_its_own_maps_each_part_answers_as_in_the_whole(net, pictures):
    with torch.no_grad():
        made, *answers = net.together(pictures)
        again, *answers_apart = net.apart(pictures, made)
        assert made.keys() == again.keys()
        for one, other in zip([*made.values(), *answers], [*again.values(), *answers_apart], strict=True):
            torch.testing.assert_close(one, other)
    assert all((lifted(m) >= 0).all() for m in made.values())


def test_calibration_is_what_its_name_says():
    calibration = Calibration(0.8, 1.3, -0.4)
    o, k = (6 * torch.randn(size, dtype=torch.float64) for size in ((50, 1), (50, 80)))

    torch.testing.assert_close(calibration.sure(o), calibration(o.sigmoid()), rtol=0, atol=1e-4)
    torch.testing.assert_close(calibration.product(o, k), calibration(o.sigmoid() * k.sigmoid()), rtol=0, atol=1e-4)
    half = torch.tensor(0.5, dtype=torch.float64)
    torch.testing.assert_close(calibration(half), torch.sigmoid(0.8 * half.log() - 1.3 * half.log() - 0.4))


def test_the_file_is_read_as_yolox_is(file):
    session = OpenVino(file)
    assert session.side == SIDE
    told = session.run(np.random.default_rng(1).uniform(0, 255, (1, 3, SIDE, SIDE)).astype(np.float32))
    assert told.shape == (1, 8 * 8 + 4 * 4 + 2 * 2, 85)
    assert ((told[..., 4:] >= 0) & (told[..., 4:] <= 1)).all()


def test_a_network_from_the_file_answers_as_the_one_that_was_exported(file, net, pictures):
    again = Detector().eval()
    load_exported(again, onnx.load(str(file)), pictures)
    with torch.no_grad():
        expected = net(pictures)
        for answers in (again(pictures), again.train()(pictures)):
            for one, other in zip(answers, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=0, atol=0.02)


def test_the_file_holds_every_convolution_of_the_detector(net, file):
    found = convolutions(onnx.load(str(file)))
    expected = {name: module for name, module in net.named_modules() if isinstance(module, torch.nn.Conv2d)}
    assert set(found) == set(expected)
    for name, (weight, bias) in found.items():
        assert (weight.shape, bias.shape) == (tuple(expected[name].weight.shape), (expected[name].out_channels,))
        assert 0 < np.abs(weight).max() < 10


def test_the_shipped_file_is_this_detectors_and_training_can_go_on_from_it(pictures):
    shipped = Path(str(resources.files("openrek.vision").joinpath("weights/openrek-labels.onnx")))
    net = Detector().eval()
    model = onnx.load(str(shipped))
    for weight, bias in convolutions(model).values():
        assert bias.shape == weight.shape[:1]
        assert 0.01 < np.sqrt(np.square(weight).mean()) < 1  # of the integers that the file holds it is tens
    load_exported(net, model, pictures)
    session = OpenVino(shipped)
    image = np.full((1, 3, session.side, session.side), 114, np.float32)
    image[:, :, 100:300, 150:250] = 30
    with torch.no_grad():
        _, places = net(torch.from_numpy(image) / 64)
    distances = torch.nn.functional.softplus(places[0, :, 1:]).numpy()
    told = session.run(image)[0]
    difference = np.abs(np.log(2 * (distances[:, 0] + distances[:, 2])) - told[:, 2])
    assert np.median(difference) < 0.1  # in eight bits there, not here


def test_another_network_is_refused(file, pictures):
    model = onnx.load(str(file))
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    first.name = first.name.replace("stem", "trunk")
    net = Detector()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match="another network"):
        load_exported(net, model, pictures)
    assert all((before[name] == value).all() for name, value in net.state_dict().items())
