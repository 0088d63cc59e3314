"""Packages of functions."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

ROLE = "arn:aws:iam::000000000000:role/run"


def packed(files: Mapping[str, str | bytes]) -> bytes:
    """A zip file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()
