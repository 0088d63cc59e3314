"""The exported detector, and the way back from its file. Needs what training needs: training/requirements.txt."""

from importlib import resources

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from training.export import export
from training.network import Detector
from training.predict import OpenVino
from training.shipped import convolutions, load_exported

SIDE = 64


@pytest.fixture(scope="module")
def pictures():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, SIDE, SIDE)).astype(np.float32)) / 64


@pytest.fixture(scope="module")
def net(pictures):
    """A detector whose normalisation has measured something and whose scores are not all alike."""
    torch.manual_seed(0)
    net = Detector()
    for reading in (*net.head.classes, *net.head.places):
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
        for given, expected in zip(again(pictures), net(pictures), strict=True):
            torch.testing.assert_close(given, expected, rtol=0, atol=0.02)
        again.train()
        for given, expected in zip(again(pictures), again.eval()(pictures), strict=True):
            torch.testing.assert_close(given, expected, rtol=0, atol=0.02)


def test_the_shipped_file_holds_every_convolution_of_the_detector(net):
    model = onnx.load_from_string(resources.files("openrek.vision").joinpath("weights/openrek-labels.onnx").read_bytes())
    found = convolutions(model)
    expected = {name: module for name, module in net.named_modules() if isinstance(module, torch.nn.Conv2d)}
    assert set(found) == set(expected)
    for name, (weight, bias) in found.items():
        assert (weight.shape, bias.shape) == (tuple(expected[name].weight.shape), (expected[name].out_channels,))
        assert 0 < np.abs(weight).max() < 10
