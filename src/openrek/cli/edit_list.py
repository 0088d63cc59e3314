"""Segments as editors read them: a table, CSV, and an edit decision list in CMX 3600."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.table import Table

from openrek.cli.output import clock_time
from openrek.errors import OpenrekError
from openrek.timecode import drops_frames, nominal_rate, smpte

Row = Mapping[str, Any]
COLUMNS = (
    "Type",
    "StartFrameNumber",
    "EndFrameNumber",
    "DurationFrames",
    "StartTimestampMillis",
    "EndTimestampMillis",
    "DurationMillis",
    "StartTimecodeSMPTE",
    "EndTimecodeSMPTE",
    "DurationSMPTE",
)
FASTEST_EDL = 60
"""Frames a second for which CMX 3600 has room."""
REEL = "AX"
"""What editing systems call a source that is a file and no tape."""


def described(row: Row) -> tuple[str, float]:
    """What a segment is, in a word or two, and its confidence."""
    if row["Type"] == "SHOT":
        shot = row["ShotSegment"]
        return f"shot {shot['Index'] + 1}", shot["Confidence"]
    cue = row["TechnicalCueSegment"]
    return cue["Type"], cue["Confidence"]


def edit_list(rows: Iterable[Row], title: str) -> Table:
    """A table for people, in the order of the rows."""
    table = Table(title=title, title_justify="left")
    table.add_column("segment", no_wrap=True)
    for column in ("from", "to", "timecode", "frames", "confidence"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        name, confidence = described(row)
        table.add_row(
            name,
            clock_time(row["StartTimestampMillis"]),
            clock_time(row["EndTimestampMillis"]),
            row["StartTimecodeSMPTE"],
            f"{row['StartFrameNumber']}–{row['EndFrameNumber']}",
            f"{confidence:.1f} %",
        )
    return table


def write_csv(rows: Iterable[Row], path: Path) -> None:
    """One line a segment, with the members of the API as columns, and what it is and how sure that is."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([COLUMNS[0], "Name", "Confidence", *COLUMNS[1:]])
        for row in rows:
            name, confidence = described(row)
            writer.writerow([row["Type"], name, f"{confidence:.3f}", *(row[column] for column in COLUMNS[1:])])


def write_edl(shots: Sequence[Row], video: str, rate: Fraction, path: Path) -> None:
    """Every shot as a cut of the picture, each where it is in the video; ends are the frame after, as CMX 3600 has them.

    Raises
    ------
    OpenrekError
        The video has more frames a second than the format can count.
    """
    if nominal_rate(rate) > FASTEST_EDL:
        raise OpenrekError(f"CMX 3600 counts at most {FASTEST_EDL} frames a second, and the video has {float(rate):g}: write CSV instead.")
    lines = [f"TITLE: {_plain(Path(video).stem)[:70]}", f"FCM: {'' if drops_frames(rate) else 'NON-'}DROP FRAME", ""]
    for number, row in enumerate(shots, 1):
        start, end = smpte(row["StartFrameNumber"], rate), smpte(row["EndFrameNumber"] + 1, rate)
        lines += [f"{number:03d}  {REEL:<8} V     C        {start} {end} {start} {end}", f"* FROM CLIP NAME: {_plain(video)}"]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _plain(text: str) -> str:
    """The text as the format's ASCII."""
    return text.encode("ascii", "replace").decode().replace("\n", " ").replace("\r", " ")
