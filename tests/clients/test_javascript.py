"""The AWS SDK for JavaScript v3: the programs in js/, each a file of tests for Node's own runner."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_clients import HERE, NODE_MODULES, run_client


@pytest.mark.parametrize("program", sorted(path.name for path in (HERE / "js").glob("*.test.mjs")))
def test_program(program: str, video: Path) -> None:
    assert NODE_MODULES.exists(), "the SDK for JavaScript is not installed: run make clients"
    print(run_client("node", "--no-warnings", "--test", "--test-reporter=spec", program, cwd=HERE / "js", VIDEO=str(video)))
