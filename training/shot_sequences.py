"""Short sequences of thumbnails with known cuts and transitions, made of photographs: what the weights of shot detection are fitted on.

A shot is a photograph under a camera that stands, pans, zooms or shakes, with pieces of other photographs moving over it. Shots are joined
by cuts, dissolves, fades, wipes and pushes; flashes, strobes, flicker, changing light, explosions, changing billboards, titles, whip pans,
zooms, passers-by and visitors happen in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT = 96, 54
FRAMES = 240
Clip = Any
"""Frames of luma and chroma, uint8, shape (n, HEIGHT, WIDTH, 3)."""
Gradual = tuple[int, int, str]
"""First and last frame of a transition, and its kind."""


@dataclass(frozen=True)
class Sequence_:
    """Thumbnails as `openrek.vision.thumbnails` makes them; first frames of shots after cuts; transitions: first and last frames, kinds."""

    luma: Any
    chroma: Any
    cuts: tuple[int, ...]
    gradual: tuple[tuple[int, int], ...]
    kinds: tuple[str, ...]


class Maker:
    """Makes sequences; the same seed gives the same one."""

    def __init__(self, photographs: Sequence[Path]) -> None:
        self._photographs = photographs
        self._load = lru_cache(4000)(lambda path: cv2.imread(str(path)))
        self._effects: tuple[Callable[[Any, Clip], Clip], ...] = (
            flash, flash, strobe, flicker, light, explosion, self._billboard, title, title, self._whip, zoom, self._passer, light,
            self._visitor, self._visitor,
        )  # fmt: skip

    def sequence(self, seed: int, *, cuts_only: bool = False) -> Sequence_:
        """A sequence; with `cuts_only` one without transitions, in which something happens in every shot that is long enough."""
        rng = np.random.default_rng(seed)
        frames: list[Any] = []
        cuts: list[int] = []
        gradual: list[Gradual] = []
        kind, pending = "", np.zeros((0, HEIGHT, WIDTH, 3), np.uint8)
        uncut = rng.random() < 0.15
        while len(frames) < FRAMES:
            length = FRAMES if uncut else int(rng.integers(8, 120) if rng.random() < 0.8 else rng.integers(4, 24))
            following = str(rng.choice(["cut", "dissolve", "fade", "wipe", "push"], p=[0.6, 0.17, 0.11, 0.09, 0.03]))
            following = "cut" if cuts_only else following
            out = {"cut": 0, "dissolve": int(rng.integers(4, 61)), "fade": int(rng.integers(4, 61))}.get(
                following, int(rng.integers(5, 31))
            )
            lead = len(pending) if kind in ("dissolve", "wipe", "push") else 0
            shot = self._shot(rng, lead + length + out)
            if (uncut or cuts_only or rng.random() < 0.5) and len(shot) >= 24:
                shot = self._effects[rng.integers(len(self._effects))](rng, shot)
            start, body = len(frames), shot[lead : lead + length]
            if kind == "cut":
                cuts.append(start)
            elif kind in ("dissolve", "wipe", "push"):
                frames += list({"dissolve": dissolve, "wipe": wipe, "push": push}[kind](rng, pending, shot[:lead]))
                gradual.append((start, len(frames) - 1, kind))
            elif kind == "fade":
                body = self._fade(rng, frames, pending, body, cuts, gradual)
            frames += list(body)
            kind, pending = following, shot[lead + length :]
        return self._finished(rng, np.stack(frames[:FRAMES]), cuts, gradual)

    def _fade(self, rng: Any, frames: list[Any], old: Clip, new: Clip, cuts: list[int], gradual: list[Gradual]) -> Clip:
        """Fade the old shot out, hold, and fade the new one in, or cut to it."""
        start, count = len(frames), len(old)
        colour = np.array([rng.choice([0, 0, 0, 16, 255]), 128, 128], np.float32)
        if rng.random() < 0.15:
            colour = np.array([rng.integers(0, 255), rng.integers(60, 200), rng.integers(60, 200)], np.float32)
        hold = int(rng.choice([0, 0, 1, 3, 8, 25]))
        frames += [mix(p, colour, (n + 1) / (count + (hold == 0))) for n, p in enumerate(old)]
        frames += [np.broadcast_to(colour, (HEIGHT, WIDTH, 3)).astype(np.uint8)] * hold
        held = len(frames)
        if hold >= 3 and rng.random() < 0.25:
            gradual.append((start, start + count - 1, "fade"))
            cuts.append(held)
            return new
        back = min(int(rng.integers(4, 50)), max(4, len(new) - 2), len(new))
        new = new.copy()
        for n in range(back):
            new[n] = mix(new[n], colour, 1 - (n + 1) / (back + 1))
        if hold < 8:
            gradual.append((start, held + back - 1, "fade"))
        else:
            gradual += [(start, start + count - 1, "fade"), (held, held + back - 1, "fade")]
        return new

    def _finished(self, rng: Any, clip: Clip, cuts: list[int], gradual: list[Gradual]) -> Sequence_:
        """With black bars, without colour, with noise, now and then; and scaled."""
        clip = clip.astype(np.float32)
        if rng.random() < 0.15:
            clip[..., 1:] = 128
        if rng.random() < 0.2:
            share = rng.uniform(0.06, 0.2)
            rows, columns = (int(HEIGHT * share), 0) if rng.random() < 0.6 else (0, int(WIDTH * share))
            inside = np.zeros((HEIGHT, WIDTH), bool)
            inside[rows : HEIGHT - rows, columns : WIDTH - columns] = True
            clip[:, ~inside] = [0, 128, 128]
        clip[..., 0] += rng.normal(0, rng.choice([0.3, 1, 3, 6]), clip.shape[:3])
        clip = np.clip(clip, 0, 255).astype(np.uint8)
        luma = np.stack([cv2.resize(f[..., 0], (48, 27), interpolation=cv2.INTER_AREA) for f in clip])
        chroma = np.stack([cv2.resize(np.ascontiguousarray(f[..., 1:]), (16, 9), interpolation=cv2.INTER_AREA) for f in clip])
        seen = [(first, min(last, FRAMES - 1), kind) for first, last, kind in gradual if first < FRAMES]
        spans, kinds = tuple((first, last) for first, last, _ in seen), tuple(kind for _, _, kind in seen)
        return Sequence_(luma, chroma, tuple(cut for cut in cuts if cut < FRAMES), spans, kinds)

    def _photograph(self, rng: Any) -> Any:
        while True:
            picture = self._load(self._photographs[rng.integers(len(self._photographs))])
            if picture is not None and min(picture.shape[:2]) > 100:
                return cv2.cvtColor(picture, cv2.COLOR_BGR2YUV)

    def _small(self, rng: Any, width: int, height: int) -> Any:
        return cv2.resize(self._photograph(rng), (width, height), interpolation=cv2.INTER_AREA)

    def _camera(self, rng: Any, count: int, speed: float, zooming: float, shaking: float) -> Clip:
        """A photograph under a moving camera; speed in percent of the picture's width a frame."""
        picture = self._photograph(rng)
        height, width = picture.shape[:2]
        view = min(width, height * 16 / 9) * rng.uniform(0.55, 0.95)
        x, y, angle = rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height, rng.uniform(0, 2 * np.pi)
        zoom_by = np.exp(rng.uniform(-zooming, zooming) / 100)
        shakes = np.cumsum(rng.normal(0, shaking, (2, count)), axis=1) * 0.25 + rng.normal(0, shaking, (2, count)) * 0.5
        made = []
        for n in range(count):
            t = n - count / 2
            step = speed * view / 100 * t
            at = x + np.cos(angle) * step + shakes[0, n] * view, y + 0.6 * np.sin(angle) * step + shakes[1, n] * view
            made.append(_view(picture, *at, view * float(np.clip(zoom_by**t, 0.3, 3))))
        return np.stack(made)

    def _shot(self, rng: Any, count: int) -> Clip:
        chance = rng.random()
        if chance < 0.25:
            clip = self._camera(rng, count, 0, 0, 0)
        elif chance < 0.6:
            clip = self._camera(rng, count, rng.uniform(0, 0.8), 0.3, 0)
        elif chance < 0.8:
            clip = self._camera(rng, count, 0.15, 0.2, rng.uniform(0.002, 0.03))
        else:
            clip = self._camera(rng, count, rng.uniform(1, 5), 2, 0)
        for _ in range(rng.integers(0, 4)):
            clip = self._sprite(rng, clip)
        clip = clip.astype(np.float32)
        clip[..., 0] = clip[..., 0] * rng.uniform(0.6, 1.25) + rng.uniform(-25, 25)
        if rng.random() < 0.3:
            clip[..., 0] *= rng.uniform(0.12, 0.5)
        clip[..., 1:] = (clip[..., 1:] - 128) * rng.choice([0, 0.5, 1, 1, 1.3]) + 128
        return np.clip(clip, 0, 255).astype(np.uint8)

    def _sprite(self, rng: Any, clip: Clip) -> Clip:
        """Something that moves over the picture."""
        width, height = int(rng.uniform(8, 50)), int(rng.uniform(8, 40))
        piece, mask = self._small(rng, width, height), np.zeros((height, width), np.uint8)
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 1, -1)
        x, y = rng.uniform(-20, WIDTH), rng.uniform(-20, HEIGHT)
        dx, dy = rng.normal(0, 1.5, 2) * rng.choice([0.3, 1, 3])
        for n, frame in enumerate(clip):
            _paste(frame, piece, mask > 0, int(x + dx * n), int(y + dy * n + 2 * np.sin(n / 5)))
        return clip

    def _billboard(self, rng: Any, clip: Clip) -> Clip:
        share = rng.uniform(0.15, 0.55)
        width, height = int(share * WIDTH), min(HEIGHT, int(rng.uniform(0.7, 1.2) * share * HEIGHT))
        x, y, until = int(rng.uniform(0, WIDTH - width)), int(rng.uniform(0, HEIGHT - height)), 0
        for n in range(len(clip)):
            if n == until:
                piece, until = self._small(rng, width, height), n + int(rng.integers(2, 40))
            clip[n, y : y + height, x : x + width] = piece
        return clip

    def _whip(self, rng: Any, clip: Clip) -> Clip:
        """A camera that is torn round, in place of what the shot was."""
        picture = self._photograph(rng)
        picture = np.hstack([picture, picture[:, ::-1], picture, picture[:, ::-1]])
        height, width = picture.shape[:2]
        view = min(width / 4, height * 16 / 9) * 0.9
        start, frames = int(rng.integers(1, max(2, len(clip) - 16))), int(rng.integers(3, 16))
        x, way, made = view * 0.6, view * rng.uniform(0.6, 2), []
        for n in range(len(clip)):
            speed = way / frames if start <= n < start + frames else 0.002 * view
            x = min(x + speed, width - view / 2)
            blur = int(speed / view * WIDTH / 2)
            frame = _view(picture, x, height / 2, view)
            made.append(cv2.blur(frame, (blur, 1)) if blur > 2 else frame)
        return np.stack(made)

    def _passer(self, rng: Any, clip: Clip) -> Clip:
        start, frames, width = int(rng.integers(0, max(1, len(clip) - 20))), int(rng.integers(4, 30)), rng.uniform(0.2, 0.9) * WIDTH
        piece = cv2.blur(self._small(rng, WIDTH, HEIGHT), (9, 9))
        piece[..., 0] //= 2
        backwards = rng.random() < 0.5
        for n in range(start, min(start + frames, len(clip))):
            centre = -width / 2 + (WIDTH + width) * (n - start + 0.5) / frames
            centre = WIDTH - centre if backwards else centre
            left, right = int(max(0, centre - width / 2)), int(min(WIDTH, centre + width / 2))
            if right > left:
                clip[n][:, left:right] = piece[:, left:right]
        return clip

    def _visitor(self, rng: Any, clip: Clip) -> Clip:
        """Something large that comes in from a side, stays for a while, and goes again or not."""
        width, height = int(rng.uniform(0.3, 0.8) * WIDTH), int(rng.uniform(0.5, 1.2) * HEIGHT)
        piece, mask = self._small(rng, width, height), np.zeros((height, width), np.uint8)
        piece = cv2.blur(piece, (3, 3)) if rng.random() < 0.5 else piece
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 1, -1)
        side, way = rng.uniform(0, 2 * np.pi), WIDTH * rng.uniform(0.8, 1.1)
        x, y = WIDTH * rng.uniform(0.3, 0.7) - width / 2, HEIGHT * rng.uniform(0.3, 0.8) - height / 2
        start, come, stay = int(rng.integers(1, max(2, len(clip) - 40))), int(rng.integers(8, 40)), int(rng.integers(5, 60))
        leaves = rng.random() < 0.6
        for n in range(start, len(clip)):
            since = n - start
            near = since / come if since < come else 1 - max(0, since - come - stay) / come if leaves else 1.0
            far = way * (1 - np.clip(near, 0, 1)) ** 2
            _paste(clip[n], piece, mask > 0, int(x + far * np.cos(side)), int(y + far * np.sin(side)))
        return clip


