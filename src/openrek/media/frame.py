"""One frame, and the views of it that observers look at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from openrek.geometry import Letterbox
from openrek.media import pixels
from openrek.media.orientation import UPRIGHT, Orientation


class Frame:
    """One frame as it is displayed. Its views are made when they are first asked for, and shared: they cannot be written to.

    Attributes
    ----------
    number
        In display order, from 0.
    pts
        In the video's time base.
    width, height
        Pixels as displayed.
    """

    __slots__ = ("_orientation", "_picture", "_views", "height", "number", "pts", "width")

    def __init__(self, number: int, pts: int, picture: VideoFrame, turned: Orientation = UPRIGHT) -> None:
        self.number = number
        self.pts = pts
        self._picture = picture
        self._orientation = turned
        self.width, self.height = self._orientation.displayed(picture.width, picture.height)
        self._views: dict[tuple[str, int, int], NDArray[np.uint8]] = {}

    def bgr(self, letterbox: Letterbox | None = None) -> NDArray[np.uint8]:
        """Blue, green, red, full range, scaled to `letterbox.scaled` without padding, or as large as it is; shape (height, width, 3)."""
        width, height = letterbox.scaled if letterbox else (self.width, self.height)
        return self._view("bgr", pixels.stored_bgr, width, height)

    def luma(self, width: int, height: int) -> NDArray[np.uint8]:
        """Luma, full range, averaged to this size; shape (height, width)."""
        return self._view("luma", pixels.stored_luma, width, height)

    def chroma(self, width: int, height: int) -> NDArray[np.uint8]:
        """Blue and red differences, full range about 128, averaged to this size; shape (height, width, 2)."""
        return self._view("chroma", pixels.stored_chroma, width, height)

    def luma_levels(self) -> NDArray[np.int64]:
        """How many pixels have each of the 256 levels of full-range luma, unscaled; of a large frame every so manieth line is counted."""
        return pixels.luma_levels(self._picture)

    def _view(self, kind: str, make: Callable[[VideoFrame, int, int], NDArray[np.uint8]], width: int, height: int) -> NDArray[np.uint8]:
        view = self._views.get((kind, width, height))
        if view is None:
            view = self._orientation.apply(make(self._picture, *self._orientation.displayed(width, height)))
            view.flags.writeable = False
            self._views[kind, width, height] = view
        return view
