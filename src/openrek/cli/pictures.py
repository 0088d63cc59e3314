"""Pictures for people: frames of a video with the boxes that were found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from openrek.cli.output import clock_time
from openrek.geometry import Letterbox
from openrek.media.frames import VideoReader
from openrek.media.packets import PacketIndex
from openrek.media.probe import probe
from openrek.timecode import milliseconds

PICTURES, COLUMNS = 12, 4
TILE = 480
"""Longest side in pixels of a picture of the contact sheet."""

Image = NDArray[np.uint8]
_COLOURS = ((56, 161, 255), (90, 200, 90), (255, 140, 60), (200, 110, 220), (80, 80, 240), (220, 200, 60))
"""Blue, green, red."""


def draw(picture: Image, labels: Iterable[Mapping[str, Any]]) -> None:
    """Draw the instances of labels into a picture (height, width, 3; BGR), and the names of labels without any in a corner.

    Parameters
    ----------
    labels
        `Label` as in GetLabelDetection.
    """
    height, width = picture.shape[:2]
    scale = max(0.4, min(height, width) / 900)
    thickness = max(1, round(scale * 2))
    line = round(28 * scale)
    corner = height
    for label in sorted(labels, key=lambda each: -each["Confidence"]):
        colour = _COLOURS[sum(label["Name"].encode()) % len(_COLOURS)]
        for instance in label["Instances"]:
            box = instance["BoundingBox"]
            left, top = round(box["Left"] * width), round(box["Top"] * height)
            right, bottom = round((box["Left"] + box["Width"]) * width), round((box["Top"] + box["Height"]) * height)
            cv2.rectangle(picture, (left, top), (right, bottom), colour, thickness)
            _write(picture, f"{label['Name']} {instance['Confidence']:.0f}", (left, max(top, line)), scale, colour)
        if not label["Instances"]:
            _write(picture, f"{label['Name']} {label['Confidence']:.0f}", (width, corner), scale, (90, 90, 90))
            corner -= line


def _write(picture: Image, text: str, at: tuple[int, int], scale: float, colour: tuple[int, int, int]) -> None:
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x, y = min(at[0], picture.shape[1] - width), at[1]
    cv2.rectangle(picture, (x, y - height - below), (x + width, y), colour, cv2.FILLED)
    weight = max(1, round(scale * 1.5))
    cv2.putText(picture, text, (x, y - below // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), weight, cv2.LINE_AA)


def contact_sheet(video: Path, rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write a picture of up to twelve moments of the video, those with labels first, with what was found in each.

    Parameters
    ----------
    rows
        Of GetLabelDetection, by time.
    """
    by_time: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_time.setdefault(row["Timestamp"], []).append(row["Label"])
    packets = probe(video, lambda: None).packets
    with VideoReader(video, packets) as reader:
        instants = sorted(by_time) or [int(packets.duration * 1000 * i / PICTURES) for i in range(PICTURES)]
        last = len(instants) - 1
        chosen = sorted({instants[round(i * last / (PICTURES - 1))] for i in range(PICTURES)})
        moments = {_shown_at(packets, instant): instant for instant in chosen}
        tiles = []
        for frame in reader.frames(sorted(moments), lambda: None):
            picture = frame.bgr(Letterbox(frame.width, frame.height, TILE)).copy()
            draw(picture, by_time.get(moments[frame.number], ()))
            _write(picture, clock_time(moments[frame.number]), (0, picture.shape[0]), 0.45, (40, 40, 40))
            tiles.append(picture)
    if tiles:
        blank = np.zeros_like(tiles[0])
        tiles += [blank] * (-len(tiles) % COLUMNS)
        cv2.imwrite(str(path), np.vstack([np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]))


def annotate(video: Path, rows: Iterable[Mapping[str, Any]], path: Path, hold: int, progress: Callable[[int, int], None]) -> None:
    """Write a copy of the video, without sound, in which what was found is drawn.

    Parameters
    ----------
    rows
        Of GetLabelDetection, by time.
    hold
        Milliseconds for which what was found at an instant stays in the picture.
    progress
        Called with the frames that are done and the frames there are.
    """
    import av

    probed = probe(video, lambda: None)
    packets, width, height = probed.packets, probed.facts.width & ~1, probed.facts.height & ~1  # halved chroma wants even sides
    moments = groupby(rows, key=lambda row: row["Timestamp"])
    following = next(moments, None)
    labels: list[Mapping[str, Any]] = []
    seen_at = 0
    with VideoReader(video, packets) as reader, av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", packets.frame_rate, options={"preset": "veryfast", "crf": "22"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = packets.time_base
        for frame in reader.frames(range(packets.frames), lambda: None):
            now = milliseconds(frame.pts, packets.start_pts, packets.time_base)
            while following is not None and following[0] <= now:
                seen_at, labels = following[0], [row["Label"] for row in following[1]]
                following = next(moments, None)
            picture = frame.bgr().copy()
            draw(picture, labels if now < seen_at + hold else ())
            drawn = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), "bgr24")
            drawn.pts, drawn.time_base = frame.pts - packets.start_pts, packets.time_base
            container.mux(stream.encode(drawn))
            progress(frame.number + 1, packets.frames)
        container.mux(stream.encode(None))


def _shown_at(packets: PacketIndex, timestamp: int) -> int:
    """The frame that has this timestamp, which is rounded down."""
    return packets.frame_at(Fraction(timestamp + 1, 1000))
