"""Which observer answers which role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openrek.errors import ModelError
from openrek.vision.catalogue import ModelEntry, catalogue
from openrek.vision.measures import Loudness, LumaStatistics
from openrek.vision.objects import ObjectDetector
from openrek.vision.observers import Observer
from openrek.vision.runtimes import open_session
from openrek.vision.sessions import Session
from openrek.vision.text_layout import TextLayout
from openrek.vision.thumbnails import Thumbnails


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of observer.

    Attributes
    ----------
    version
        Of its code: raised whenever the same picture, or block of sound, gives another answer.
    measure
        Makes one that needs no network.
    detector
        Makes one around a network that takes pixels.
    """

    version: int
    measure: Callable[[], Observer[Any]] | None = None
    detector: Callable[[ModelEntry, Session], Observer[Any]] | None = None


OBSERVERS: Mapping[str, Kind] = {
    "objects": Kind(ObjectDetector.version, detector=ObjectDetector),
    "luma-statistics": Kind(LumaStatistics.version, measure=LumaStatistics),
    "thumbnail": Kind(Thumbnails.version, measure=Thumbnails),
    "text-layout": Kind(TextLayout.version, measure=TextLayout),
    "loudness": Kind(Loudness.version, measure=Loudness),
}

VERSIONS: Mapping[str, int] = {role: kind.version for role, kind in OBSERVERS.items()}
"""The version of the code that answers each role."""


def needs_model(role: str) -> bool:
    """Whether a network answers the role, rather than a measure."""
    return OBSERVERS[role].detector is not None


def open_observer(
    role: str, model: str | None, files: Sequence[Path] = (), *, threads: int = 1, runtime: str = "openvino"
) -> Observer[Any]:
    """An observer that is ready to look or listen.

    Parameters
    ----------
    model
        SHA-256 of the network, as in `ModelFacts`; None for a measure.
    files
        The network's files, as `ModelLibrary.locate` gives them.
    threads, runtime
        As in `openrek.vision.runtimes.open_session`.

    Raises
    ------
    ModelError
        No network answers this role, or the role needs one, or it cannot be opened.
    """
    kind = OBSERVERS[role]
    if kind.measure is not None and model is None:
        return kind.measure()
    if kind.detector is not None and model is not None:
        entry = catalogue().hashed(model)
        if entry.role == role:
            return kind.detector(entry, open_session(files, runtime=runtime, threads=threads, pixels=True))
    raise ModelError(f'The role "{role}" cannot be answered by {f"the model {model}" if model else "no model"}.')
