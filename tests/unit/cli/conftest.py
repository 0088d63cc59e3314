"""Commands as a person gives them, in this process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from openrek.cli.app import main


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The only line that a person was told; nothing was printed."""
        assert self.out == ""
        [line] = self.err.splitlines()
        return line


@dataclass(frozen=True)
class Command:
    """`openrek`, in an empty folder and an environment that says nothing of it."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path, **settings: str | Path) -> Done:
        """Run it with these settings (`OPENREK_…`, without the prefix)."""
        with self.monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(f"OPENREK_{name}", str(value))
            patch.setattr(sys, "argv", ["openrek", *map(str, arguments)])
            self.capsys.readouterr()
            try:
                main()
            except SystemExit as exit_:
                status = exit_.code
            else:
                status = 0
        assert isinstance(status, int | None)
        told = self.capsys.readouterr()
        return Done(status or 0, told.out, told.err)


@pytest.fixture
def openrek(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    for name in [name for name in os.environ if name.startswith(("OPENREK_", "AWS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("OPENREK_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("openrek.log.configure", lambda level: None)  # the tests' own handlers stay
    return Command(tmp_path, monkeypatch, capsys)
