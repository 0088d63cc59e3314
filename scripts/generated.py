"""Parts of pages that scripts write: kept between two comments, and compared with what is there when asked to check."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def rendered(page: str, script: str, part: str) -> str:
    """The page with this part between the script's comments."""
    begin, end = f"<!-- table: {script} -->\n", "<!-- end of table -->\n"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page lacks {begin.strip()} … {end.strip()}")
    return f"{head}{begin}\n{part}\n{end}{tail}"


def run(description: str, page: Path, script: str, part: str) -> None:
    """Write the part into its page, or with `--check` only say whether it is up to date."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    written = page.read_text("utf-8")
    fresh = rendered(written, script, part)
    if parser.parse_args().check:
        if fresh != written:
            sys.exit(f"{page.name} is out of date: run python -m {script.removesuffix('.py').replace('/', '.')}")
    else:
        page.write_text(fresh, "utf-8")
