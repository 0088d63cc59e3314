"""A feature without a server: the same engine and the same reduction, in a temporary folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openrek.engine import passes
from openrek.engine.demands import observables
from openrek.engine.passes import ObservedVideo, Progress
from openrek.engine.runners import ProcessRunner
from openrek.engine.store import ObservationStore
from openrek.engine.tasks import Places, Task, VideoLimits
from openrek.features.base import Reduction, Row
from openrek.features.registry import FEATURES
from openrek.observations import ModelFacts
from openrek.operations.video import metadata
from openrek.settings import Settings
from openrek.video import ObjectReference, VideoFacts
from openrek.vision.library import ModelLibrary
from openrek.vision.registry import VERSIONS, needs_model


@dataclass
class Analysis:
    """One video, one feature.

    Attributes
    ----------
    request
        As of the feature's Start operation, without the video.
    scratch
        Folder for observations.
    """

    video: Path
    feature_name: str
    request: Mapping[str, Any]
    settings: Settings
    scratch: Path
    models: dict[str, ModelFacts] = field(default_factory=dict, init=False)
    _observed: ObservedVideo | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._feature = FEATURES[self.feature_name]
        self._chosen = self.settings.of_feature(self.feature_name)
        self._demands = self._feature.demands(self.request, self._chosen)
        library = ModelLibrary.of(self.settings)
        for role in sorted({demand.role for demand in self._demands if needs_model(demand.role)}):
            self.models[role] = library.choose(role, self._chosen.get("model"))
        self._files = {facts.sha256: library.locate(facts.sha256) for facts in self.models.values()}
        self._store = ObservationStore(self.scratch / "observations")
        self._reference = ObjectReference("", str(self.video))
        self._identity = hashlib.sha256(str(self.video.resolve()).encode()).hexdigest()
        worker, limits = self.settings.worker, self.settings.limits
        self._limits = VideoLimits(limits.video_seconds, limits.frame_pixels, self.settings.strict_formats)
        cores = worker.cores or len(os.sched_getaffinity(0))
        self._runner = ProcessRunner(self._locate, cores, worker.child_megabytes, worker.stuck_seconds)

    def __enter__(self) -> Analysis:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def run(self, progress: Progress) -> None:
        """Look at the video.

        Raises
        ------
        VideoError, ModelError, ChildError
            It cannot be analysed.
        """
        self._runner.warm()
        video = passes.index(self._reference, self._identity, self._limits, self._runner, self._store, lambda: None)
        wanted = observables(self._demands, self.models, VERSIONS)
        self._observed, _ = passes.observe(video, wanted, self._runner, self._store, progress, lambda: None)

    @property
    def facts(self) -> VideoFacts:
        """What is known of the video."""
        assert self._observed is not None
        return self._observed.video.facts

    def head(self) -> dict[str, Any]:
        """The members of the Get output beside the rows."""
        return {
            "JobStatus": "SUCCEEDED",
            **metadata(self._feature.noun, self.facts),
            **self._feature.describe(self.request, self.models),
        }

    def rows(self) -> Iterator[Row]:
        """The rows of the feature's first table, in the order of its reduction, which is by time; as often as one likes."""
        assert self._observed is not None
        table = next(iter(self._feature.tables))
        reduction = Reduction(self.facts, self.request, self._chosen, self.models, self._observed)
        return (row for kind, row in self._feature.reduce(reduction) if kind == table)

    def _locate(self, task: Task) -> Places:
        return Places(self.video, self._store.index_path(self._identity, self._limits), self._files)
