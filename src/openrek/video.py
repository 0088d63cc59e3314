"""What is known of a video before anything looks at its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """Where a video is stored: an S3 object, in one version or in the latest."""

    bucket: str
    name: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """One audio stream: FFmpeg's codec name, samples per second, channels, milliseconds."""

    codec: str
    sample_rate: int
    channels: int
    duration_millis: int


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """The video stream that is analysed, and the sound beside it.

    Attributes
    ----------
    codec, format
        FFmpeg's codec name ("h264") and the demuxer's long name ("QuickTime / MOV").
    width, height
        Pixels as displayed, after rotation.
    rotation
        Degrees clockwise by which the decoded picture is turned for display.
    time_base
        Seconds of one unit of `pts`.
    start_pts, end_pts
        First and last pts that are displayed.
    frame_rate
        Average frames per second.
    frames
        Frames that are displayed.
    duration_millis
        Of the video stream.
    """

    codec: str
    format: str
    width: int
    height: int
    rotation: Literal[0, 90, 180, 270]
    time_base: Fraction
    start_pts: int
    end_pts: int
    frame_rate: Fraction
    frames: int
    duration_millis: int
    color_range: Literal["FULL", "LIMITED"]
    audio: tuple[AudioFacts, ...] = ()
