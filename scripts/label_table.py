"""Write the table of classes and labels in docs/reference/labels.md from the taxonomy. `--check` only says whether it is up to date."""

from __future__ import annotations

import tomllib
from importlib import resources

from openrek.features.taxonomy import taxonomy
from scripts.generated import DOCS, run

PAGE = DOCS / "reference" / "labels.md"
SCRIPT = "scripts/label_table.py"
VOCABULARY = "coco-80"


def table() -> str:
    """The classes of the vocabulary with their labels, as a Markdown table."""
    data = tomllib.loads(resources.files("openrek.features").joinpath("taxonomy.toml").read_text("utf-8"))
    classes = [known["class"] for known in data["vocabularies"][VOCABULARY]]
    lines = ["| The network sees | Label | Aliases | Parents | Category |", "|---|---|---|---|---|"]
    for name, label in zip(classes, taxonomy().vocabulary(VOCABULARY), strict=True):
        lines.append(f"| {name} | {label.name} | {', '.join(label.aliases)} | {', '.join(label.parents)} | {', '.join(label.categories)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run(__doc__ or "", PAGE, SCRIPT, table())
