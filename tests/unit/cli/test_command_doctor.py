"""`openrek doctor`: on this machine, and on machines where something is broken."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from openrek.cli import doctor
from openrek.localaws.functions import service

WHAT = [
    "machine",
    "memory",
    "data folder",
    "job database",
    "video",
    "networks",
    "labels",
    "reading videos",
    "functions",
    "bucket addresses",
]


def findings(openrek: Any, **settings: Any) -> tuple[int, dict[str, dict[str, str]]]:
    done = openrek("doctor", "--json", **settings)
    assert done.err == ""
    return done.status, {finding["what"]: finding for finding in json.loads(done.out)}


def break_library(name: str, program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "broken").mkdir(exist_ok=True)
    (folder / "broken" / f"{name}.py").write_text(program)
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "broken"), *([inherited] if inherited else [])]))


def test_where_all_is_well(shared: Path, openrek: Any) -> None:
    status, found = findings(openrek, MODELS=shared / "models")
    assert status == 0
    assert list(found) == WHAT
    assert {found[what]["state"] for what in ("machine", "data folder", "job database", "video", "networks", "labels")} == {"works"}
    assert found["reading videos"]["found"].startswith("in a process of its own")
    assert found["networks"]["found"].startswith("OpenVINO 20")
    assert not (openrek.folder / ".openrek").exists()


def test_where_libraries_are_broken(shared: Path, openrek: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    break_library("openvino", "import os, signal; os.kill(os.getpid(), signal.SIGILL)", openrek.folder, monkeypatch)
    break_library("cv2", "raise ImportError('libGL.so.1: cannot open shared object file')", openrek.folder, monkeypatch)
    status, found = findings(openrek, MODELS=shared / "models")
    assert status == 1
    assert list(found) == WHAT
    missing = {what: finding for what, finding in found.items() if finding["state"] == "missing"}
    assert missing.keys() == {"video", "networks", "labels", "reading videos"}
    assert missing["video"]["found"] == "ImportError: libGL.so.1: cannot open shared object file"
    assert missing["networks"]["found"] == "OpenVINO cannot be loaded: its process ended by signal 4"
    assert missing["labels"]["found"].startswith("yolox-nano-0.1.1rc0 cannot be opened: ")
    assert "ended before it looked at one, with status 1: ImportError: libGL.so.1" in missing["reading videos"]["found"]
    assert {finding["advice"] for finding in missing.values()} == {doctor.REINSTALL}


def test_where_there_is_no_detector(openrek: Any) -> None:
    status, found = findings(openrek, LABELS__MODEL="yolox-s")
    assert (status, found["labels"]["state"]) == (1, "missing")
    assert "openrek models pull yolox-s" in found["labels"]["advice"]


def test_functions_that_do_not_run(openrek: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"functions": doctor.CHECKS["functions"]})
    assert findings(openrek)[1]["functions"]["state"] == "works"
    status, found = findings(openrek, HOST="0.0.0.0")
    assert (status, found["functions"]["state"]) == (0, "limited")
    assert "OPENREK_FUNCTIONS__ALLOWED=always" in found["functions"]["advice"]
    monkeypatch.setattr(service, "find_spec", lambda name: None)
    assert "pip install 'openrek[lambda]'" in findings(openrek)[1]["functions"]["advice"]


def test_a_database_that_does_not_answer(openrek: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"job database": doctor.CHECKS["job database"]})
    status, found = findings(openrek, DATABASE="postgresql+psycopg://nobody@127.0.0.1:1/name")
    assert (status, found["job database"]["state"]) == (1, "missing")
    assert "port 1 failed" in found["job database"]["found"]


def test_a_check_that_breaks_is_a_finding(openrek: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> Any:
        raise ArithmeticError("what nobody foresaw [/red]")

    monkeypatch.setattr(doctor, "CHECKS", {"sums": broken, "machine": doctor.CHECKS["machine"]})
    done = openrek("doctor")
    assert done.status == 1
    assert "ArithmeticError: what nobody foresaw [/red]" in done.out
    assert "│ machine " in done.out
