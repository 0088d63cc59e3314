"""Networks on the CPU with OpenVINO."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from openrek.vision.sessions import Array, TensorFacts, check_inputs, unreadable

_COMPILING = threading.Lock()
"""Two threads that compile at the same time can hang (seen with OpenVINO 2025 and 2026)."""


class OpenVinoSession:
    """A network on the CPU in float32, as many inferences at the same time as there are threads."""

    def __init__(self, files: Sequence[Path], *, threads: int, pixels: bool) -> None:
        self.threads = threads
        with _COMPILING:
            core = openvino.Core()
            try:
                model = core.read_model(*(str(file) for file in files))
            except RuntimeError as error:
                raise unreadable(files, error) from error
            if pixels:
                model = _taking_pixels(model)
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    # By default bfloat16 on CPUs that have it, and then outputs depend on the CPU in their third digit.
                    "INFERENCE_PRECISION_HINT": "f32",
                    "INFERENCE_NUM_THREADS": threads,
                    "NUM_STREAMS": threads,
                    # Each of many processes would pin its thread to the same first core.
                    "ENABLE_CPU_PINNING": False,
                },
            )
        self.inputs = tuple(_facts(port) for port in compiled.inputs)
        self.outputs = tuple(_facts(port) for port in compiled.outputs)
        self._requests = [compiled.create_infer_request() for _ in range(threads)]

    def infer(self, *inputs: Array) -> tuple[Array, ...]:
        """Run the network once."""
        return self.infer_each([inputs])[0]

    def infer_each(self, batches: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
        """Run the network on each of several sets of inputs, as many at the same time as there are threads."""
        if not self._requests:
            raise ValueError("the session is closed")
        for inputs in batches:
            check_inputs(self.inputs, inputs)
        results: list[tuple[Array, ...]] = []
        running: list[Any] = []
        for i, inputs in enumerate(batches):
            if len(running) == self.threads:
                results.append(_result(running.pop(0)))
            request = self._requests[i % self.threads]
            request.start_async(dict(enumerate(inputs)))
            running.append(request)
        return results + [_result(request) for request in running]

    def close(self) -> None:
        """Give the network's memory back."""
        self._requests = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _taking_pixels(model: Any) -> Any:
    """The network with the conversion from uint8 (1, height, width, channels) inside: faster than NumPy, and to the same values."""
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def _facts(port: Any) -> TensorFacts:
    return TensorFacts(port.get_any_name(), tuple(port.shape), np.dtype(port.element_type.to_dtype()))


def _result(request: Any) -> tuple[Array, ...]:
    """The outputs, copied: the next inference writes over them."""
    request.wait()
    return tuple(tensor.data.copy() for tensor in request.output_tensors)
