"""The worker: claims jobs, has their video observed in one pass, reduces what was seen to rows, completes each job once."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from openrek.engine import passes
from openrek.engine.demands import observables
from openrek.engine.passes import ObservedVideo, Video
from openrek.engine.runners import Runner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import VideoLimits
from openrek.errors import (
    ChildCrashedError,
    ChildError,
    ChildStuckError,
    LeaseLostError,
    ModelError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    ObservationError,
    OpenrekError,
    VideoError,
)
from openrek.features.base import Feature, Reduction
from openrek.jobs.claims import Claims
from openrek.jobs.leases import Claim
from openrek.jobs.records import Job
from openrek.media.stage import ObjectSource, Room
from openrek.worker.rows import Rows
from openrek.worker.scratch import Scratch
from openrek.worker.staged import StagedVideos

log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds after which a worker looks for jobs even if nobody told it of one."""
TIDY_EVERY = 60.0
"""Seconds between two looks at how much room observations take, and at what other workers have left."""

Resources = Callable[[Job, Sequence[str]], Mapping[str, Any]]
"""Gives a job's reduction what it needs from above, by name."""


@dataclass(eq=False)
class Pass:
    """Jobs on one object, and whether they are still ours."""

    claims: list[Claim]
    stopping: threading.Event
    identity: str | None = None
    lost: set[str] = field(default_factory=set)

    def alive(self) -> None:
        """Stop the pass when nobody wants its outcome."""
        if self.stopping.is_set() or len(self.lost) == len(self.claims):
            raise LeaseLostError

    def holds(self, claim: Claim) -> None:
        """Stop what is done for one of the jobs alone when nobody wants it."""
        if self.stopping.is_set() or claim.job.id in self.lost:
            raise LeaseLostError

    @property
    def held(self) -> list[Claim]:
        """The claims that still hold, as far as we know."""
        return [claim for claim in self.claims if claim.job.id not in self.lost]


