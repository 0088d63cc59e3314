"""A job as the rest of openrek sees it, and as a row of the table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import RowMapping

from openrek.jobs.states import State
from openrek.observations import ModelFacts
from openrek.video import AudioFacts, ObjectReference, VideoFacts

DAY = 86_400_000
"""Milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a Start operation knows.

    Attributes
    ----------
    operation
        The Start operation: "StartLabelDetection".
    request
        Its whole input, validated, without defaults filled in.
    token
        The ClientRequestToken.
    object_etag, object_bytes
        Of the object when the job was started.
    models
        The network chosen for each role; the job keeps them whatever happens to the catalogue.
    settings
        JSON values: the settings that matter to the feature.
    """

    account: str
    region: str
    operation: str
    request: Mapping[str, Any]
    object: ObjectReference
    object_etag: str
    object_bytes: int
    models: Mapping[str, ModelFacts]
    settings: Mapping[str, Any]
    token: str | None = None
    job_tag: str | None = None
    topic_arn: str | None = None
    role_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job. Times are milliseconds since 1970.

    Attributes
    ----------
    id
        64 hexadecimal digits.
    operation
        The Start operation: "StartLabelDetection".
    request
        Its input in canonical form: a number that is whole is an `int`.
    status_message
        Why the job failed, for its owner.
    last_error
        Why it was last tried again, for the operator.
    video
        Facts of the video, once the job has succeeded.
    generation
        Its visible rows, once the job has succeeded.
    expires_at
        When the results of an ended job are dropped.
    attempt, crashes, errors
        How often it was claimed, killed its child, raised an exception.
    worker
        Who runs it now.
    """

    id: str
    account: str
    region: str
    operation: str
    request: dict[str, Any]
    job_tag: str | None
    topic_arn: str | None
    role_arn: str | None
    object: ObjectReference
    object_etag: str
    object_bytes: int
    models: dict[str, ModelFacts]
    settings: dict[str, Any]
    state: State
    status_message: str | None
    last_error: str | None
    video: VideoFacts | None
    generation: int | None
    created_at: int
    started_at: int | None
    completed_at: int | None
    expires_at: int | None
    attempt: int
    crashes: int
    errors: int
    chunks_done: int
    chunks_total: int
    worker: str | None

    @property
    def noun(self) -> str:
        """What stands behind Start and Get: "LabelDetection"."""
        return self.operation.removeprefix("Start")


def canonical(value: Any) -> Any:
    """Parameters as they are compared and kept: 50.0 is 50, a sequence is a list. What was omitted stays omitted."""
    match value:
        case bool():
            return value
        case float() if value.is_integer():
            return int(value)
        case Mapping():
            return {name: canonical(member) for name, member in value.items()}
        case list() | tuple():
            return [canonical(member) for member in value]
        case _:
            return value


def to_json(value: Any) -> str:
    """One text for equal values: sorted members, ASCII, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(value: Any) -> str:
    """SHA-256 of the value's JSON, in hexadecimal digits."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()


def video_to_json(video: VideoFacts) -> str:
    """Facts of a video as a text."""
    return to_json(asdict(video) | {"time_base": str(video.time_base), "frame_rate": str(video.frame_rate)})


def video_from_json(text: str) -> VideoFacts:
    """What `video_to_json` wrote."""
    facts = json.loads(text)
    facts["time_base"], facts["frame_rate"] = Fraction(facts["time_base"]), Fraction(facts["frame_rate"])
    return VideoFacts(**facts | {"audio": tuple(AudioFacts(**stream) for stream in facts["audio"])})


def models_to_json(models: Mapping[str, ModelFacts]) -> str:
    """The chosen networks as a text."""
    return to_json({role: asdict(facts) for role, facts in models.items()})


def _models_from_json(text: str) -> dict[str, ModelFacts]:
    return {role: ModelFacts(**facts | {"unreported": tuple(facts["unreported"])}) for role, facts in json.loads(text).items()}


_SAME = tuple(name for name in Job.__dataclass_fields__ if name not in {"request", "object", "models", "settings", "state", "video"})


def job_from_row(row: RowMapping) -> Job:
    """A row of the table `jobs`."""
    return Job(
        **{name: row[name] for name in _SAME},
        request=json.loads(row["request"]),
        object=ObjectReference(row["object_bucket"], row["object_name"], row["object_version"]),
        models=_models_from_json(row["models"]),
        settings=json.loads(row["settings"]),
        state=State(row["state"]),
        video=video_from_json(row["video"]) if row["video"] is not None else None,
    )
