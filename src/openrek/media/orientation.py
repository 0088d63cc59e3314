"""How a decoded picture is turned for display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """Swap rows with columns, then mirror left and right, then top and bottom."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @property
    def clockwise(self) -> Literal[0, 90, 180, 270]:
        """Degrees of the turn, mirroring apart."""
        if self.transposed:
            return 90 if self.mirrored or not self.flipped else 270
        return 180 if self.flipped else 0

    def displayed(self, width: int, height: int) -> tuple[int, int]:
        """The displayed size of a picture of this stored size; and the other way round."""
        return (height, width) if self.transposed else (width, height)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture as it is displayed, shape (height, width, ...)."""
        turned: Any = cv2.transpose(picture) if self.transposed else picture
        if self.mirrored or self.flipped:
            turned = cv2.flip(turned, -1 if self.mirrored and self.flipped else 0 if self.flipped else 1)
        upright: NDArray[np.uint8] = turned
        return upright


UPRIGHT = Orientation()


def of(picture: VideoFrame) -> Orientation:
    """The orientation that the container or the stream gives a picture, to the nearest right angle.

    FFmpeg's display matrix holds 16.16 fixed-point a, b, u, c, d, v, x, y, w; a stored point (p, q) is shown at (ap + cq + x, bp + dq + y).
    """
    matrix = picture.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData) or len(raw := bytes(matrix)) != 36:
        return UPRIGHT
    a, b, _, c, d = (int(number) for number in np.frombuffer(raw, np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)
