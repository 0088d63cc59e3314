"""The catalogue of networks: what each is, where it comes from, how it is used. Facts only; `openrek.vision.library` finds the files."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openrek.errors import ModelNotFoundError
from openrek.observations import ModelFacts

PERMISSIVE = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "MIT"})
"""Licences that oblige a company to no more than naming the author; a network under another one is used only if it is named."""

CLASSES: Mapping[str, int] = {"coco-80": 80}
"""How many classes a vocabulary has."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelFile(_Facts):
    """One file of a network."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    urls: tuple[Annotated[str, Field(pattern=r"^https://")], ...] = Field((), description="Where to fetch it; none if it is packaged.")


class InputFacts(_Facts):
    """The picture that a network wants: today all want a square of raw values, the frame unpadded at its top left."""

    side: int = Field(gt=0, multiple_of=32, description="Pixels of the square.")
    layout: Literal["NCHW"] = "NCHW"
    colour: Literal["BGR"] = "BGR"
    high: Literal[255] = Field(255, description="Value of full intensity; 0 is none.")
    letterbox: Literal["top-left"] = "top-left"
    padding: Literal[114] = 114


class Accuracy(_Facts):
    """How well a network does, and who says so."""

    measure: str
    data: str
    value: float
    measured_by: str


class ModelEntry(_Facts):
    """One network.

    Attributes
    ----------
    role
        What it observes: a key of `openrek.observations.SCHEMAS`.
    version
        What the API shows as the model's version.
    licence
        SPDX identifier, of the weights; `training_data` says what they were trained on, and under which terms that was published.
    decoder
        How its output is read.
    unreported
        Classes that it does not know well enough to name.
    """

    name: Name
    role: Literal["objects"]
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    licence: str
    author: str
    homepage: str
    training_data: str
    decoder: Literal["yolox"]
    vocabulary: Literal["coco-80"]
    unreported: tuple[int, ...] = ()
    input: InputFacts
    files: tuple[ModelFile, ...] = Field(min_length=1)
    accuracy: tuple[Accuracy, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not all(0 <= kind < CLASSES[self.vocabulary] for kind in self.unreported):
            raise ValueError(f"{self.name} does not report a class that {self.vocabulary} does not have")
        if len({file.name for file in self.files}) != len(self.files):
            raise ValueError(f"two files of {self.name} have one name")
        return self

    @cached_property
    def sha256(self) -> str:
        """Names the network: the hash of its file, or of its files' hashes if there are several."""
        if len(self.files) == 1:
            return self.files[0].sha256
        return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def packaged(self) -> bool:
        """Whether it comes with openrek, rather than from somewhere else."""
        return not any(file.urls for file in self.files)

    @property
    def permissive(self) -> bool:
        """Whether the licence surprises nobody."""
        return self.licence in PERMISSIVE

    @property
    def facts(self) -> ModelFacts:
        """What a job keeps of it."""
        return ModelFacts(self.name, self.sha256, self.version, self.vocabulary, self.unreported)


class Catalogue(_Facts):
    """All networks; within a role the best first."""

    models: tuple[ModelEntry, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for what in ("name", "sha256", "version"):
            values = [getattr(entry, what) for entry in self.models]
            if len(set(values)) != len(values):
                raise ValueError(f"two models of the catalogue have one {what}")
        return self

    def of_role(self, role: str) -> tuple[ModelEntry, ...]:
        """The networks of a role, the best first."""
        return tuple(entry for entry in self.models if entry.role == role)

    def better(self, name: str) -> ModelEntry | None:
        """The best network of the named one's role, of those under a permissive licence, unless that is the named one."""
        best = next((entry for entry in self.of_role(self.named(name).role) if entry.permissive), None)
        return None if best is None or best.name == name else best

    def named(self, name: str) -> ModelEntry:
        """The network of that name.

        Raises
        ------
        ModelNotFoundError
            There is none.
        """
        for entry in self.models:
            if entry.name == name:
                return entry
        raise ModelNotFoundError(f'The catalogue has no model "{name}". It has: {", ".join(entry.name for entry in self.models)}.')

    def hashed(self, sha256: str) -> ModelEntry:
        """The network of that hash.

        Raises
        ------
        ModelNotFoundError
            There is none: another version of openrek has chosen it.
        """
        for entry in self.models:
            if entry.sha256 == sha256:
                return entry
        raise ModelNotFoundError(f"This version of openrek does not know the model with SHA-256 {sha256}: use the version that chose it.")


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with this version of openrek."""
    return Catalogue.model_validate(tomllib.loads(resources.files("openrek.vision").joinpath("catalogue.toml").read_text("utf-8")))
