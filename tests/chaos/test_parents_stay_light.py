"""Neither the server nor the worker ever loads what decodes videos or runs networks: only children do, and nothing is forked that has it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from chaos_site import REQUEST, Site

HEAVY = {"av", "cv2", "openvino", "onnxruntime"}
LIBRARIES = ("libavcodec", "libavformat", "/cv2/", "libopenvino", "libonnxruntime")
TITLE = "what the processes have loaded"


@pytest.fixture(params=[pytest.param(True, marks=pytest.mark.short, id="looked into"), pytest.param(False, id="openrek serve")])
def site(request, tmp_path) -> Iterator[Site]:
    with Site(tmp_path / "site", victims=request.param) as site:
        site.start()
        site.wait("children", lambda: len(site.processes("child")) == (site.settings.worker.cores or psutil.cpu_count()))
        yield site


def modules(site: Site, role: str) -> set[str]:
    """The names in the `sys.modules` of a process."""
    [process] = site.processes(role)
    told = site.folder / f"modules-{role}.json"
    told.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    site.wait("list of modules", told.exists)
    return set(json.loads(told.read_text()))


def libraries(process: psutil.Process) -> set[str]:
    """Which of the heavy shared libraries a process has mapped."""
    mapped = Path(f"/proc/{process.pid}/maps").read_text()
    return {library for library in LIBRARIES if library in mapped}


def look(site: Site) -> None:
    for role in ("server", "worker"):
        for process in site.processes(role):
            assert not libraries(process), role
        if site.victims:
            assert not modules(site, role) & HEAVY, role
            assert "openrek.jobs.store" in modules(site, "server")


def test_heavy_libraries_are_loaded_by_children_alone(site, clip, report):
    look(site)
    site.prepare()
    job = site.begin(site.upload(clip), **REQUEST)
    assert site.ended(job)["JobStatus"] == "SUCCEEDED"
    site.rows(job)
    look(site)
    # The look would have found them: the children have them.
    for child in site.processes("child"):
        assert {"libavcodec", "/cv2/", "libopenvino"} <= libraries(child)
    told = {role: sum(process.memory_info().rss for process in site.processes(role)) / 1e6 for role in ("server", "worker", "child")}
    report(TITLE, "openrek serve" if not site.victims else "looked into", ", ".join(f"{role} {size:.0f} MB" for role, size in told.items()))
