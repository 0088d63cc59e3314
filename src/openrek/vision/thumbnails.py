"""Every frame in small: what shots, transitions, black and colour bars are told by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openrek.observations import THUMBNAIL, THUMBNAIL_COLOUR
from openrek.vision.measures import Measure
from openrek.vision.observers import Columns, Picture


class Thumbnails(Measure):
    """A picture's luma and colour at the size of a stamp, and how its luma is distributed at full size."""

    role = "thumbnail"
    version = 2

    def observe(self, seen: Sequence[Picture]) -> list[Columns]:
        """One row a picture."""
        return [self._of(picture) for picture in seen]

    def _of(self, picture: Picture) -> Columns:
        levels = picture.luma_levels()
        return {
            "luma": picture.luma(THUMBNAIL[1], THUMBNAIL[0])[None],
            "chroma": picture.chroma(THUMBNAIL_COLOUR[1], THUMBNAIL_COLOUR[0])[None],
            "levels": np.rint(levels * (65535 / levels.sum()))[None].astype(np.uint16),
        }
