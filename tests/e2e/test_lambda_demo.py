"""`openrek demo-lambda`, with a small video."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from e2e_media import cat, fitted, slides

from real_server import PATIENCE


def test_the_demo_stores_and_shows_labels(tmp_path: Path) -> None:
    video = slides(tmp_path / "cat.mp4", [fitted(cat())], frames=24)
    command = [sys.executable, "-m", "openrek.cli.app", "demo-lambda", str(video), "--output", str(tmp_path / "output")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "Cat" in done.stdout
    assert "start: job " in done.stderr
    assert "labels in s3://demo-labels/cat.mp4.labels.json" in done.stderr
    assert "Cat" in json.loads((tmp_path / "output" / "cat.mp4.labels.json").read_text())
