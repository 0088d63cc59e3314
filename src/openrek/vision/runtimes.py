"""What runs networks. A runtime is imported when a session is opened, in a process that reads videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from openrek.errors import ModelError
from openrek.vision.sessions import Session


class Runtime(Protocol):
    """Opens sessions."""

    def __call__(self, files: Sequence[Path], *, threads: int, pixels: bool) -> Session:
        """As `open_session`."""
        ...


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
