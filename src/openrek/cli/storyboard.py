"""A storyboard: one picture a shot, as a page or as one picture."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from openrek.cli.edit_list import described
from openrek.geometry import Letterbox
from openrek.media.frames import VideoReader
from openrek.media.probe import probe

Row = Mapping[str, Any]
Image = NDArray[np.uint8]
TILE = 320
"""Longest side in pixels of a picture."""
COLUMNS = 5
CAPTION = 22
"""Pixels under a picture."""
MOST_ON_A_SHEET = 500
"""Pictures: more do not fit into a PNG that anything opens."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px system-ui, sans-serif; margin: 2rem; background: #fff; color: #222 }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax({tile}px, 1fr)); gap: 1rem }}
figure {{ margin: 0 }} img {{ width: 100%; display: block }} figcaption {{ padding: .3rem 0; font-variant-numeric: tabular-nums }}
</style></head><body><h1>{title}</h1><main>
"""


def write_storyboard(
    video: Path, shots: Sequence[Row], path: Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Write HTML or PNG, as the file's name says.

    Parameters
    ----------
    shots
        Of GetSegmentDetection.
    progress
        Called with the pictures that are done and the pictures there are.
    """
    if path.suffix.lower() == ".png":
        _write_sheet(_pictures(video, shots[:MOST_ON_A_SHEET], progress), path)
        return
    title = html.escape(f"{video.name}: {len(shots)} shots")
    with path.open("w", encoding="utf-8") as page:
        page.write(_PAGE.format(title=title, tile=TILE * 3 // 4))
        for row, picture in _pictures(video, shots, progress):
            _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
            source = base64.b64encode(coded.tobytes()).decode()
            caption = html.escape(_caption(row))
            page.write(f'<figure><img loading="lazy" alt="{caption}" src="data:image/jpeg;base64,{source}">')
            page.write(f"<figcaption>{caption}</figcaption></figure>\n")
        page.write("</main></body></html>\n")


def _caption(row: Row) -> str:
    name, confidence = described(row)
    return f"{name}  {row['StartTimecodeSMPTE']} - {row['EndTimecodeSMPTE']}  {confidence:.0f} %"


def _pictures(video: Path, shots: Sequence[Row], progress: Callable[[int, int], None]) -> Iterator[tuple[Row, Image]]:
    """The frame in the middle of every shot; none of a shot whose frame is damaged."""
    by_frame = {(row["StartFrameNumber"] + row["EndFrameNumber"]) // 2: row for row in shots}
    with VideoReader(video, probe(video, lambda: None).packets) as reader:
        for done, frame in enumerate(reader.frames(sorted(by_frame), lambda: None), 1):
            yield by_frame[frame.number], frame.bgr(Letterbox(frame.width, frame.height, TILE))
            progress(done, len(by_frame))


def _write_sheet(pictures: Iterator[tuple[Row, Image]], path: Path) -> None:
    tiles = []
    for row, picture in pictures:
        tile = np.full((picture.shape[0] + CAPTION, picture.shape[1], 3), 255, np.uint8)
        tile[: picture.shape[0]] = picture
        text = f"{row['ShotSegment']['Index'] + 1}  {row['StartTimecodeSMPTE']}"
        cv2.putText(tile, text, (4, tile.shape[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
        tiles.append(tile)
    tiles = tiles or [np.full((CAPTION, TILE, 3), 255, np.uint8)]
    columns = min(COLUMNS, len(tiles))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    sheet = np.vstack([np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)])
    _, coded = cv2.imencode(".png", sheet)
    path.write_bytes(coded.tobytes())
