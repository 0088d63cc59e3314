"""What `openrek analyze --segments` does: find segments, print them, and write what was asked for."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from openrek.cli.edit_list import edit_list, write_csv, write_edl
from openrek.cli.output import bar, err, out

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files to write: CSV, EDL, storyboard, and the folder for the pieces of the video."""

    csv: Path | None
    edl: Path | None
    storyboard: Path | None
    split: Path | None

    def check(self, video: Path) -> None:
        """Refuse what cannot be written, before anything is done that takes time.

        Raises
        ------
        typer.BadParameter
            With what to do about it.
        """
        for option, path in (("--csv", self.csv), ("--edl", self.edl), ("--storyboard", self.storyboard)):
            if path is None:
                continue
            if path.exists() and path.samefile(video):
                raise typer.BadParameter(f"{path} is the video itself: name another file", param_hint=option)
            if not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
                raise typer.BadParameter(f"{path} cannot be written: is there a folder {path.parent}, and is it yours?", param_hint=option)
        if self.storyboard is not None and self.storyboard.suffix.lower() not in (".html", ".htm", ".png"):
            raise typer.BadParameter(f"{self.storyboard} is neither .html nor .png", param_hint="--storyboard")
        if self.split is not None and self.split.exists() and (not self.split.is_dir() or any(self.split.iterdir())):
            raise typer.BadParameter(f"{self.split} is not an empty folder: name a new one", param_hint="--split")


def analyze_segments(video: Path, min_confidence: float, wanted: Wanted, as_json: bool) -> None:
    """Find the segments of a video."""
    if not 50 <= min_confidence <= 100:
        raise typer.BadParameter("segments have a confidence of 50 to 100 percent", param_hint="--min-confidence")
    wanted.check(video)
    from openrek.cli.offline import Analysis
    from openrek.settings import Settings

    least = {"MinSegmentConfidence": min_confidence}
    request = {"SegmentTypes": ["TECHNICAL_CUE", "SHOT"], "Filters": {"TechnicalCueFilter": least, "ShotFilter": least}}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openrek-")))
        analysis = stack.enter_context(Analysis(video, "segments", request, Settings(), scratch))
        _with_bar(f"looking at {video.name}", as_json, analysis.run)
        rows, facts = list(analysis.rows()), analysis.facts
        if as_json:
            from openrek.awsmodel.serialise import serialise_json_element

            reply = analysis.head() | {"Segments": rows}
            sys.stdout.write(serialise_json_element("rekognition", "GetSegmentDetectionResponse", reply).decode() + "\n")
        else:
            seconds = facts.duration_millis / 1000
            out.print(
                edit_list(rows, f"{video.name}: {facts.width} x {facts.height}, {seconds:.1f} s, {float(facts.frame_rate):g} frames/s")
            )
    shots = [row for row in rows if row["Type"] == "SHOT"]
    if wanted.csv is not None:
        write_csv(rows, wanted.csv)
        _told(f"{wanted.csv}: {len(rows)} segments")
    if wanted.edl is not None:
        write_edl(shots, video.name, facts.frame_rate, wanted.edl)
        _told(f"{wanted.edl}: {len(shots)} cuts")
    if wanted.storyboard is not None:
        from openrek.cli.storyboard import write_storyboard

        path = wanted.storyboard
        _with_bar(f"drawing {path.name}", as_json, lambda progress: write_storyboard(video, shots, path, progress))
        _told(f"{path}: the storyboard")
    if wanted.split is not None:
        _split(video, shots, wanted.split, as_json)


def _split(video: Path, shots: list[dict[str, Any]], folder: Path, as_json: bool) -> None:
    from openrek.cli.splitting import Split, split

    folder.mkdir(parents=True, exist_ok=True)
    done: list[Split] = []
    starts = [shot["StartFrameNumber"] for shot in shots]
    _with_bar(f"cutting {video.name}", as_json, lambda progress: done.append(split(video, starts, folder, progress)))
    _told(f"{folder}: {len(done[0].files)} pieces")
    if done[0].uncut:
        _told(f"{len(done[0].uncut)} shots begin without a keyframe of their own and stay with the one before: to cut there, code anew.")


def _with_bar(text: str, quiet: bool, work: Callable[[Progress], object]) -> None:
    with bar(quiet) as progress:
        task = progress.add_task(text, total=None)
        work(lambda done, total: progress.update(task, completed=done, total=total))


def _told(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)
