"""A short training on real parts: the published teacher, two workers, an interruption. Needs training/requirements.txt."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from training.augment import Painter
from training.corpus import odds, read
from training.feed import Feed
from training.losses import FLOOR, channel_weights, maps_loss, rising
from training.network import Convolution, Detector, lifted
from training.teacher import Teacher
from training.train import begin, load_weights

MODELS = Path(os.environ.get("OPENREK_MODELS", "models"))
TEACHER = MODELS / "yolox-nano" / "yolox_nano.onnx"
pytestmark = pytest.mark.skipif(not TEACHER.exists(), reason=f"needs {TEACHER}")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "made").mkdir()
    images = []
    for k in range(12):
        coarse = np.random.default_rng(k).integers(0, 256, (9, 12, 3), np.uint8)
        cv2.imwrite(str(folder / "made" / f"{k}.png"), cv2.resize(coarse, (288, 216), interpolation=cv2.INTER_CUBIC))
        images.append({"file": f"{k}.png", "width": 288, "height": 216, "human": [], "teacher": []})
    (folder / "made.json").write_text(json.dumps({"info": {"labelled_categories": []}, "images": images}))
    return folder


def test_the_student_has_a_map_for_each_of_the_teachers(corpus):
    photographs = read(corpus)
    side = 256
    pixels, target = Feed(Painter(photographs, odds(photographs)), TEACHER, side, 2).batch(np.random.default_rng(0))
    made, kinds, places = Detector().together(pixels)
    assert {n: m.shape for n, m in made.items()} == {n: m.shape for n, m in target.maps.items()}
    assert kinds.shape[:2] == places.shape[:2] == target.sure.shape
    assert all((lifted(m) > -1e-3).all() for m in target.maps.values())
    weights = {n: channel_weights(rising(m.float()).var((0, 2, 3))) for n, m in target.maps.items()}
    assert all(loss == 0 for loss in maps_loss(target.maps, target.maps, weights))
    scale = torch.linspace(FLOOR, 60, 100_000)
    means = {}
    for name, told in target.maps.items():
        mean = rising(told.float()).mean((0, 2, 3)).numpy()
        means[name] = torch.from_numpy(np.interp(mean, rising(scale).numpy(), scale.numpy())).float()[:, None, None].expand_as(told)
    assert all(0.95 < loss <= 1.001 for loss in maps_loss(means, target.maps, weights))


def test_the_distance_of_maps_has_the_gradient_of_its_formula():
    torch.manual_seed(0)
    own, told = torch.randn(2, 5, 3, 4, requires_grad=True), torch.randn(2, 5, 3, 4)
    weights = channel_weights(told.var((0, 2, 3)))
    plain = ((rising(own) - rising(told)).square().mean((0, 2, 3)) * weights).sum()
    (expected,) = torch.autograd.grad(plain * 3, own)
    (loss,) = maps_loss({"a": own}, {"a": told}, {"a": weights})
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(torch.autograd.grad(loss * 3, own)[0], expected)


@pytest.mark.parametrize("own", [-20.0, -6.0, -3.0, -1.0, 0.5])
def test_a_channel_is_drawn_towards_the_teachers_from_wherever_it_is(own):
    at = torch.full((1, 1, 1, 1), own, requires_grad=True)
    (loss,) = maps_loss({"a": at}, {"a": torch.ones(1, 1, 1, 1)}, {"a": torch.ones(1)})
    (slope,) = torch.autograd.grad(loss, at)
    assert slope < -0.01


def test_a_rounded_convolution_learns_with_the_weights_of_int8_and_keeps_its_mean():
    torch.manual_seed(0)
    plain, exact, rounded = (Convolution(5, 4, 3, bias=False) for _ in range(3))
    held = plain.weight.detach().clone()
    step = held.abs().amax((1, 2, 3), keepdim=True) / 127
    rounded.load_state_dict(plain.state_dict())
    rounded.rounded = True
    exact.load_state_dict({"weight": (held / step).round() * step})
    shown, counts = 4 + 0.1 * torch.randn(2, 5, 12, 12), torch.randn(2, 4, 10, 10)
    made, wanted = rounded(shown), exact(shown)
    shift = (made - wanted).mean((0, 2, 3), keepdim=True)
    torch.testing.assert_close(made, wanted + shift)
    errors = [(one - plain(shown)).mean((0, 2, 3)).abs().max() for one in (made, wanted)]
    assert errors[0] < 0.1 * errors[1]
    for answer in (made, wanted):
        (answer * counts).sum().backward()
    torch.testing.assert_close(rounded.weight.grad, exact.weight.grad)
    assert (rounded.weight == held).all()


def test_a_part_begins_with_the_teachers_mean_and_deviation(corpus):
    photographs = read(corpus)
    painter = Painter(photographs, odds(photographs))
    net = Detector()
    pictures = [painter.picture(np.random.default_rng(k), 128).pixels for k in range(4)]
    begin(net, TEACHER, pictures)
    images = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
    told = torch.from_numpy(Teacher(TEACHER, 128, 4).maps(images)["level16"]).clone()
    made = net.parts["level16"](torch.rand(4, 128, 8, 8))
    assert (made.mean((0, 2, 3)) - told.mean((0, 2, 3))).abs().mean() < 0.3 * told.std()


def train(folder: Path, corpus: Path, steps: int) -> str:
    command = [sys.executable, "-m", "training.train", folder, "--steps", str(steps), "--corpus", corpus, "--teacher", TEACHER]
    command += ["--apart", "0.5", "--fixed", "0.25"]  # of eight steps the last two are of the third stage
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_wrong_shares_and_weights_of_another_network_are_refused_in_a_sentence(corpus, tmp_path):
    torch.save({"detector.stem.weight": torch.zeros(3)}, tmp_path / "mean.pt")
    command = [sys.executable, "-m", "training.train", tmp_path / "run", "--steps", "2", "--corpus", corpus, "--teacher", TEACHER]
    told = subprocess.run([*command, "--apart", "0.9", "--fixed", "0.2"], check=False, capture_output=True, text=True)
    assert told.returncode == 2
    assert "together at most 1" in told.stderr
    for start, word in (("mean.pt", "another network"), ("missing.pt", "No such file")):
        told = subprocess.run([*command, "--start", tmp_path / start], check=False, capture_output=True, text=True)
        assert told.returncode == 2
        assert word in told.stderr
        assert "Traceback" not in told.stderr


def test_the_run_of_another_network_is_left_as_it_is(corpus, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    torch.save({"step": 2, "net": {"detector.stem.weight": torch.zeros(3)}}, tmp_path / "checkpoint/state.pt")
    (tmp_path / "settings.json").write_text("{}")
    command = [sys.executable, "-m", "training.train", tmp_path, "--steps", "4", "--corpus", corpus, "--teacher", TEACHER]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    assert told.returncode == 2
    assert "another network" in told.stderr
    assert "Traceback" not in told.stderr
    assert (tmp_path / "settings.json").read_text() == "{}"


def state(folder: Path) -> dict:
    return torch.load(folder / "checkpoint" / "state.pt", weights_only=True)


def test_a_run_goes_on_where_it_stopped(corpus, tmp_path):
    train(tmp_path, corpus, 2)
    first = state(tmp_path)
    told = train(tmp_path, corpus, 8)
    assert "continuing at step 2\n" in told
    assert "from here on steps is 8, no longer 2\n" in told
    second = state(tmp_path)
    assert (first["step"], second["step"]) == (2, 8)
    for name, _ in Detector().named_parameters():
        assert torch.isfinite(second["net"][name]).all()
        if not name.startswith(("kinds", "places")):  # pictures of nothing teach no class and no box
            assert (first["net"][name] != second["net"][name]).any()
    load_weights(Detector(), torch.load(tmp_path / "checkpoint" / "mean.pt", weights_only=True))
