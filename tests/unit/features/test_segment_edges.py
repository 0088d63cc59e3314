"""Segments of unusual files: one frame, nothing but black, several tracks of sound, late starts, fields, variable rates, no duration."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from openrek.errors import InvalidRequestError
from openrek.features.segments import SegmentDetection
from segment_clips import HEIGHT, RATE, WIDTH, film, pan, plain, segments, spans, take, tone


def three_shots(length: int = 40) -> list[np.ndarray]:
    return [p for name in ("coffee", "astronaut", "rocket") for p in take(pan(name), length)]


SPANS = [(0, 39), (40, 79), (80, 119)]


def test_one_frame(tmp_path: Path) -> None:
    cue, shot = segments(film(tmp_path / "one.mp4", take(pan("coffee"), 1)))
    for row in (cue, shot):
        assert (row["StartFrameNumber"], row["EndFrameNumber"], row["DurationFrames"]) == (0, 0, 0)
        assert (row["StartTimestampMillis"], row["EndTimestampMillis"], row["DurationMillis"]) == (0, 0, 0)
        assert row["StartTimecodeSMPTE"] == row["EndTimecodeSMPTE"] == row["DurationSMPTE"] == "00:00:00:00"
    assert cue["TechnicalCueSegment"]["Type"] == "Content"
    assert shot["ShotSegment"]["Index"] == 0


def test_nothing_but_black(tmp_path: Path) -> None:
    rows = segments(film(tmp_path / "black.mp4", plain(0, 50)))
    assert spans(rows) == [(0, 49)]
    assert spans(rows, "BlackFrames") == [(0, 49)]
    assert len(rows) == 2


def test_nothing_but_black_with_sound(tmp_path: Path) -> None:
    rows = segments(film(tmp_path / "black.mkv", plain(0, 50), sound=[tone(2)]))
    assert spans(rows, "Content") == [(0, 49)]
    assert spans(rows) == [(0, 49)]


def test_a_track_of_silence(tmp_path: Path) -> None:
    rows = segments(film(tmp_path / "silent.mkv", [*take(pan("coffee"), 25), *plain(0, 25)], sound=[0 * tone(2)]))
    assert spans(rows, "BlackFrames") == [(25, 49)]


def test_sound_that_ends_early(tmp_path: Path) -> None:
    rows = segments(film(tmp_path / "short.mkv", [*take(pan("coffee"), 25), *plain(0, 25)], sound=[tone(0.8)]))
    assert spans(rows, "BlackFrames") == [(25, 49)]


def test_two_tracks_of_sound(tmp_path: Path) -> None:
    """It is the first that is listened to, as a player would."""
    pictures = [*take(pan("coffee"), 25), *plain(0, 25)]
    loud_first = segments(film(tmp_path / "a.mkv", pictures, sound=[tone(2), 0 * tone(2)]))
    silent_first = segments(film(tmp_path / "b.mkv", pictures, sound=[0 * tone(2), tone(2)]))
    assert spans(loud_first, "BlackFrames") == []
    assert spans(silent_first, "BlackFrames") == [(25, 49)]


def test_a_start_of_ten_seconds(tmp_path: Path) -> None:
    pictures = three_shots()
    rows = segments(film(tmp_path / "late.mkv", pictures, first_pts=250, sound=[tone(len(pictures) / 25)]))
    assert spans(rows) == SPANS
    assert rows[1]["StartTimestampMillis"] == 0
    assert rows[2]["StartTimestampMillis"] == 1600
    assert rows == segments(film(tmp_path / "early.mkv", pictures, sound=[tone(len(pictures) / 25)]))


def test_120_frames_a_second(tmp_path: Path) -> None:
    rows = segments(film(tmp_path / "fast.mp4", three_shots(130), Fraction(120)), ["SHOT"])
    assert spans(rows) == [(0, 129), (130, 259), (260, 389)]
    assert [row["EndTimecodeSMPTE"] for row in rows] == ["00:00:01:009", "00:00:02:019", "00:00:03:029"]
    assert [row["StartTimestampMillis"] for row in rows] == [0, 1083, 2166]


def test_interlaced(tmp_path: Path) -> None:
    assert spans(segments(film(tmp_path / "fields.ts", three_shots(), interlaced=True, container_format="mpegts"), ["SHOT"])) == SPANS


def test_a_variable_rate_counts_frames(tmp_path: Path) -> None:
    """Numbers count frames, milliseconds are those of the file, and timecode counts at the whole rate next to the average."""
    pts = np.cumsum([0, *np.tile([20, 60], 60)])[:120].tolist()
    rows = segments(film(tmp_path / "variable.mkv", three_shots(), pts=pts), ["SHOT"])
    assert spans(rows) == SPANS
    assert [row["StartTimestampMillis"] for row in rows] == [0, 1600, 3200]
    assert [row["EndTimestampMillis"] for row in rows] == [pts[39], pts[79], pts[119]]
    assert rows[1]["StartTimecodeSMPTE"] == "00:00:01:15"


def test_no_duration_in_the_container(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", three_shots())
    raw = tmp_path / "clip.h264"
    with av.open(str(path)) as reading, av.open(str(raw), "w") as writing:
        stream = writing.add_stream_from_template(reading.streams.video[0])
        for packet in reading.demux(reading.streams.video[0]):
            if packet.size:
                packet.stream = stream
                writing.mux_one(packet)
    with av.open(str(raw)) as container:
        assert container.streams.video[0].duration is None
    assert spans(segments(raw, ["SHOT"])) == SPANS


@pytest.mark.parametrize("depth", ["yuv420p10le", "yuv444p", "gray"])
def test_pixels_of_other_kinds(tmp_path: Path, depth: str) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, depth
        for number, picture in enumerate([*three_shots(20), *plain(0, 20)]):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24").reformat(format=depth)
            frame.pts, frame.time_base = number, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    rows = segments(path)
    assert spans(rows) == [(0, 19), (20, 39), (40, 59), (60, 79)]
    assert spans(rows, "BlackFrames") == [(60, 79)]


def test_any_number_of_workers_gives_the_same_rows(tmp_path: Path) -> None:
    """Of a video of several chunks, with shots and transitions across their borders."""
    pictures = [p for name in ("coffee", "astronaut", "rocket", "chelsea") for p in take(pan(name), 190)]
    clip = film(tmp_path / "long.mkv", [*pictures, *plain(0, 30)], sound=[tone(28)])
    alone = segments(clip)
    assert len(spans(alone)) == 5
    assert segments(clip, workers=1) == segments(clip, workers=3) == alone


def test_the_order_of_types_is_that_of_the_request(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", three_shots())
    cues_first, shots_first = segments(clip), segments(clip, ["SHOT", "TECHNICAL_CUE"])
    assert [row["Type"] for row in cues_first] == ["TECHNICAL_CUE", "SHOT", "SHOT", "SHOT"]
    assert [row["Type"] for row in shots_first] == ["SHOT", "SHOT", "SHOT", "TECHNICAL_CUE"]
    assert segments(clip, ["SHOT"]) == shots_first[:3]
    with pytest.raises(InvalidRequestError):
        SegmentDetection().check({"SegmentTypes": ["SHOT", "SHOT"]})


def test_text_is_looked_for_only_if_cues_are_wanted() -> None:
    feature = SegmentDetection()
    assert {demand.role for demand in feature.demands({"SegmentTypes": ["SHOT"]}, {})} == {"thumbnail", "loudness"}
    assert {demand.role for demand in feature.demands({"SegmentTypes": ["SHOT", "TECHNICAL_CUE"]}, {})} > {"thumbnail", "loudness"}
