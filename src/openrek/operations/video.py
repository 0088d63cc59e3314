"""Start and Get of every video analysis."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from openrek.awsmodel.calls import Caller, Operation, Params, ServiceError
from openrek.awsmodel.serialise import Serialised
from openrek.awsmodel.services import load_service
from openrek.errors import (
    InvalidPageTokenError,
    JobNotFoundError,
    ModelError,
    ObjectNotFoundError,
    ObjectTooLargeError,
    StagingError,
    TokenMismatchError,
    TooManyJobsError,
)
from openrek.features.base import Feature, View
from openrek.jobs.pagetokens import PageTokens
from openrek.jobs.records import Job, NewJob
from openrek.jobs.results import BLOCK_ROWS, Page, ResultReader
from openrek.jobs.states import State, api_status
from openrek.jobs.store import JobStore
from openrek.media.stage import NOT_FOUND, ObjectFacts, ObjectSource, Room
from openrek.observations import ModelFacts
from openrek.operations.throttle import Throttle
from openrek.settings import Settings
from openrek.video import AudioFacts, ObjectReference, VideoFacts

log = logging.getLogger(__name__)

INVALID = "Request has invalid parameters"
NO_JOB = "Could not find JobId"


class ChooseModel(Protocol):
    """Picks the network for a role; raises `ModelError`."""

    def __call__(self, role: str, preferred: str | None) -> ModelFacts | None:
        """The best one that is present, or the one asked for; None for a role without a network."""
        ...


@dataclass(frozen=True)
class VideoOperations:
    """Start and Get, for every feature alike.

    Attributes
    ----------
    started
        Called after a job was stored, to wake a worker.
    """

    features: Mapping[str, Feature]
    store: JobStore
    results: ResultReader
    page_tokens: PageTokens
    objects: ObjectSource
    choose: ChooseModel
    settings: Settings
    throttle: Throttle
    started: Callable[[], None]

    def operations(self) -> Mapping[str, Operation]:
        """Every operation by its name."""
        return {name: operation for feature in self.features.values() for name, operation in self._pair(feature)}

    def _pair(self, feature: Feature) -> list[tuple[str, Operation]]:
        return [
            (f"Start{feature.noun}", lambda caller, params: self.start(feature, caller, params)),
            (f"Get{feature.noun}", lambda caller, params: self.get(feature, caller, params)),
        ]

    def start(self, feature: Feature, caller: Caller, params: Params) -> Params:
        """Store a job. The checks come in AWS's order: topic, request, token, open jobs, object."""
        channel = params.get("NotificationChannel", {})
        _check_topic(channel.get("SNSTopicArn"), caller.region)
        try:
            feature.check(params)
        except ValueError as error:
            raise ServiceError("InvalidParameterException", str(error) or INVALID) from error
        reference = _reference(params["Video"])
        operation, token = f"Start{feature.noun}", params.get("ClientRequestToken")
        owner = caller.account, caller.region
        try:
            if token is not None and (job_id := self.store.find_replay(*owner, operation, token, params)) is not None:
                return {"JobId": job_id}
            self.store.check_open_jobs(*owner)
            stored = self._look(reference)
            settings = self.settings.of_feature(feature.name)
            new = NewJob(
                account=caller.account,
                region=caller.region,
                operation=operation,
                request=params,
                token=token,
                job_tag=params.get("JobTag"),
                topic_arn=channel.get("SNSTopicArn"),
                role_arn=channel.get("RoleArn"),
                object=reference,
                object_etag=stored.etag,
                object_bytes=stored.size,
                models=self._models(feature, params, settings),
                settings=settings,
            )
            job_id = self.store.insert(new)
        except TokenMismatchError as error:
            raise ServiceError("IdempotentParameterMismatchException", error.message) from error
        except TooManyJobsError as error:
            message = f"{error.open_jobs} open Jobs for User {caller.principal} Maximum limit: {error.limit}"
            raise ServiceError("LimitExceededException", message) from error
        self.started()
        return {"JobId": job_id}

    def get(self, feature: Feature, caller: Caller, params: Params) -> Params:
        """One page of a job's results, or how far it has come."""
        try:
            job = self.store.get(caller.account, caller.region, params["JobId"], f"Start{feature.noun}")
        except JobNotFoundError as error:
            raise ServiceError("ResourceNotFoundException", NO_JOB) from error
        asked = {**job.request, **params}
        view = feature.view(asked)
        offset = self._offset(job, view, params.get("NextToken"))
        response: Params = {
            "JobStatus": api_status(job.state),
            "JobId": job.id,
            "Video": job.request["Video"],
            **metadata(feature.noun, None),
            feature.member: [],
            **feature.describe(asked, job.models),
        }
        if job.job_tag is not None:
            response["JobTag"] = job.job_tag
        if job.state is State.FAILED:
            response["StatusMessage"] = job.status_message
        elif job.state is State.SUCCEEDED and job.video is not None:
            response |= metadata(feature.noun, job.video)
            page = self._page(job, view, offset, params.get("MaxResults", BLOCK_ROWS))
            response[feature.member] = Serialised(page.rows)
            if page.next_offset is not None:
                response["NextToken"] = self.page_tokens.issue(job, view.table, view.order, page.next_offset)
        elif not self.throttle.admit((caller.account, job.id)):
            raise ServiceError("ProvisionedThroughputExceededException", "Provisioned Rate exceeded.")
        return response

    def _look(self, reference: ObjectReference) -> ObjectFacts:
        """What is stored there, if it may be analysed."""
        try:
            stored = self.objects.look(reference)
            Room(self.settings.limits.video_bytes).check(stored.size)
        except ObjectNotFoundError as error:
            raise ServiceError("InvalidS3ObjectException", NOT_FOUND) from error
        except ObjectTooLargeError as error:
            raise ServiceError("VideoTooLargeException", error.message) from error
        except StagingError as error:
            log.error("%s/%s cannot be looked at: %s", reference.bucket, reference.name, error.message)
            raise ServiceError("InternalServerError", error.message, status=500) from error
        return stored

    def _models(self, feature: Feature, params: Params, settings: Mapping[str, Any]) -> dict[str, ModelFacts]:
        try:
            chosen = {demand.role: self.choose(demand.role, settings.get("model")) for demand in feature.demands(params, settings)}
        except ModelError as error:
            log.error("no job can be started: %s", error.message)
            raise ServiceError("InternalServerError", error.message, status=500) from error
        return {role: model for role, model in chosen.items() if model is not None}

    def _offset(self, job: Job, view: View, token: str | None) -> int:
        if not token:
            return 0
        try:
            return self.page_tokens.read(job, view.table, view.order, token)
        except InvalidPageTokenError as error:
            raise ServiceError("InvalidPaginationTokenException", error.message) from error

    def _page(self, job: Job, view: View, offset: int, limit: int) -> Page:
        try:
            return self.results.page(job, view.table, view.order, offset, limit)
        except JobNotFoundError as error:
            raise ServiceError("ResourceNotFoundException", NO_JOB) from error


