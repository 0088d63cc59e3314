"""One network, ready to run: the same protocol for every runtime.

Runtimes are imported when a session is opened, in a process that reads videos. An inference runs on one thread, so that its output does
not depend on how many there are; more threads run more inferences at the same time, which makes the most of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from openrek.errors import ModelCorruptError, ModelError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One input or output of a network."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Session(Protocol):
    """A network that is ready to run. Close it, or use it with `with`.

    Attributes
    ----------
    inputs, outputs
        What it takes and what it gives, of fixed shapes.
    threads
        How many inferences run at the same time.
    """

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    threads: int

    def infer(self, *inputs: Array) -> tuple[Array, ...]:
        """Run the network once.

        Raises
        ------
        ValueError
            An input has another shape or type than the network takes, or the session is closed.
        """
        ...

    def infer_each(self, batches: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
        """Run the network on each of several sets of inputs, as many at the same time as there are threads."""
        ...

    def close(self) -> None:
        """Give the network's memory back."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Runtime(Protocol):
    """Opens sessions."""

    def __call__(self, files: Sequence[Path], *, threads: int, pixels: bool) -> Session:
        """As `open_session`."""
        ...


def check_inputs(facts: Sequence[TensorFacts], inputs: Sequence[Array]) -> None:
    """Raise ValueError unless the inputs are what a network takes."""
    if len(inputs) != len(facts):
        raise ValueError(f"the network takes {len(facts)} inputs, not {len(inputs)}")
    for fact, array in zip(facts, inputs, strict=True):
        if array.shape != fact.shape or array.dtype != fact.dtype:
            raise ValueError(f"{fact.name} takes {fact.dtype}{list(fact.shape)}, not {array.dtype}{list(array.shape)}")


def _openvino(files: Sequence[Path], *, threads: int, pixels: bool) -> Session:
    from openrek.vision.openvino_session import OpenVinoSession

    return OpenVinoSession(files, threads=threads, pixels=pixels)


def _onnxruntime(provider: str) -> Runtime:
    def open_(files: Sequence[Path], *, threads: int, pixels: bool) -> Session:
        try:
            from openrek.vision.onnxruntime_session import OnnxRuntimeSession
        except ModuleNotFoundError as error:
            raise ModelError("ONNX Runtime is not installed: pip install 'openrek[cuda]', or use the runtime openvino.") from error
        return OnnxRuntimeSession(files, threads=threads, pixels=pixels, provider=provider)

    return open_


RUNTIMES: Mapping[str, Runtime] = {
    "openvino": _openvino,
    "onnxruntime": _onnxruntime("CPUExecutionProvider"),
    "cuda": _onnxruntime("CUDAExecutionProvider"),
}
"""What runs networks. Which one does is a setting: none stands in for another, since their outputs differ in the last digits."""


def open_session(files: Sequence[Path], *, runtime: str = "openvino", threads: int = 1, pixels: bool = False) -> Session:
    """Make a network ready to run.

    Parameters
    ----------
    files
        ONNX, TFLite, or OpenVINO's `.xml` and `.bin`; ONNX Runtime reads ONNX only.
    runtime
        A key of `RUNTIMES`.
    threads
        Inferences that run at the same time, each on one thread.
    pixels
        The network's only input is float32 (1, channels, height, width); the session takes the same values as uint8
        (1, height, width, channels).

    Raises
    ------
    ModelCorruptError
        The runtime cannot read the files.
    ModelError
        The runtime is not there, or does not read such files.
    """
    if runtime not in RUNTIMES:
        raise ModelError(f'There is no runtime "{runtime}". There are: {", ".join(RUNTIMES)}.')
    return RUNTIMES[runtime](files, threads=threads, pixels=pixels)


def unreadable(files: Sequence[Path], error: Exception) -> ModelCorruptError:
    """What to raise when a runtime refuses a file."""
    return ModelCorruptError(f"{files[0]} cannot be read as a network: {str(error).strip().splitlines()[-1]}")
