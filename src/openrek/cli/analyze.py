"""`openrek analyze`: one video, no server, no database."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from openrek.cli.models import upgrade_advice
from openrek.cli.output import bar, err, out
from openrek.cli.summary import LabelSummary
from openrek.vision.catalogue import catalogue


def analyze(
    video: Annotated[Path, typer.Argument(help="The video.", exists=True, dir_okay=False)],
    labels: Annotated[bool, typer.Option("--labels", help="Find labels: people, animals, vehicles, things.")] = False,
    segments: Annotated[bool, typer.Option("--segments", help="Find shots and technical cues: bars, black, credits.")] = False,
    min_confidence: Annotated[float, typer.Option(min=0, max=100, help="Percent under which results are left out.")] = 50,
    rate: Annotated[float | None, typer.Option(min=0.01, max=240, help="Frames looked at per second.", show_default="2")] = None,
    model: Annotated[str | None, typer.Option(help="A detector from `openrek models list`.", show_default="the best one present")] = None,
    annotate: Annotated[Path | None, typer.Option(help="Write a copy of the video with boxes (MP4).", dir_okay=False)] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the segments as CSV.", dir_okay=False)] = None,
    edl: Annotated[Path | None, typer.Option("--edl", help="Write the shots as an edit decision list (CMX 3600).", dir_okay=False)] = None,
    storyboard: Annotated[Path | None, typer.Option(help="Write one picture a shot (.html or .png).", dir_okay=False)] = None,
    split: Annotated[Path | None, typer.Option(help="Cut the video at its shots, without coding anew, into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON as the Get operation gives it.")] = False,
) -> None:
    """Analyse a video on this machine and print what is in it.

    Examples
    --------
        openrek analyze holiday.mp4 --labels

        openrek analyze holiday.mp4 --labels --json | jq '.Labels[].Label.Name' | sort | uniq -c

        openrek analyze holiday.mp4 --labels --annotate holiday-with-boxes.mp4

        openrek analyze film.mp4 --segments --edl film.edl --storyboard film.html --split shots
    """
    if labels == segments:
        raise typer.BadParameter("say what to look for: --labels or --segments")
    if segments:
        from openrek.cli.analyze_segments import Wanted, analyze_segments

        analyze_segments(video, min_confidence, Wanted(csv, edl, storyboard, split), as_json)
        return
    if annotate is not None:
        _check_copy(annotate, video)
    from openrek.cli.offline import Analysis
    from openrek.settings import Settings

    settings = Settings()
    chosen = {name: value for name, value in (("sampling_rate", rate), ("model", model)) if value is not None}
    settings = settings.model_copy(update={"labels": settings.labels.model_validate(settings.labels.model_dump() | chosen)})
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="openrek-")))
        analysis = stack.enter_context(Analysis(video, "labels", {"MinConfidence": min_confidence}, settings, scratch))
        with bar(as_json) as progress:
            task = progress.add_task(f"looking at {video.name}", total=None)
            analysis.run(lambda done, total: progress.update(task, completed=done, total=total))
        if as_json:
            _dump(analysis.head(), analysis.rows())
        else:
            summary = LabelSummary()
            for row in analysis.rows():
                summary.add(row)
            facts, answering = analysis.facts, analysis.models["objects"]
            seconds = facts.duration_millis / 1000
            out.print(summary.table(f"{video.name}: {facts.width} x {facts.height}, {seconds:.1f} s, by {answering.version}"))
            if catalogue().named(answering.name).packaged:
                err.print(upgrade_advice(answering.name), soft_wrap=True)
        if annotate is not None:
            from openrek.cli.pictures import annotate as draw

            hold = round(1000 / settings.labels.sampling_rate)
            with bar(as_json) as progress:
                task = progress.add_task(f"drawing {annotate.name}", total=None)
                draw(video, analysis.rows(), annotate, hold, lambda done, total: progress.update(task, completed=done, total=total))
            err.print(f"{annotate}: the video with boxes", soft_wrap=True)


def _check_copy(path: Path, video: Path) -> None:
    """Refuse a file that cannot be written, before anything is done that takes time."""
    if path.exists() and path.samefile(video):
        raise typer.BadParameter(f"{path} is the video itself: name another file for the copy with boxes", param_hint="--annotate")
    if not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written: is there a folder {path.parent}, and is it yours?", param_hint="--annotate")


def _dump(head: dict[str, Any], rows: Iterator[dict[str, Any]]) -> None:
    """Print one JSON document, row by row, however many there are; numbers are those of the wire."""
    from openrek.awsmodel.serialise import serialise_json_element

    sys.stdout.write(serialise_json_element("rekognition", "GetLabelDetectionResponse", head).decode()[:-1] + ',"Labels":[')
    for number, row in enumerate(rows):
        sys.stdout.write((",\n" if number else "\n") + serialise_json_element("rekognition", "LabelDetection", row).decode())
    sys.stdout.write("\n]}\n")
