"""`openrek analyze --segments`: the edit list, and what it writes."""

from __future__ import annotations

import base64
import csv
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from openrek.cli.edit_list import write_edl
from openrek.errors import OpenrekError
from replies_in_model import service_model
from segment_clips import film, pan, plain, take, tone

LENGTHS = (50, 75, 25, 50)
"""Of the shots; there is a keyframe every 50 frames."""
SHOTS = [(0, 49), (50, 124), (125, 149), (150, 199)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [
        p for name, frames in zip(("coffee", "astronaut", "chelsea", "rocket"), LENGTHS, strict=True) for p in take(pan(name), frames)
    ]
    return film(tmp_path_factory.mktemp("cli") / "die Küste.mp4", pictures, sound=[tone(8)])


def shots(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(row["StartFrameNumber"], row["EndFrameNumber"]) for row in rows if row["Type"] == "SHOT"]


def test_an_edit_list(openrek: Any, clip: Path) -> None:
    done = openrek("analyze", clip, "--segments")
    assert done.status == 0
    lines = [re.split(r"\s*│\s*", line.strip("│ ")) for line in done.out.splitlines() if "shot" in line]
    assert [line[0] for line in lines] == ["shot 1", "shot 2", "shot 3", "shot 4"]
    assert lines[1][1:5] == ["0:02.000", "0:04.960", "00:00:02:00", "50–124"]
    assert "Content" in done.out


def test_json_is_the_reply_of_get(openrek: Any, clip: Path) -> None:
    done = openrek("analyze", clip, "--segments", "--json")
    reply = json.loads(done.out)
    assert reply.keys() <= service_model("rekognition").operation_model("GetSegmentDetection").output_shape.members.keys()
    assert shots(reply["Segments"]) == SHOTS
    assert reply["AudioMetadata"] == [{"Codec": "flac", "DurationMillis": 8000, "SampleRate": 48000, "NumberOfChannels": 1}]
    assert [kind["Type"] for kind in reply["SelectedSegmentTypes"]] == ["TECHNICAL_CUE", "SHOT"]


def test_files(openrek: Any, clip: Path, tmp_path: Path) -> None:
    files = {option: tmp_path / f"out.{option}" for option in ("csv", "edl", "html", "png")}
    arguments = ("--csv", files["csv"], "--edl", files["edl"], "--storyboard")
    assert openrek("analyze", clip, "--segments", *arguments, files["html"]).status == 0
    assert openrek("analyze", clip, "--segments", "--storyboard", files["png"], "--json").status == 0

    with files["csv"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["Name"], row["StartFrameNumber"], row["EndTimecodeSMPTE"]) for row in rows][1:3] == [
        ("shot 1", "0", "00:00:01:24"),
        ("shot 2", "50", "00:00:04:24"),
    ]

    edl = files["edl"].read_text("ascii").splitlines()
    assert edl[:3] == ["TITLE: die K?ste", "FCM: NON-DROP FRAME", ""]
    events = [line for line in edl[3:] if not line.startswith("*")]
    assert events[1] == "002  AX       V     C        00:00:02:00 00:00:05:00 00:00:02:00 00:00:05:00"
    assert len(events) == 4

    page = files["html"].read_text("utf-8")
    pictures = [cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 1) for data in re.findall(r"base64,([^\"]+)", page)]
    assert [picture.shape for picture in pictures] == [(180, 320, 3)] * 4
    assert "die Küste.mp4: 4 shots" in page
    assert cv2.imread(str(files["png"])).shape[1] == 4 * 320


def test_split_where_keyframes_allow(openrek: Any, clip: Path, tmp_path: Path) -> None:
    done = openrek("analyze", clip, "--segments", "--json", "--split", tmp_path / "pieces")
    assert done.status == 0
    assert "3 pieces" in done.err
    assert "1 shots begin without a keyframe of their own" in done.err
    frames, sounds = [], []
    for path in sorted((tmp_path / "pieces").iterdir()):
        with av.open(str(path)) as container:
            decoded = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
        with av.open(str(path)) as container:
            sounds.append(sum(frame.samples for frame in container.decode(audio=0)))
        frames.append(decoded)
    assert [len(piece) for piece in frames] == [50, 100, 50]
    assert sum(sounds) == 8 * 48_000
    assert sounds[1] == pytest.approx(4 * 48_000, abs=5000)
    with av.open(str(clip)) as container:
        whole = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert all(np.array_equal(a, b) for a, b in zip(whole, [p for piece in frames for p in piece], strict=True))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--segments", "--min-confidence", "40"], "segments have a confidence of 50 to 100 percent"),
        (["--segments", "--labels"], "say what to look for: --labels or --segments"),
        (["--segments", "--storyboard", "a.jpg"], "a.jpg is neither .html nor .png"),
        (["--segments", "--csv", "nowhere/a.csv"], "is there a folder nowhere, and is it yours?"),
        (["--segments", "--edl", "film.mp4"], "film.mp4 is the video itself"),
        (["--segments", "--split", "."], "is not an empty folder"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_said_at_once(arguments: list[str], told: str, openrek: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("film.mp4").write_text("not looked at")
    done = openrek("analyze", "film.mp4", *arguments)
    assert (done.status, done.out) == (2, "")
    assert told in " ".join(done.err.replace("│", " ").split())


def test_an_edl_counts_drop_frames_and_refuses_what_it_cannot_count(tmp_path: Path) -> None:
    row = {"StartFrameNumber": 1798, "EndFrameNumber": 1799}
    write_edl([row], "a.mp4", Fraction(30000, 1001), tmp_path / "a.edl")
    assert "FCM: DROP FRAME\n" in (text := (tmp_path / "a.edl").read_text())
    assert "00:00:59;28 00:01:00;02" in text
    with pytest.raises(OpenrekError, match="write CSV instead"):
        write_edl([row], "a.mp4", Fraction(120), tmp_path / "b.edl")


def test_a_black_clip_has_a_storyboard_too(openrek: Any, tmp_path: Path) -> None:
    clip = film(tmp_path / "black.mp4", plain(0, 10))
    assert openrek("analyze", clip, "--segments", "--storyboard", tmp_path / "a.png").status == 0
    assert cv2.imread(str(tmp_path / "a.png")).shape == (202, 320, 3)
