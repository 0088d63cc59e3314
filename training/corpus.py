"""Photographs for training and validation: pixels, boxes that people drew, boxes that the teacher found."""

import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from training.categories import IDS, INDEX, NAMES


@dataclass(frozen=True, slots=True)
class Photograph:
    """One picture of the corpus; its file's bytes are kept and decoded at each look, so that tens of thousands fit into memory.

    `human` rows are class index, x, y, w, h; `teacher` rows are the same and a score. `labelled` holds the class indices that people
    labelled in this source: a class outside it is unknown, not absent.
    """

    source: str
    file: str
    encoded: np.ndarray
    human: np.ndarray
    teacher: np.ndarray
    labelled: frozenset[int]

    @property
    def pixels(self) -> np.ndarray:
        """BGR (h, w, 3)."""
        decoded = cv2.imdecode(self.encoded, cv2.IMREAD_COLOR) if len(self.encoded) else None
        if decoded is None:
            raise ValueError(f"{self.source}/{self.file} is no picture that can be read")
        return decoded


def held(source: str, file: str) -> bool:
    """Whether a picture belongs to the validation part: 8 % of all, chosen by a checksum of its name, so the same everywhere."""
    return zlib.crc32(f"{source}/{file}".encode()) % 100 < 8


def coco_number(stem: str) -> int | None:
    """The number that COCO gave a photograph, whichever split its file's name tells."""
    numbered = re.fullmatch(r"(?:.*\D)?(\d{12})", stem)
    return int(numbered[1]) if numbered else None


def read(folder: Path, *, leave_out: frozenset[str] = frozenset(), held_out: bool | None = None) -> list[Photograph]:
    """Read the corpus, ordered by source and file; `held_out` picks the training part (False), the validation part (True) or both
    (None).
    """
    found = []
    for described in sorted(folder.glob("*.json")):
        source = described.stem
        if source in leave_out:
            continue
        content = json.loads(described.read_text())
        info = content["info"]
        names = [] if info.get("unlabeled") else info["labelled_categories"]
        labelled = frozenset(range(len(IDS))) if source == "coco_supergradients" else frozenset(NAMES.index(n) for n in names)
        for image in sorted(content["images"], key=lambda i: i["file"]):
            if held_out is not None and held(source, image["file"]) != held_out:
                continue
            human = [[INDEX[b[0]], *b[1:5]] for b in image.get("human", [])]
            teacher = [[INDEX[b[0]], *b[1:6]] for b in image.get("teacher", [])]
            encoded = np.fromfile(folder / source / image["file"], np.uint8)
            found.append(Photograph(source, image["file"], encoded, _rows(human, 5), _rows(teacher, 6), labelled))
    return found


def _rows(rows: list[list[float]], width: int) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, width)


def odds(photographs: list[Photograph], *, rare: float = 0.03, most: float = 4.0, empty: float = 0.4) -> np.ndarray:
    """Cumulative odds of drawing each photograph: one that shows a class rarer than `rare` comes up to `most` times as often."""
    shown = [{int(c) for c in p.human[:, 0]} | {int(r[0]) for r in p.teacher if r[5] >= 0.3} for p in photographs]
    share = np.zeros(len(IDS))
    for classes in shown:
        share[list(classes)] += 1
    share /= len(photographs)
    weight = [max(min(most, max(1.0, (rare / share[c]) ** 0.5)) for c in classes) if classes else empty for classes in shown]
    return np.cumsum(weight) / np.sum(weight)
