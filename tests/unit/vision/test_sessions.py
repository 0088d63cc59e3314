"""One contract for every runtime."""

import threading

import numpy as np
import pytest

from openrek.errors import ModelCorruptError, ModelError
from openrek.vision.runtimes import RUNTIMES, open_session
from openrek.vision.sessions import TensorFacts

F32, U8 = np.dtype(np.float32), np.dtype(np.uint8)


@pytest.fixture(params=["openvino", "onnxruntime"])
def runtime(request):
    return request.param


def pictures(count, shape=(1, 8, 12, 3)):
    return list(np.random.default_rng(1).integers(0, 256, (count, *shape), np.uint8))


def as_float(picture):
    return np.ascontiguousarray(picture.transpose(0, 3, 1, 2).astype(np.float32))


def test_a_session_says_what_it_takes_and_gives(runtime, small_network):
    path, _ = small_network
    with open_session([path], runtime=runtime) as session:
        assert session.inputs == (TensorFacts("picture", (1, 3, 8, 12), F32),)
        assert session.outputs == (TensorFacts("features", (1, 4, 8, 12), F32), TensorFacts("means", (1, 3), F32))
    with open_session([path], runtime=runtime, threads=2, pixels=True) as session:
        assert session.inputs == (TensorFacts("picture", (1, 8, 12, 3), U8),)
        assert session.threads == 2


def test_outputs_are_those_of_the_network(runtime, small_network):
    path, weights = small_network
    (picture,) = pictures(1)
    expected = np.zeros((4, 8, 12))
    padded = np.pad(as_float(picture)[0].astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    for y, x in np.ndindex(8, 12):
        expected[:, y, x] = np.tensordot(weights.astype(np.float64), padded[:, y : y + 3, x : x + 3], 3)
    with open_session([path], runtime=runtime) as session:
        features, means = session.infer(as_float(picture))
    np.testing.assert_allclose(features[0], expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(means, picture.mean(axis=(1, 2)), rtol=1e-6)


def test_pixels_are_the_same_as_floats(runtime, small_network, nano):
    for path, shape in ((small_network[0], (1, 8, 12, 3)), (nano[0], (1, 416, 416, 3))):
        (picture,) = pictures(1, shape)
        with open_session([path], runtime=runtime) as floats, open_session([path], runtime=runtime, pixels=True) as pixels:
            for a, b in zip(floats.infer(as_float(picture)), pixels.infer(picture), strict=True):
                np.testing.assert_array_equal(a, b)


def test_an_answer_does_not_depend_on_neighbours_order_or_threads(runtime, nano):
    batches = [[picture] for picture in pictures(7, (1, 416, 416, 3))]
    with open_session(nano, runtime=runtime, pixels=True) as session:
        alone = [session.infer(*inputs) for inputs in batches]
        again = session.infer_each(batches)
    with open_session(nano, runtime=runtime, pixels=True, threads=3) as session:
        threaded = session.infer_each(batches)
        turned = session.infer_each(batches[::-1])[::-1]
    for others in (again, threaded, turned):
        assert len(others) == len(alone)
        for a, b in zip(alone, others, strict=True):
            np.testing.assert_array_equal(a[0], b[0])


def test_outputs_belong_to_the_caller(runtime, small_network):
    first, second = pictures(2)
    with open_session([small_network[0]], runtime=runtime, pixels=True) as session:
        kept = session.infer(first)
        before = [output.copy() for output in kept]
        session.infer(second)
    for a, b in zip(kept, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_runtimes_agree_on_a_real_network(nano, photos):
    photo = photos("000000397133.jpg").array[:416, :416]
    with open_session(nano, runtime="openvino", pixels=True) as a, open_session(nano, runtime="onnxruntime", pixels=True) as b:
        (ours,), (theirs,) = a.infer(photo[None]), b.infer(photo[None])
    assert ours.shape == (1, 3549, 85)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_no_batches_are_no_answers(runtime, small_network):
    with open_session([small_network[0]], runtime=runtime, threads=2) as session:
        assert session.infer_each([]) == []


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 3, 8, 13), F32), ((2, 3, 8, 12), F32), ((3, 8, 12), F32), ((1, 3, 8, 12), U8), ((1, 3, 8, 12), np.dtype(np.float64))],
)
def test_inputs_of_another_shape_or_type_are_refused(runtime, small_network, shape, dtype):
    with open_session([small_network[0]], runtime=runtime) as session:
        with pytest.raises(ValueError, match=r"picture takes float32\[1, 3, 8, 12\], not "):
            session.infer(np.zeros(shape, dtype))
        with pytest.raises(ValueError, match="takes 1 inputs, not 2"):
            session.infer(np.zeros((1, 3, 8, 12), F32), np.zeros((1, 3, 8, 12), F32))


