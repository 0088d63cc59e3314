"""The worker process: `python -m openrek.server.worker`, kept running by the server."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache

from openrek.awsmodel.serialise import serialise_json_element
from openrek.awsmodel.services import load_service
from openrek.clock import SystemClock
from openrek.db import Database
from openrek.engine.runners import ProcessRunner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import VideoLimits
from openrek.features.base import Feature, Row
from openrek.features.registry import FEATURES
from openrek.jobs.claims import Claims
from openrek.jobs.results import ResultWriter
from openrek.localaws.s3.storage import Storage
from openrek.log import configure
from openrek.media.stage import Room
from openrek.server.names import worker_name
from openrek.server.sources import object_source
from openrek.settings import Settings
from openrek.vision.library import ModelLibrary
from openrek.vision.registry import VERSIONS
from openrek.worker.rows import Rows
from openrek.worker.run import Worker
from openrek.worker.scratch import Scratch
from openrek.worker.staged import StagedVideos

MEGABYTE, GIGABYTE = 10**6, 10**9


@contextlib.contextmanager
def worker(settings: Settings, ended: Callable[[], None]) -> Iterator[Worker]:
    """A worker with all that it needs.

    Parameters
    ----------
    ended
        Called after a job has ended.
    """
    chosen, limits, clock = settings.worker, settings.limits, SystemClock()
    observations = ObservationStore(settings.data / "observations")
    cores = chosen.cores or len(os.sched_getaffinity(0))
    with Scratch.below(settings.data / "work") as scratch, Database(settings.database_url, "jobs") as database:
        database.check_version()
        staged = StagedVideos(scratch.path, observations, ModelLibrary.of(settings).locate)
        with ProcessRunner(staged.locate, cores, chosen.child_megabytes, chosen.stuck_seconds) as runner:
            runner.warm()
            yield Worker(
                name=worker_name(settings),
                claims=Claims(database, clock, limits, chosen.lease_seconds),
                rows=Rows(lambda claim: ResultWriter(database, claim), serialise_row),
                features={f"Start{feature.noun}": feature for feature in FEATURES.values()},
                runner=runner,
                staged=staged,
                observations=observations,
                objects=object_source(settings, Storage(settings.data, clock, region=settings.region)),
                room=Room(limits.video_bytes, chosen.disk_reserve_megabytes * MEGABYTE),
                resources=lambda job, names: {},
                versions=VERSIONS,
                limits=VideoLimits(limits.video_seconds, limits.frame_pixels, settings.strict_formats),
                scratch=scratch,
                width=cores,
                lease_seconds=chosen.lease_seconds,
                observations_bytes=int(chosen.observations_gigabytes * GIGABYTE),
                ended=ended,
            )


def serialise_row(feature: Feature, row: Row) -> bytes:
    """One row as JSON, checked against the service model."""
    return serialise_json_element("rekognition", _element(feature.noun, feature.member), row)


@cache
def _element(noun: str, member: str) -> str:
    """The shape of the elements of a Get operation's result array."""
    operation = load_service("rekognition").operation(f"Get{noun}")
    assert operation is not None
    assert operation.output is not None
    element = operation.output.members[member].shape.element
    assert element is not None
    return element.shape.name


def main() -> None:
    """Work until the standard input ends; see `openrek.server.supervisor`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings.model_validate_json(sys.stdin.readline())
    configure(settings.log_level)

    def ended() -> None:
        with contextlib.suppress(BrokenPipeError):  # the server has gone; `listen` is about to notice
            os.write(1, b"\n")

    with worker(settings, ended) as running:

        def listen() -> None:
            for _ in sys.stdin:
                running.wake()
            running.stop()

        threading.Thread(target=listen, name="server", daemon=True).start()
        running.run()


if __name__ == "__main__":
    main()