@dataclass
class Worker:
    """Runs passes, several at a time, until it is stopped.

    Attributes
    ----------
    name
        Who holds the claims.
    width
        Passes that run at the same time.
    versions
        The version of the observer's code of every role.
    scratch
        For staging and sorting.
    lease_seconds
        How long a claim holds without a heartbeat.
    ended
        Called after a job has ended, to wake the relay.
    """

    name: str
    claims: Claims
    rows: Rows
    features: Mapping[str, Feature]
    runner: Runner
    staged: StagedVideos
    observations: ObservationStore
    objects: ObjectSource
    room: Room
    resources: Resources
    versions: Mapping[str, int]
    limits: VideoLimits
    scratch: Scratch
    width: int
    lease_seconds: float
    observations_bytes: int
    ended: Callable[[], None]
    _passes: set[Pass] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _wake: threading.Event = field(default_factory=threading.Event, init=False)
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)

    def run(self) -> None:
        """Work until `stop` is called; then give back what is not finished."""
        slots = threading.Semaphore(self.width)
        beside = [threading.Thread(target=self._beat, name="heartbeat"), threading.Thread(target=self._tidy, name="tidying")]
        for thread in beside:
            thread.start()
        try:
            with ThreadPoolExecutor(self.width, thread_name_prefix="pass") as threads:
                while not self._stopping.is_set():
                    slots.acquire()
                    claims = [] if self._stopping.is_set() else self._claim()
                    if claims:
                        threads.submit(self._run, claims, slots.release)
                    else:
                        slots.release()
                        self._wake.wait(IDLE)
                        self._wake.clear()
        finally:
            self._stopping.set()
            for thread in beside:
                thread.join()

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def stop(self) -> None:
        """Finish nothing more; may be called from any thread."""
        self._stopping.set()
        self._wake.set()

    def _claim(self) -> list[Claim]:
        try:
            return self.claims.claim(self.name)
        except Exception:
            log.exception("could not look for jobs")
            return []

    def _beat(self) -> None:
        """Renew the leases of all passes, and learn which are lost."""
        while not self._stopping.wait(self.lease_seconds / 4):
            with self._lock:
                running = list(self._passes)
            try:
                for each in running:
                    still = {claim.job.id for claim in self.claims.heartbeat(each.held)} if each.held else set()
                    each.lost |= {claim.job.id for claim in each.held} - still
            except Exception:
                log.exception("could not renew the leases")

    def _tidy(self) -> None:
        """Keep the disk from filling up. No heartbeat waits for it: to look through a large store takes a while."""
        while not self._stopping.wait(TIDY_EVERY):
            try:
                self.observations.sweep(self.observations_bytes, self._is_in_use)
                self.scratch.remove_abandoned()
            except OSError:
                log.exception("could not make room")

    def _is_in_use(self, identity: str) -> bool:
        with self._lock:
            return any(each.identity == identity for each in self._passes)

    def _run(self, claims: list[Claim], done: Callable[[], None]) -> None:
        running = Pass(claims, self._stopping)
        with self._lock:
            self._passes.add(running)
        try:
            self._pass(running)
        except Exception:  # the database does not answer: the leases end, and somebody takes the jobs up again
            log.exception("could not note how the pass over %s ended", claims[0].job.object)
        finally:
            with self._lock:
                self._passes.discard(running)
            done()
            self._wake.set()
            self.ended()

    def _pass(self, running: Pass) -> None:
        """Analyse, and note what went wrong for all jobs of the pass."""
        try:
            self._analyse(running)
        except LeaseLostError:
            if running.stopping.is_set():
                self.claims.release(running.held)
        except (VideoError, ObjectNotFoundError, ObjectTooLargeError) as error:
            self._each(running.held, self.claims.fail, error.message)
        except (ChildCrashedError, ChildStuckError) as error:
            log.warning("a video stopped the process that read it: %s", error)
            self.claims.record_crash(running.held, error.message)
        except Exception as error:
            log.exception("the pass over %s failed", running.claims[0].job.object)
            # What one job asks for (a network that has gone, an observer that breaks) must not fail those that ask for something else.
            alone = isinstance(error, ModelError | ChildError | ObservationError)
            self._each(running.held, partial(self.claims.retry_later, alone=alone), _reason(error))

    def _analyse(self, running: Pass) -> None:
        reference = running.claims[0].job.object
        with tempfile.TemporaryDirectory(dir=self.scratch.path) as folder:
            staged = self.objects.fetch(reference, Path(folder), self.room, lambda *_: running.alive())
            running.identity = staged.identity
            with self.staged.hold(staged.identity, staged.path):
                video = passes.index(reference, staged.identity, self.limits, self.runner, self.observations, running.alive)
                observed = self._observe(running, video)
            for claim in running.held:
                running.alive()
                self._conclude(running, claim, observed, Path(folder))

    def _observe(self, running: Pass, video: Video) -> ObservedVideo:
        wanted = {
            observable
            for claim in running.held
            for observable in observables(
                self.features[claim.job.operation].demands(claim.job.request, claim.job.settings), claim.job.models, self.versions
            )
        }

        def progress(done: int, total: int) -> None:
            for claim in running.held:
                try:
                    self.claims.progress(claim, done, total)
                except LeaseLostError:
                    running.lost.add(claim.job.id)

        observed, damage = passes.observe(video, wanted, self.runner, self.observations, progress, running.alive)
        if damage.packets:
            log.warning("%d damaged packets in %s: %s", damage.packets, video.object, "; ".join(damage.messages))
        return observed

    def _conclude(self, running: Pass, claim: Claim, observed: ObservedVideo, folder: Path) -> None:
        """Reduce and complete one job; what goes wrong here is its own affair.

        Raises
        ------
        LeaseLostError
            The worker stops.
        """
        job = claim.job
        feature = self.features[job.operation]
        try:
            reduction = Reduction(
                observed.video.facts, job.request, job.settings, job.models, observed, self.resources(job, feature.resources)
            )
            generation = self.rows.write(claim, feature, feature.reduce(reduction), folder, lambda: running.holds(claim))
            self.claims.complete(claim, generation, observed.video.facts)
        except LeaseLostError:
            if running.stopping.is_set():
                raise
            log.info("job %s has another worker now", job.id)
        except VideoError as error:
            self._each([claim], self.claims.fail, error.message)
        except Exception as error:
            log.exception("job %s failed", job.id)
            self._each([claim], self.claims.retry_later, _reason(error))
        self.ended()

    def _each(self, claims: Sequence[Claim], conclude: Callable[[Claim, str], object], message: str) -> None:
        for claim in claims:
            try:
                conclude(claim, message)
            except LeaseLostError:
                log.info("job %s has another worker now", claim.job.id)


def _reason(error: Exception) -> str:
    """What the job's owner may know: nothing of this machine's folders."""
    match error:
        case OpenrekError():
            return error.message
        case OSError() if error.strerror:
            return f"The worker met an error of its disk or network: {error.strerror}."
        case SQLAlchemyError():
            return "The worker met an error of its database."
        case _:
            return f"{type(error).__name__}: {error}"
