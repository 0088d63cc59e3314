"""The exceptions of openrek.

    OpenrekError
    ├── SettingsError (ValueError)
    ├── VideoError                          the video's owner can read it, and do something about it
    │   ├── UnsupportedVideoError (ValueError)
    │   └── DamagedVideoError (ValueError)
    ├── ObjectError
    │   ├── ObjectNotFoundError (FileNotFoundError)
    │   ├── ObjectTooLargeError (ValueError)
    │   └── StagingError (OSError)
    ├── ModelError
    │   ├── ModelNotFoundError (FileNotFoundError)
    │   ├── ModelCorruptError (ValueError)
    │   └── ModelDownloadError (OSError)
    ├── ObservationError (ValueError)       a child sent what no observer sends
    ├── InvalidRequestError (ValueError)    the service model admits the request, but it makes no sense
    ├── ChildError
    │   ├── ChildCrashedError
    │   ├── ChildStuckError (TimeoutError)
    │   └── ChildUnfitError (RuntimeError)   it failed before it saw the video: openrek's own parts are at fault
    ├── JobError
    │   ├── JobNotFoundError (LookupError)
    │   ├── TokenMismatchError (ValueError)
    │   ├── TooManyJobsError
    │   ├── InvalidPageTokenError (ValueError)
    │   ├── IllegalTransitionError (RuntimeError)
    │   └── LeaseLostError
    ├── DatabaseOutdatedError (RuntimeError)
    ├── ModelMismatchError (TypeError)      a result that the service model does not allow: our bug
    └── ClientGoneError (ConnectionError)   the client hung up before it had sent or read everything

The docstring of a class is its default message.
"""

from __future__ import annotations


class OpenrekError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """What a person is told."""
        return str(self.args[0])


class SettingsError(OpenrekError, ValueError):
    """A setting has a value that openrek cannot use."""


class VideoError(OpenrekError):
    """The video cannot be analysed."""


class UnsupportedVideoError(VideoError, ValueError):
    """The file is not a video that openrek can read."""


class DamagedVideoError(VideoError, ValueError):
    """Too much of the video is damaged."""


class ObjectError(OpenrekError):
    """The stored object cannot be used."""


class ObjectNotFoundError(ObjectError, FileNotFoundError):
    """The object does not exist or may not be read."""


class ObjectTooLargeError(ObjectError, ValueError):
    """The object is larger than the limit."""


class StagingError(ObjectError, OSError):
    """The object could not be copied to the worker's disk."""


class ModelError(OpenrekError):
    """The model cannot be used."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """The model's file is nowhere to be found."""


class ModelCorruptError(ModelError, ValueError):
    """The model's file is not the one that the catalogue describes."""


class ModelDownloadError(ModelError, OSError):
    """The model could not be downloaded."""


class ObservationError(OpenrekError, ValueError):
    """The observation does not fit its schema."""


class InvalidRequestError(OpenrekError, ValueError):
    """Request has invalid parameters"""


class ChildError(OpenrekError):
    """The process that reads the video failed."""


class ChildCrashedError(ChildError):
    """The process that reads the video ended without an answer."""


class ChildStuckError(ChildError, TimeoutError):
    """The process that reads the video made no progress and was stopped."""


class ChildUnfitError(ChildError, RuntimeError):
    """openrek cannot read any video on this machine."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"openrek cannot work on this machine, whatever the video: {reason} `openrek doctor` says what is missing.")


class JobError(OpenrekError):
    """The job cannot do that."""


class JobNotFoundError(JobError, LookupError):
    """Could not find JobId."""


class TokenMismatchError(JobError, ValueError):
    """The ClientRequestToken is already in use with other parameters."""


class TooManyJobsError(JobError):
    """The limit of open jobs is reached."""

    def __init__(self, open_jobs: int, limit: int) -> None:
        super().__init__(f"{open_jobs} jobs are open, and no more than {limit} may be")
        self.open_jobs = open_jobs
        self.limit = limit


class InvalidPageTokenError(JobError, ValueError):
    """Invalid Token"""


class IllegalTransitionError(JobError, RuntimeError):
    """A job cannot go from its state to that one."""


class LeaseLostError(JobError):
    """Another worker has taken the job; what this one did is discarded."""


class DatabaseOutdatedError(OpenrekError, RuntimeError):
    """The database has not been migrated to this version of openrek."""


class ModelMismatchError(OpenrekError, TypeError):
    """The result does not fit the service model."""


class ClientGoneError(OpenrekError, ConnectionError):
    """The client closed the connection."""
