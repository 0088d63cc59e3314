"""What looks: the protocols between observers, the pictures and sound that they are shown, and the process that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from openrek.geometry import Letterbox

Columns = Mapping[str, NDArray[Any]]
"""The columns of one observation, as `openrek.observations.SCHEMAS` says."""

Sound = NDArray[np.float32]
"""One block of sound: samples of full scale 1.0, shape (samples,) or (samples, channels)."""


class Picture(Protocol):
    """A frame as it is displayed, in the views that observers want. A view is read, never written to: others share it."""

    @property
    def width(self) -> int:
        """Pixels as displayed."""
        ...

    @property
    def height(self) -> int:
        """Pixels as displayed."""
        ...

    def bgr(self, letterbox: Letterbox) -> NDArray[np.uint8]:
        """Blue, green, red, full range, scaled to `letterbox.scaled`, without padding: shape (height, width, 3)."""
        ...

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        """BT.709 full-range luma, scaled to this size: shape (height, width)."""
        ...

    def chroma(self, width: int, height: int) -> NDArray[np.uint8]:
        """Blue and red differences, full range about 128, scaled to this size: shape (height, width, 2)."""
        ...

    def luma_levels(self) -> NDArray[np.int64]:
        """How many pixels have each of the 256 levels of full-range luma: shape (256,)."""
        ...


Seen_contra = TypeVar("Seen_contra", contravariant=True)


class Observer(Protocol[Seen_contra]):
    """Answers one demand: looks at pictures, or listens to sound.

    Each answer depends on one picture alone, to the bit, whatever is shown before, after or together with it, and however many threads
    there are. Close it, or use it with `with`.

    Attributes
    ----------
    role
        A key of `openrek.observations.SCHEMAS`.
    at_once
        How many pictures it works on at the same time: given so many, all its threads have something to do.
    """

    role: str
    at_once: int

    def observe(self, seen: Sequence[Seen_contra]) -> list[Columns]:
        """What is in each picture, or block of sound; any number of them."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
