"""How openrek's processes log: one line each on standard error."""

from __future__ import annotations

import logging


def configure(level: str) -> None:
    """Send what is logged at `level` and above to standard error."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", force=True)
    for noisy in ("botocore", "urllib3", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
