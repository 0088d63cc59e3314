"""Settings: what a person may change, by `OPENREK_…` in the environment or by `openrek.toml`."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

Rate = Annotated[Fraction, Field(gt=0, le=240)]


class LabelSettings(BaseModel):
    """How labels are found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sampling_rate: Rate = Field(Fraction(2), description="Frames looked at per second of video.")
    smoothing: bool = Field(True, description="Keep labels from flickering from one sample to the next.")
    model: str | None = Field(None, description="Name of the catalogue's detector; the best one that is present if unset.")


class SegmentSettings(BaseModel):
    """How shots and technical cues are found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    silence: float = Field(-60, ge=-200, le=0, description="Loudness in dBFS under which black frames count as silent.")


class LimitSettings(BaseModel):
    """What one account may ask for; 0 is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    open_jobs: int = Field(20, ge=0, description="Jobs of an account that have not ended.")
    video_bytes: int = Field(10 * 1000**3, ge=0, description="Size of a stored video.")
    video_seconds: int = Field(6 * 3600, ge=0, description="Length of a video.")
    frame_pixels: int = Field(8192 * 8192, ge=0, description="Pixels of one frame.")
    request_bytes: int = Field(16 * 1024**2, ge=1, description="Size of a request that is not an upload to S3.")
    get_per_second: float = Field(5, ge=0, description="How often Get… may ask for a job that still runs, a second.")
    retention_days: float = Field(7, gt=0, description="How long results are kept.")
    token_days: float = Field(7, gt=0, description="How long a ClientRequestToken is remembered.")
    page_token_hours: float = Field(24, gt=0, description="How long a NextToken may be used.")


class WorkerSettings(BaseModel):
    """How the machine is used."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cores: int | None = Field(None, ge=1, description="Processor cores for decoding and networks together; all of them if unset.")
    child_megabytes: int = Field(3072, ge=256, description="Memory of one process that reads videos.")
    stuck_seconds: float = Field(60, gt=0, description="How long such a process may show no progress.")
    lease_seconds: float = Field(20, gt=0, description="How long a worker that fell silent keeps its jobs.")
    observations_gigabytes: float = Field(20, gt=0, description="Disk space for observations that later jobs can use again.")
    disk_reserve_megabytes: int = Field(512, ge=0, description="Free disk space that staging a video never uses.")


class FunctionSettings(BaseModel):
    """Functions of the embedded Lambda: code that runs with the server's rights."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed: Literal["loopback", "always", "never"] = Field(
        "loopback", description="Whether functions run: only where the server listens to this machine alone, always, or never."
    )
    concurrency: int = Field(16, ge=1, description="Functions that run at once.")
    idle_seconds: float = Field(300, ge=0, description="How long a function's process is kept for its next event.")
    log_days: float = Field(30, gt=0, description="How long logs are kept in groups that have no retention of their own.")


class ServiceSettings(BaseModel):
    """Where a service is that openrek calls as a client; embedded if unset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str | None = Field(None, description='URL of an AWS-compatible endpoint, or "aws" for AWS itself; embedded if unset.')
    region: str | None = None
    access_key_id: str | None = Field(None, description="The SDK's usual chain of credentials if unset.")
    secret_access_key: str | None = Field(None, repr=False)


class Settings(BaseSettings):
    """All settings.

    `OPENREK_PORT=8080` sets `port`, `OPENREK_LABELS__SAMPLING_RATE=5` sets `sampling_rate` of `labels`; `openrek.toml` in the
    working directory (or the file that `OPENREK_CONFIG` names) uses the same names; the environment wins.
    """

    model_config = SettingsConfigDict(
        env_prefix="OPENREK_",
        env_nested_delimiter="__",
        toml_file=os.environ.get("OPENREK_CONFIG", "openrek.toml"),
        extra="ignore",
        frozen=True,
    )

    data: Path = Field(Path(".openrek"), description="Folder of everything that openrek keeps.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(4599, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    account: str = Field("000000000000", pattern=r"^\d{12}$", description="Account id of every embedded service.")
    region: str = Field("us-east-1", description="Region of requests that name none.")
    access_key_id: str = Field("openrek", min_length=3, description="What `serve` tells clients to use.")
    secret_access_key: str = Field("openrek-secret", repr=False, description="What `serve` tells clients to use.")
    database: str | None = Field(None, description="SQLAlchemy URL of the job database; SQLite in `data` if unset.")
    models: str = Field("", description="Folders of model files, separated as in PATH; looked at before all others.")
    model_mirror: str | None = Field(None, description="URL to fetch models from instead: a copy of the cache's `models` folder.")
    cache: Path | None = Field(None, description="Folder of what can be fetched again, such as models; the user's cache folder if unset.")
    base_domain: str = Field("localhost", description="Virtual-host S3 addresses are `BUCKET.` and this.")
    strict_formats: bool = Field(False, description="Accept what AWS accepts: H.264 in MP4 or MOV.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    labels: LabelSettings = LabelSettings()
    segments: SegmentSettings = SegmentSettings()
    limits: LimitSettings = LimitSettings()
    worker: WorkerSettings = WorkerSettings()
    functions: FunctionSettings = FunctionSettings()
    s3: ServiceSettings = ServiceSettings()
    sns: ServiceSettings = ServiceSettings()

    @property
    def database_url(self) -> str:
        """URL of the job database."""
        return self.database or f"sqlite:///{(self.data / 'openrek.db').absolute()}"

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Folders of model files that the user named; whole paths, as processes that work elsewhere are told of the files in them."""
        return tuple(Path(folder).absolute() for folder in self.models.split(os.pathsep) if folder)

    def of_feature(self, name: str) -> dict[str, Any]:
        """The settings of a feature as JSON values: what a job keeps of them."""
        settings: BaseModel = getattr(self, name)
        return settings.model_dump(mode="json")

    @property
    def cache_folder(self) -> Path:
        """Folder of what can be fetched again."""
        if self.cache is not None:
            return self.cache
        if "XDG_CACHE_HOME" in os.environ:
            return Path(os.environ["XDG_CACHE_HOME"], "openrek")
        try:
            return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "openrek"
        except RuntimeError:  # a user without a home folder
            return self.data / "cache"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
