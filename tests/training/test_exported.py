"""The exported detector: its two looks, and the way back from its file. Needs what training needs: training/requirements.txt."""

from importlib import resources

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from training.export import LARGEST, SMALLEST, Shrunk, export
from training.network import Detector
from training.predict import OpenVino, letterbox
from training.shipped import convolutions, load_exported

SIDE, SMALLER = 160, 96
FIRST, SECOND = 20 * 20 + 10 * 10 + 5 * 5, 12 * 12 + 6 * 6 + 3 * 3
"""Cells of each look."""


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
    export(folder / "mean.pt", folder / "network.onnx", SIDE, SMALLER)
    return folder / "network.onnx"


def test_the_file_holds_both_looks_with_one_set_of_weights(file, net):
    session = OpenVino(file)
    assert session.side == SIDE
    assert session.strides == pytest.approx((8, 16, 32, 40 / 3, 80 / 3, 160 / 3))
    assert session.run(np.zeros((1, 3, SIDE, SIDE), np.float32)).shape == (1, FIRST + SECOND, 85)
    held = sum(int(np.prod(tensor.dims)) for tensor in onnx.load(str(file)).graph.initializer)
    assert held <= sum(parameter.numel() for parameter in net.parameters())


def test_each_look_finds_what_is_of_its_size(file):
    session = OpenVino(file)
    told = session.run(np.random.default_rng(1).uniform(0, 255, (1, 3, SIDE, SIDE)).astype(np.float32))[0]
    strides = np.concatenate([np.full(round(SIDE / stride) ** 2, stride) for stride in session.strides])
    size = np.exp(told[:, 2:4].sum(1) / 2) * strides / SIDE
    first, second = np.arange(len(told)) < FIRST, np.arange(len(told)) >= FIRST
    np.testing.assert_array_equal(told[first, 4] > 0, size[first] <= LARGEST)
    np.testing.assert_array_equal(told[second, 4] > 0, size[second] >= SMALLEST)
    assert 0 < (told[first, 4] > 0).sum() < FIRST


@pytest.mark.parametrize(("side", "smaller"), [(160, 96), (512, 320), (64, 32)])
def test_the_second_look_sees_the_means_of_areas(side, smaller):
    picture = np.random.default_rng(2).integers(0, 256, (side, side, 3), np.uint8)
    picture[side // 2 :] = 114
    expected = letterbox(picture, smaller)[0]
    given = Shrunk(side, smaller)(torch.from_numpy(letterbox(picture, side)[0])).numpy()
    np.testing.assert_allclose(given, expected, rtol=0, atol=0.51)  # OpenCV rounds to whole numbers


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