def mix(one: Any, other: Any, share: Any) -> Any:
    return (one * (1 - np.asarray(share)) + other * np.asarray(share)).astype(np.uint8)


def _view(picture: Any, x: float, y: float, width: float) -> Any:
    """What a camera sees that looks at (x, y)."""
    scale = width / (2 * WIDTH)
    matrix = np.array([[scale, 0, x - scale * WIDTH], [0, scale, y - scale * HEIGHT]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(picture, matrix, (2 * WIDTH, 2 * HEIGHT), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def _paste(frame: Any, piece: Any, mask: Any, x: int, y: int) -> None:
    left, right, top, bottom = max(0, x), min(WIDTH, x + piece.shape[1]), max(0, y), min(HEIGHT, y + piece.shape[0])
    if right > left and bottom > top:
        inside = np.s_[top - y : bottom - y, left - x : right - x]
        frame[top:bottom, left:right][mask[inside]] = piece[inside][mask[inside]]


def flash(rng: Any, clip: Clip) -> Clip:
    """One to three times one to three frames, everywhere or in one place."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for _ in range(rng.integers(1, 4)):
        frames = int(rng.integers(1, 4))
        start = int(rng.integers(1, len(clip) - frames))
        near = np.exp(-np.hypot(columns - rng.uniform(0, WIDTH), rows - rng.uniform(0, HEIGHT)) / rng.uniform(20, 120))[..., None]
        colour = np.array([255, 128, 128] if rng.random() < 0.8 else rng.integers([100, 60, 60], [255, 200, 200]), np.float32)
        local = rng.random() < 0.4
        for n in range(start, start + frames):
            strength = rng.uniform(0.4, 1)
            clip[n] = mix(clip[n], colour, strength * near if local else strength)
    return clip


def strobe(rng: Any, clip: Clip) -> Clip:
    start, period = int(rng.integers(1, max(2, len(clip) - 30))), int(rng.integers(2, 7))
    level = 0 if rng.random() < 0.5 else 255
    for n in range(start, min(len(clip) - 1, start + int(rng.integers(8, 40)))):
        if (n - start) % period < max(1, period // 2):
            clip[n] = mix(clip[n], np.array([level, 128, 128], np.float32), 0.85)
    return clip


def flicker(rng: Any, clip: Clip) -> Clip:
    gain = 1 + rng.normal(0, rng.uniform(0.03, 0.2), len(clip))
    clip[..., 0] = np.clip(clip[..., 0] * gain[:, None, None], 0, 255).astype(np.uint8)
    return clip


def light(rng: Any, clip: Clip) -> Clip:
    """A lamp is switched, or the sun comes out."""
    start, frames, gain = (
        int(rng.integers(1, len(clip) - 1)),
        int(rng.choice([1, 1, 3, 10, 30])),
        float(rng.choice([rng.uniform(0.3, 0.7), rng.uniform(1.4, 2.5)])),
    )
    share = np.clip((np.arange(len(clip)) - start + 1) / frames, 0, 1)
    clip[..., 0] = np.clip(clip[..., 0] * (1 + (gain - 1) * share)[:, None, None], 0, 255).astype(np.uint8)
    return clip


def explosion(rng: Any, clip: Clip) -> Clip:
    start, rise, fall = int(rng.integers(1, max(2, len(clip) - 30))), int(rng.integers(2, 6)), int(rng.integers(8, 26))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(columns - rng.uniform(0.2, 0.8) * WIDTH, rows - rng.uniform(0.2, 0.8) * HEIGHT)[..., None] / WIDTH
    for n in range(start, min(len(clip), start + rise + fall)):
        since = n - start
        strength = (since + 1) / rise if since < rise else 1 - (since - rise + 1) / (fall + 1)
        clip[n] = mix(clip[n], np.array([235, 80, 170], np.float32), np.clip(1.6 * strength - distance, 0, 1))
    return clip


def title(rng: Any, clip: Clip) -> Clip:
    """Lines that come and go over the picture, at once or by a fade."""
    start = int(rng.integers(0, len(clip) - 4))
    stop, fade = min(len(clip), start + int(rng.integers(10, 80))), int(rng.choice([1, 1, 5, 12]))
    mask = np.zeros((4 * HEIGHT, 4 * WIDTH), np.uint8)
    for line in range(rng.integers(1, 4)):
        text = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTU "), rng.integers(5, 16)))
        at = int(rng.uniform(0.02, 0.3) * 4 * WIDTH), int((rng.uniform(0.1, 0.85) + 0.12 * line) * 4 * HEIGHT)
        cv2.putText(mask, text, at, int(rng.integers(0, 5)), rng.uniform(0.6, 1.6), 255, int(rng.integers(1, 4)))
    share = cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)[..., None] / 255
    colour = np.array([rng.choice([20, 200, 235]), 128, 128], np.float32)
    for n in range(start, stop):
        clip[n] = mix(clip[n], colour, share * min(1, (n - start + 1) / fade, (stop - n) / fade))
    return clip


def zoom(rng: Any, clip: Clip) -> Clip:
    start, frames, most = int(rng.integers(0, max(1, len(clip) - 20))), int(rng.integers(3, 20)), rng.uniform(1.3, 3)
    made = []
    for n, frame in enumerate(clip):
        scale = most ** float(np.clip((n - start) / frames, 0, 1))
        width, height = max(8, int(WIDTH / scale)), max(5, int(HEIGHT / scale))
        x, y = (WIDTH - width) // 2, (HEIGHT - height) // 2
        made.append(cv2.resize(np.ascontiguousarray(frame[y : y + height, x : x + width]), (WIDTH, HEIGHT)))
    return np.stack(made if rng.random() < 0.6 else made[::-1])


def dissolve(rng: Any, old: Clip, new: Clip) -> Iterator[Any]:
    eased = rng.integers(3) == 2
    for n, (a, b) in enumerate(zip(old, new, strict=True)):
        share = (n + 1) / (len(old) + 1)
        yield mix(a, b, share * share * (3 - 2 * share) if eased else share)


def wipe(rng: Any, old: Clip, new: Clip) -> Iterator[Any]:
    """By edges in ten shapes or along an irregular matte, sharp or soft."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / np.array([HEIGHT, WIDTH]).reshape(2, 1, 1)
    shapes = (
        _matte(rng), _matte(rng),
        1 - x, x, 1 - y, y, (x + y) / 2, np.hypot(x - 0.5, y - 0.5) / 0.71, (np.arctan2(y - 0.5, x - 0.5) / np.pi + 1) / 2,
        (8 * x) % 1, 2 * np.abs(x - 0.5), (1 - x + y) / 2,
    )  # fmt: skip
    shape, soft = shapes[rng.integers(len(shapes))], float(rng.choice([0.01, 0.03, 0.15, 0.3]))
    for n, (a, b) in enumerate(zip(old, new, strict=True)):
        yield mix(a, b, np.clip(((n + 1) / (len(old) + 1) * (1 + soft) - shape) / soft, 0, 1)[..., None])


def _matte(rng: Any) -> Any:
    """Streaks or blots that open one after the other, as from a designer's hand: ranks from 0 to 1."""
    noise = cv2.GaussianBlur(rng.normal(size=(2 * WIDTH, 2 * WIDTH)), (0, 0), rng.uniform(2, 5), sigmaY=rng.uniform(2, 30))
    turned = cv2.warpAffine(noise, cv2.getRotationMatrix2D((WIDTH, WIDTH), rng.uniform(0, 180), 1), (2 * WIDTH, 2 * WIDTH))
    streaks = turned[WIDTH // 2 : WIDTH // 2 + HEIGHT, WIDTH // 2 : WIDTH // 2 + WIDTH]
    y, x = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    angle, ramp = rng.uniform(0, 2 * np.pi), rng.uniform(0, 3)
    field = streaks / streaks.std() + ramp * (np.cos(angle) * x + np.sin(angle) * y)
    return np.argsort(np.argsort(field, axis=None)).reshape(HEIGHT, WIDTH) / (HEIGHT * WIDTH)


def push(rng: Any, old: Clip, new: Clip) -> Iterator[Any]:
    """The new picture pushes the old one out."""
    axis, backwards = int(rng.integers(2)), rng.random() < 0.5
    size = (HEIGHT, WIDTH)[axis]
    for n, (a, b) in enumerate(zip(old, new, strict=True)):
        at = round(size * (n + 1) / (len(old) + 1))
        both = np.concatenate([b, a] if backwards else [a, b], axis=axis)
        yield both.take(range(size - at, 2 * size - at) if backwards else range(at, at + size), axis=axis)
