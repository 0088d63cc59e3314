import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_shows_the_taxonomy_of_today():
    checked = subprocess.run([sys.executable, ROOT / "scripts/label_table.py", "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
