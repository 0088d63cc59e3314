"""Where the files of networks are on this machine: in the user's folders, in the user's cache, in the package; fetched only when asked."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from openrek.errors import ModelCorruptError, ModelError, ModelNotFoundError
from openrek.observations import ModelFacts
from openrek.settings import Settings
from openrek.vision.catalogue import Catalogue, ModelEntry, ModelFile, catalogue
from openrek.vision.digests import Digests
from openrek.vision.download import UNFINISHED, download

LOG = logging.getLogger(__name__)

DEEPEST = 5
MOST_ENTRIES = 20_000
"""How far a folder of the user is searched: levels of folders, and entries altogether."""

Origin = Literal["folder", "cache", "package"]


@dataclass(frozen=True, slots=True)
class FileReport:
    """Where a file of the catalogue is, and files that have its name but are not it."""

    file: ModelFile
    path: Path | None
    origin: Origin | None
    impostors: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class ModelReport:
    """Whether a network is on this machine: all its files are, or one is missing, or only something else lies under its name."""

    entry: ModelEntry
    state: Literal["present", "missing", "corrupt"]
    files: tuple[FileReport, ...]


@dataclass(slots=True)
class ModelLibrary:
    """Finds the catalogue's networks.

    Parameters
    ----------
    folders
        Searched first, in this order; files are known by size and hash, whatever their names.
    cache
        Folder for what `pull` fetches and for the hashes of files that have been verified.
    mirror
        URL of a copy of a cache's `models` folder; fetched from instead of the catalogue's addresses.
    packaged
        Folder of the weights that come with openrek.
    """

    folders: tuple[Path, ...]
    cache: Path
    mirror: str | None = None
    catalogue: Catalogue = field(default_factory=catalogue)
    packaged: Path = field(default_factory=lambda: Path(str(resources.files("openrek.vision").joinpath("weights"))))
    _digests: Digests = field(init=False)

    def __post_init__(self) -> None:
        self._digests = Digests(self.cache / "digests.json")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The library that the settings describe."""
        return cls(settings.model_folders, settings.cache_folder, settings.model_mirror)

    def choose(self, role: str, name: str | None = None) -> ModelFacts:
        """The network that answers a role: the one named, or the best that is on this machine.

        Raises
        ------
        ModelNotFoundError
            It is not there; the message says what to fetch, and where from and to.
        ModelCorruptError
            A file has its name but other content.
        """
        if name is not None:
            entries: tuple[ModelEntry, ...] = (self.catalogue.named(name),)
            if entries[0].role != role:
                others = ", ".join(entry.name for entry in self.catalogue.of_role(role)) or "none"
                raise ModelNotFoundError(
                    f'The model "{name}" is of the role "{entries[0].role}". Of the role "{role}" there are: {others}.'
                )
        else:
            entries = tuple(entry for entry in self.catalogue.of_role(role) if entry.permissive)
            if not entries:
                raise ModelNotFoundError(f'The catalogue has no model of the role "{role}".')
        reports = []
        for report in self._reports(entries):
            if report.state == "present":
                return report.entry.facts
            reports.append(report)
        raise self._absent(reports)

    def locate(self, sha256: str) -> tuple[Path, ...]:
        """The files of the network of that hash, in the catalogue's order.

        Raises
        ------
        ModelNotFoundError, ModelCorruptError
            As `choose`.
        """
        (report,) = self._reports([self.catalogue.hashed(sha256)])
        paths = tuple(file.path for file in report.files if file.path is not None)
        if len(paths) < len(report.files):
            raise self._absent([report])
        return paths

    def inventory(self) -> tuple[ModelReport, ...]:
        """What of the catalogue is on this machine."""
        return tuple(self._reports(self.catalogue.models))

    def verify(self) -> tuple[ModelReport, ...]:
        """As `inventory`, but every file is read again, whatever is remembered of it."""
        self._digests.forget()
        return self.inventory()

    def pull(self, name: str, progress: Callable[[int, int], None] | None = None, *, accept_licence: str | None = None) -> tuple[Path, ...]:
        """Fetch into the cache what is missing of a network.

        Parameters
        ----------
        progress
            Is told how many bytes of how many are there, of all files together.
        accept_licence
            The network's licence, if it is one that a company may not want.

        Raises
        ------
        ModelDownloadError
            A file could not be fetched; the message says how to fetch it by hand.
        """
        entry = self.catalogue.named(name)
        if not entry.permissive and accept_licence != entry.licence:
            raise ModelError(
                f"{name} is under {entry.licence}, which is not a permissive licence ({entry.homepage}). "
                f"If that suits you: openrek models pull {name} --accept-licence {entry.licence}"
            )
        (report,) = self._reports([entry])
        done = sum(found.file.bytes for found in report.files if found.path is not None)
        paths = []
        for found in report.files:
            if found.path is None:
                tell = partial(_tell, progress, done, entry.bytes) if progress else None
                paths.append(download(found.file, self.cache / "models" / name, self._urls(entry, found.file), progress=tell))
                done += found.file.bytes
            else:
                paths.append(found.path)
        return tuple(paths)

    def _urls(self, entry: ModelEntry, file: ModelFile) -> tuple[str, ...]:
        return (f"{self.mirror.rstrip('/')}/{entry.name}/{file.name}",) if self.mirror else file.urls

    def _places(self) -> Iterator[tuple[Origin, Path]]:
        yield from (("folder", folder) for folder in self.folders)
        yield "cache", self.cache / "models"
        yield "package", self.packaged

    def _reports(self, entries: Iterable[ModelEntry]) -> Iterator[ModelReport]:
        """Reports of networks in their order, as they are wanted."""
        places = [(origin, list(_files_in(folder))) for origin, folder in self._places()]
        for entry in entries:
            files = tuple(self._find(file, places) for file in entry.files)
            missing = [report for report in files if report.path is None]
            state: Literal["present", "missing", "corrupt"] = "present"
            if missing:
                state = "corrupt" if any(report.impostors for report in missing) else "missing"
            yield ModelReport(entry, state, files)

    def _find(self, file: ModelFile, places: Sequence[tuple[Origin, Sequence[tuple[Path, int]]]]) -> FileReport:
        impostors: list[Path] = []
        for origin, there in places:
            for path, size in there:
                if size == file.bytes and self._is(file, path):
                    return FileReport(file, path, origin, tuple(impostors))
                if path.name == file.name:
                    impostors.append(path)
        return FileReport(file, None, None, tuple(impostors))

    def _is(self, file: ModelFile, path: Path) -> bool:
        try:
            return self._digests.of(path) == file.sha256
        except OSError as error:
            LOG.warning("%s could not be read: %s", path, error)
            return False

    def _absent(self, reports: Sequence[ModelReport]) -> ModelNotFoundError | ModelCorruptError:
        """What to tell somebody who has none of these networks."""
        entry = reports[0].entry
        files = [found for found in reports[0].files if found.path is None]
        impostors = [path for found in files for path in found.impostors]
        lines = [f'The model "{entry.name}" is not on this machine.']
        if len(reports) > 1:
            others = ", ".join(report.entry.name for report in reports)
            lines = [f'No model of the role "{entry.role}" is on this machine; any of these would do, the best first: {others}.']
        lines += [f"{path} has its name, but other content: it is damaged or another export." for path in impostors]
        folders = [str(folder) for _, folder in self._places()]
        lines.append(f"Searched: {', '.join(folders)}.")
        lines.append(f"To fetch it ({_megabytes(entry.bytes)}, {entry.licence}): openrek models pull {entry.name}")
        for found in files:
            where = " or ".join(found.file.urls) or "the package: install openrek again"
            lines.append(f"By hand: {found.file.name}, SHA-256 {found.file.sha256}, from {where}, into {folders[0]}")
        return (ModelCorruptError if impostors and len(reports) == 1 else ModelNotFoundError)("\n".join(lines))


def _tell(progress: Callable[[int, int], None], before: int, total: int, arrived: int) -> None:
    progress(before + arrived, total)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _files_in(folder: Path) -> Iterator[tuple[Path, int]]:
    """Files in a folder and the folders below, with their sizes, by name; links to folders are not followed, so that the search ends."""
    level, entries = [folder], 0
    for _ in range(DEEPEST):
        below = []
        for place in level:
            try:
                there = sorted(os.scandir(place), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in there:
                entries += 1
                if entries > MOST_ENTRIES:
                    LOG.warning("%s has more than %d files and folders: only the first ones were searched for models", folder, MOST_ENTRIES)
                    return
                try:
                    if entry.is_dir(follow_symlinks=False):
                        below.append(Path(entry.path))
                    elif entry.is_file() and not entry.name.endswith(UNFINISHED):
                        yield Path(entry.path), entry.stat().st_size
                except OSError:
                    continue
        level = below
