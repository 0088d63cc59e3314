"""A real clip of several chunks, with sound, made once; networks from OPENREK_MODELS."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from skimage import data

RATE, SECONDS, KEYFRAMES = 10, 62, 15
WIDTH, HEIGHT, SOUND_RATE = 320, 180, 16_000


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """62 s of pans over photographs that get darker and lighter, with a tone that comes and goes; several chunks."""
    path = tmp_path_factory.mktemp("engine") / "clip.mp4"
    photographs = [np.pad(picture, ((0, 200), (0, 200), (0, 0)), "reflect") for picture in (data.astronaut(), data.coffee(), data.cat())]
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", RATE, options={"preset": "ultrafast", "x264-params": f"keyint={KEYFRAMES}:bframes=2"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", SOUND_RATE, layout="mono")
        for number in range(RATE * SECONDS):
            picture = photographs[number // 60 % 3][::2, ::2][number % 60 :, number % 60 :][:HEIGHT, :WIDTH]
            light = 0.6 + 0.4 * np.sin(number / 17)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture * light, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        time = np.arange(SOUND_RATE * SECONDS) / SOUND_RATE
        samples = (np.sin(2 * np.pi * 440 * time) * (np.sin(time / 3) > 0) * 0.3).astype(np.float32)
        audio = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
        audio.sample_rate, audio.pts = SOUND_RATE, 0
        container.mux(sound.encode(audio))
        container.mux(sound.encode(None))
    return path
