"""A long video, decoded and looked at for real: the memory of the worker and of its children does not depend on how long it is."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import psutil
import pytest
from chaos_media import RATE, long_clip
from chaos_site import REQUEST, Site
from chaos_watch import resident

TITLE = "memory over a long video at 25 frames/s"
LONG, SHORT = 2 * 3600, 5 * 60
GROWTH = 40
"""Megabytes by which the worker, or a child, may grow after the first tenth of a video."""


@dataclass(frozen=True)
class Look:
    """Megabytes of each process at some time, and chunks that were done."""

    done: int
    total: int
    worker: float
    children: dict[int, float]


class Watch(threading.Thread):
    def __init__(self, site: Site, job) -> None:
        super().__init__()
        self.site, self.job = site, job
        self.looks: list[Look] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        [worker], children = self.site.processes("worker"), self.site.processes("child")
        while not self.stopped.wait(0.5):
            row = self.site.job(self.job)
            self.looks.append(Look(row["chunks_done"], row["chunks_total"], resident(worker), _residents(children)))


def _residents(processes: list[psutil.Process]) -> dict[int, float]:
    found = {}
    for process in processes:
        try:
            found[process.pid] = resident(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seconds", [pytest.param(SHORT, marks=pytest.mark.short), LONG])
def test_memory_is_flat(program, tmp_path, report, seconds):
    video = long_clip(program, tmp_path / "long.mp4", seconds)
    with Site(tmp_path / "site", victims=False) as site:
        site.start()
        site.prepare()
        site.wait("children", lambda: len(site.processes("child")) == (site.settings.worker.cores or psutil.cpu_count()))
        job = site.begin(site.upload(video), **REQUEST)
        began = time.monotonic()
        watch = Watch(site, job)
        watch.start()
        try:
            ended = site.ended(job, patience=3000)
        finally:
            watch.stopped.set()
            watch.join()
        took = time.monotonic() - began
        assert ended["JobStatus"] == "SUCCEEDED", site.log[-3000:]
        assert site.job(job)["attempt"] == 1
        assert ended["VideoMetadata"]["DurationMillis"] == pytest.approx(1000 * seconds, rel=0.001)

        observing = [look for look in watch.looks if look.total and look.done < look.total]
        early = [look for look in observing if look.done <= look.total / 10]
        later = [look for look in observing if look.done > look.total / 10]
        assert early
        assert later
        kept = sorted(set.intersection(*(set(look.children) for look in observing)))
        assert kept, "no child has lived through the whole video"
        growth = {"worker": max(look.worker for look in later) - max(look.worker for look in early)}
        for number, pid in enumerate(kept, 1):
            growth[f"child {number}"] = max(look.children[pid] for look in later) - max(look.children[pid] for look in early)
        hours = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"
        report(TITLE, hours, "the whole job", took, "s", f"{seconds * RATE} frames, {observing[0].total} chunks")
        report(
            TITLE,
            hours,
            "worker",
            max(look.worker for look in early),
            "MB",
            f"in the first tenth at most; {max(look.worker for look in later):.1f} MB after it, "
            f"{max(look.worker for look in watch.looks):.1f} MB at most with reduction and rows",
        )
        for number, pid in enumerate(kept, 1):
            report(
                TITLE,
                hours,
                f"child {number}",
                max(look.children[pid] for look in early),
                "MB",
                f"in the first tenth at most; {max(look.children[pid] for look in later):.1f} MB after it",
            )
        assert all(megabytes < GROWTH for megabytes in growth.values()), growth