def test_a_closed_session_is_closed(runtime, small_network):
    session = open_session([small_network[0]], runtime=runtime, pixels=True)
    session.close()
    session.close()
    with pytest.raises(ValueError, match="the session is closed"):
        session.infer(*pictures(1))


def test_a_file_that_is_no_network_is_refused(runtime, tmp_path):
    path = tmp_path / "broken.onnx"
    for content in (b"", b"not a network at all"):
        path.write_bytes(content)
        with pytest.raises(ModelCorruptError, match=r"broken\.onnx cannot be read as a network"):
            open_session([path], runtime=runtime)


def test_a_truncated_network_is_refused(runtime, small_network, tmp_path):
    path = tmp_path / "half.onnx"
    data = small_network[0].read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelCorruptError):
        open_session([path], runtime=runtime)


def test_sessions_can_be_opened_on_many_threads(runtime, small_network):
    answers = []

    def run():
        with open_session([small_network[0]], runtime=runtime, pixels=True) as session:
            answers.append(session.infer(*pictures(1))[0])

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[0])


def test_openvino_reads_its_own_format_and_tflite(shared):
    with open_session(sorted((shared / "models/omz-age-gender-retail-0013-int8").glob("*"), reverse=True)) as session:
        assert {facts.name: facts.shape for facts in session.outputs} == {"age_conv3": (1, 1, 1, 1), "prob": (1, 2, 1, 1)}
        outputs = session.infer(np.zeros((1, 3, 62, 62), np.float32))
        assert outputs[[facts.name for facts in session.outputs].index("prob")].sum() == pytest.approx(1, abs=1e-3)
    (tflite,) = (shared / "models/mobilenetv2-imagenet-quant").glob("*.tflite")
    with open_session([tflite]) as session:
        assert session.inputs[0].shape == (1, 224, 224, 3)
        assert session.infer(np.zeros((1, 224, 224, 3), np.uint8))[0].shape == (1, 1001)


def test_onnx_runtime_reads_onnx_only(shared):
    files = sorted((shared / "models/omz-age-gender-retail-0013-int8").glob("*"), reverse=True)
    with pytest.raises(ModelError, match=r"reads \.onnx files only, not .*\.xml and .*\.bin: use the runtime openvino"):
        open_session(files, runtime="onnxruntime")


def test_no_runtime_stands_in_for_another(small_network, monkeypatch):
    with pytest.raises(ModelError, match=r'no runtime "tensorrt". There are: openvino, onnxruntime, cuda'):
        open_session([small_network[0]], runtime="tensorrt")
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match=r"no CUDAExecutionProvider here: pip install 'openrek\[cuda\]'"):
        open_session([small_network[0]], runtime="cuda")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    monkeypatch.delitem(__import__("sys").modules, "openrek.vision.onnxruntime_session", raising=False)
    with pytest.raises(ModelError, match=r"ONNX Runtime is not installed"):
        open_session([small_network[0]], runtime="onnxruntime")


def test_every_runtime_is_tested_or_needs_a_gpu():
    assert set(RUNTIMES) == {"openvino", "onnxruntime", "cuda"}