def video_metadata(video: VideoFacts) -> Params:
    """`VideoMetadata` of the service model."""
    return {
        "Codec": video.codec,
        "DurationMillis": video.duration_millis,
        "Format": video.format,
        "FrameRate": float(video.frame_rate),
        "FrameHeight": video.height,
        "FrameWidth": video.width,
        "ColorRange": video.color_range,
    }


def metadata(noun: str, video: VideoFacts | None) -> Params:
    """`VideoMetadata` as the service model has it for this noun: an object; or a list, with `AudioMetadata` beside it.

    Empty so long as nothing is known of the video.
    """
    if not _lists_streams(noun):
        return {"VideoMetadata": video_metadata(video) if video is not None else {}}
    return {
        "VideoMetadata": [video_metadata(video)] if video is not None else [],
        "AudioMetadata": [_audio_metadata(stream) for stream in video.audio] if video is not None else [],
    }


@cache
def _lists_streams(noun: str) -> bool:
    operation = load_service("rekognition").operation(f"Get{noun}")
    assert operation is not None
    assert operation.output is not None
    return operation.output.members["VideoMetadata"].shape.kind == "list"


def _audio_metadata(stream: AudioFacts) -> Params:
    return {
        "Codec": stream.codec,
        "DurationMillis": stream.duration_millis,
        "SampleRate": stream.sample_rate,
        "NumberOfChannels": stream.channels,
    }


def _reference(video: Params) -> ObjectReference:
    stored = video.get("S3Object", {})
    if "Bucket" not in stored or "Name" not in stored:
        raise ServiceError("InvalidParameterException", INVALID)
    return ObjectReference(stored["Bucket"], stored["Name"], stored.get("Version"))


def _check_topic(arn: str | None, region: str) -> None:
    """A topic must live in the region of the endpoint, and FIFO topics cannot be told."""
    if arn is None:
        return
    _, _, _, where, _, *name = arn.split(":")
    if where != region or len(name) != 1 or arn.endswith(".fifo"):
        raise ServiceError("InvalidParameterException", INVALID)
