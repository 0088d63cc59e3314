"""The exported detector: its two looks, and the way back from its file. Needs what training needs: training/requirements.txt."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from training.export import LARGEST, SMALLEST, Exported, export
from training.network import Detector
from training.predict import OpenVino
from training.shipped import load_exported

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


def test_the_file_holds_both_looks_with_one_set_of_weights(file, net):
    session = OpenVino(file)
    assert (session.side, session.strides) == (SIDE, Exported.strides)
    assert session.run(np.zeros((1, 3, SIDE, SIDE), np.float32)).shape == (1, 84 + 21, 85)
    held = sum(int(np.prod(tensor.dims)) for tensor in onnx.load(str(file)).graph.initializer)
    assert held <= sum(parameter.numel() for parameter in net.parameters())


def test_each_look_finds_what_is_of_its_size(file):
    session = OpenVino(file)
    told = session.run(np.random.default_rng(1).uniform(0, 255, (1, 3, SIDE, SIDE)).astype(np.float32))[0]
    strides = np.concatenate([np.full((SIDE // stride) ** 2, stride) for stride in session.strides])
    size = np.exp(told[:, 2:4].sum(1) / 2) * strides / SIDE
    first, second = np.arange(len(told)) < 84, np.arange(len(told)) >= 84
    np.testing.assert_array_equal(told[first, 4] > 0, size[first] <= LARGEST)
    np.testing.assert_array_equal(told[second, 4] > 0, size[second] >= SMALLEST)
    assert 0 < (told[first, 4] > 0).sum() < 84


def test_a_network_from_the_file_answers_as_the_one_that_was_exported(file, net, pictures):
    again = Detector().eval()
    load_exported(again, onnx.load(str(file)), pictures)
    with torch.no_grad():
        for given, expected in zip(again(pictures), net(pictures), strict=True):
            torch.testing.assert_close(given, expected, rtol=0, atol=0.02)
        again.train()
        for given, expected in zip(again(pictures), again.eval()(pictures), strict=True):
            torch.testing.assert_close(given, expected, rtol=0, atol=0.02)
