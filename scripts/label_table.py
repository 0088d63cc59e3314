"""Write the table of classes and labels in docs/reference/labels.md from the taxonomy. `--check` only says whether it is up to date."""

from __future__ import annotations

import argparse
import tomllib
from importlib import resources
from pathlib import Path

from openrek.features.taxonomy import taxonomy

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "labels.md"
VOCABULARY = "coco-80"
BEGIN, END = "<!-- table: scripts/label_table.py -->\n", "<!-- end of table -->\n"


def table() -> str:
    """The classes of the vocabulary with their labels, as a Markdown table."""
    data = tomllib.loads(resources.files("openrek.features").joinpath("taxonomy.toml").read_text("utf-8"))
    classes = [known["class"] for known in data["vocabularies"][VOCABULARY]]
    lines = ["| The network sees | Label | Aliases | Parents | Category |", "|---|---|---|---|---|"]
    for name, label in zip(classes, taxonomy().vocabulary(VOCABULARY), strict=True):
        lines.append(f"| {name} | {label.name} | {', '.join(label.aliases)} | {', '.join(label.parents)} | {', '.join(label.categories)} |")
    return "\n".join(lines) + "\n"


def rendered(page: str) -> str:
    """The page with the table of today."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


def main() -> None:
    """Write the page, or check it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    written = PAGE.read_text("utf-8")
    fresh = rendered(written)
    if arguments.parse_args().check:
        raise SystemExit(0 if fresh == written else f"{PAGE.name} is out of date: run python scripts/label_table.py")
    PAGE.write_text(fresh, "utf-8")


if __name__ == "__main__":
    main()
