"""Networks with ONNX Runtime, on the CPU or on an NVIDIA GPU."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnxruntime

from openrek.errors import ModelError
from openrek.vision.sessions import Array, TensorFacts, check_inputs, unreadable

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float16)": np.float16,
}
_OPTIONS = {
    "CPUExecutionProvider": {},
    # TensorFloat-32 would round the factors of every product to ten bits.
    "CUDAExecutionProvider": {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
}


class OnnxRuntimeSession:
    """An ONNX network on one execution provider, as many inferences at the same time as there are threads."""

    def __init__(self, files: Sequence[Path], *, threads: int, pixels: bool, provider: str) -> None:
        if len(files) != 1 or files[0].suffix != ".onnx":
            names = " and ".join(file.name for file in files)
            raise ModelError(f"ONNX Runtime reads .onnx files only, not {names}: use the runtime openvino.")
        if provider not in onnxruntime.get_available_providers():
            raise ModelError(f"ONNX Runtime has no {provider} here: pip install 'openrek[cuda]', or use the runtime openvino.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(files[0]), options, [(provider, _OPTIONS[provider])])
        except Exception as error:
            # It raises half a dozen classes of its own, which share no other base.
            raise unreadable(files, error) from error
        if session.get_providers()[0] != provider:
            raise ModelError(f"ONNX Runtime could not start {provider}: check the GPU's driver, or use the runtime openvino.")
        self.threads = threads
        self.inputs = tuple(_facts(argument) for argument in session.get_inputs())
        self.outputs = tuple(_facts(argument) for argument in session.get_outputs())
        self._names = [fact.name for fact in self.inputs]
        self._pixels = pixels
        if pixels:
            (picture,) = self.inputs
            batch, channels, height, width = picture.shape
            self.inputs = (TensorFacts(picture.name, (batch, height, width, channels), np.dtype(np.uint8)),)
        self._session: Any | None = session
        self._pool = ThreadPoolExecutor(threads)

    def infer(self, *inputs: Array) -> tuple[Array, ...]:
        """Run the network once."""
        if self._session is None:
            raise ValueError("the session is closed")
        check_inputs(self.inputs, inputs)
        if self._pixels:
            inputs = tuple(array.transpose(0, 3, 1, 2).astype(np.float32, order="C") for array in inputs)
        return tuple(self._session.run(None, dict(zip(self._names, inputs, strict=True))))

    def infer_each(self, batches: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
        """Run the network on each of several sets of inputs, as many at the same time as there are threads."""
        if self.threads == 1 or len(batches) <= 1:
            return [self.infer(*inputs) for inputs in batches]
        return list(self._pool.map(lambda inputs: self.infer(*inputs), batches))

    def close(self) -> None:
        """Give the network's memory back."""
        self._session = None
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _facts(argument: Any) -> TensorFacts:
    return TensorFacts(argument.name, tuple(argument.shape), np.dtype(_TYPES[argument.type]))
