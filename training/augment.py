"""Pictures made of the corpus's photographs: crops at many scales, mosaics, colour."""

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from training.corpus import Photograph

GREY = (114, 114, 114)


@dataclass(frozen=True, slots=True)
class Picture:
    """Square BGR pixels; human boxes as rows of class index, left, top, right, bottom in pixels, those mostly cut off left out."""

    pixels: np.ndarray
    human: np.ndarray


class Painter:
    """Draws pictures from photographs at odds that favour rare classes."""

    def __init__(self, photographs: list[Photograph], odds: np.ndarray) -> None:
        self.photographs, self.odds = photographs, odds

    def picture(self, rng: np.random.Generator, side: int) -> Picture:
        """A crop (40 %), or a mosaic of 2x2 or, from 320 pixels up, 3x3 crops (18 %)."""
        dice = rng.random()
        tiles = 1 if dice < 0.4 else 3 if dice > 0.82 and side >= 320 else 2
        made = self._crop(rng, side, side, 0.6, 1.4) if tiles == 1 else self._mosaic(rng, side, tiles)
        return Picture(colour(rng, made.pixels), made.human)

    def _mosaic(self, rng: np.random.Generator, side: int, n: int) -> Picture:
        pixels, human = np.empty((side, side, 3), np.uint8), []
        inner = [round(side * (k + rng.uniform(-0.3, 0.3) * 2 / n) / n) for k in range(1, n)]
        xs = [0, *inner, side]
        ys = [0, *(round(side * (k + rng.uniform(-0.3, 0.3) * 2 / n) / n) for k in range(1, n)), side]
        for top, bottom in pairwise(ys):
            for left, right in pairwise(xs):
                tile = self._crop(rng, right - left, bottom - top, 0.8, 1.7)
                pixels[top:bottom, left:right] = tile.pixels
                human.append(tile.human + np.array([0, left, top, left, top], np.float32))
        return Picture(pixels, np.concatenate(human))

    def _crop(self, rng: np.random.Generator, width: int, height: int, least: float, most: float) -> Picture:
        photograph = self.photographs[int(np.searchsorted(self.odds, rng.random()))]
        source = photograph.pixels
        h, w = source.shape[:2]
        fit = math.sqrt(width * height) / max(h, w)
        scale = fit * math.exp(rng.uniform(math.log(least), math.log(most)))
        aspect = math.exp(rng.uniform(-0.12, 0.12))
        sx, sy = scale * aspect, scale / aspect
        known = np.concatenate([photograph.human, photograph.teacher[photograph.teacher[:, 5] >= 0.3, :5]])
        at = known[rng.integers(len(known))] if len(known) and rng.random() < 0.6 else None
        dx = _shift(rng, w * sx, width, None if at is None else (at[1] + at[3] / 2) * sx)
        dy = _shift(rng, h * sy, height, None if at is None else (at[2] + at[4] / 2) * sy)
        area = scale < 0.7
        if area:  # warpAffine knows no area averaging: shrink first, then place
            source = cv2.resize(source, (max(1, round(w * sx)), max(1, round(h * sy))), interpolation=cv2.INTER_AREA)
            matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        else:
            matrix = np.array([[sx, 0, dx], [0, sy, dy]], np.float32)
        pixels = cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=GREY)
        boxes = photograph.human.copy()
        boxes[:, 3:] += boxes[:, 1:3]
        boxes[:, 1::2] = boxes[:, 1::2] * sx + dx
        boxes[:, 2::2] = boxes[:, 2::2] * sy + dy
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
            boxes[:, [1, 3]] = width - boxes[:, [3, 1]]
        return Picture(pixels, _visible(boxes, width, height))


def _shift(rng: np.random.Generator, length: float, room: int, centre: float | None) -> float:
    if length <= room:
        return rng.uniform(0, room - length)
    if centre is None:
        return rng.uniform(room - length, 0)
    return float(np.clip(room * rng.uniform(0.25, 0.75) - centre, room - length, 0))


def _visible(boxes: np.ndarray, width: int, height: int, least: float = 0.5) -> np.ndarray:
    cut = boxes.copy()
    cut[:, 1::2] = cut[:, 1::2].clip(0, width)
    cut[:, 2::2] = cut[:, 2::2].clip(0, height)
    shown = (cut[:, 3] - cut[:, 1]) * (cut[:, 4] - cut[:, 2])
    whole = (boxes[:, 3] - boxes[:, 1]) * (boxes[:, 4] - boxes[:, 2])
    return cut[(shown > least * whole) & (shown > 4)]


def colour(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Gain and offset of each channel (70 %), grey (3 %), a light blur (5 %)."""
    if rng.random() < 0.7:
        gain = rng.uniform(0.7, 1.35) * rng.uniform(0.92, 1.08, 3)
        table = np.clip(np.arange(256)[:, None] * gain + rng.uniform(-12, 12), 0, 255).astype(np.uint8)
        pixels = cv2.LUT(np.ascontiguousarray(pixels), table.reshape(1, 256, 3))
    if rng.random() < 0.03:
        pixels = cv2.cvtColor(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    if rng.random() < 0.05:
        pixels = cv2.GaussianBlur(np.ascontiguousarray(pixels), (3, 3), 0)
    return np.ascontiguousarray(pixels)
