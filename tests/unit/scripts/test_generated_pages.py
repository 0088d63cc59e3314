import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("script", ["label_table", "settings_table"])
def test_the_reference_says_what_holds_today(script: str) -> None:
    command = [sys.executable, "-m", f"scripts.{script}", "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
