"""Fetching a file that is known by its hash: resumed, verified before anybody sees it, once for all processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from io import BufferedRandom
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import build_opener

import openrek
from openrek.errors import ModelDownloadError
from openrek.vision.catalogue import ModelFile

Progress = Callable[[int], None]
"""Told how many bytes of the file are there."""

BLOCK = 1 << 16
UNFINISHED = ".part"
_WORTH_ANOTHER_TRY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a download waits for a server.

    Attributes
    ----------
    timeout
        Seconds to connect, and between two blocks of bytes.
    attempts
        Tries in a row that bring nothing.
    backoff
        Seconds before the second try; each further one waits twice as long.
    """

    timeout: float = 30.0
    attempts: int = 4
    backoff: float = 0.5
    sleep: Callable[[float], None] = time.sleep


class _FailedError(Exception):
    """A URL does not give the file."""


class _InterruptedError(Exception):
    """A URL may give the rest of the file at the next try."""


def download(
    file: ModelFile, folder: Path, urls: Sequence[str], *, progress: Progress | None = None, patience: Patience | None = None
) -> Path:
    """Fetch a file into a folder, from the first URL that gives it.

    What has arrived when it is interrupted stays beside it as `<name>.part`, and the next call goes on from there. As the file is
    known by its hash, a part that does not belong to it shows at the end, and the file is fetched anew: no ETag is needed for that.
    The file gets its name when its hash is right. A second process waits for the first. Proxies are taken from the environment.

    Raises
    ------
    ModelDownloadError
        No URL gave the file, or it could not be written; the message says how to fetch it by hand.
    """
    target = folder / file.name
    reasons = [] if urls else ["It comes inside the package and has no address: install openrek again."]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _partial(folder / (file.name + UNFINISHED)) as part:
            if target.exists() and _digest_of(target) == file.sha256:
                os.unlink(part.name)
                return target
            for url in urls:
                try:
                    _Transfer(url, file, part, patience or Patience(), progress).run()
                except _FailedError as failure:
                    reasons.append(f"{url}: {failure}")
                else:
                    os.fsync(part.fileno())
                    os.replace(part.name, target)
                    return target
            arrived = part.seek(0, os.SEEK_END)
    except OSError as error:
        raise ModelDownloadError(
            f"{file.name} could not be written to {folder}: {error.strerror or error}. "
            "Free some space there, or name another folder with OPENREK_CACHE."
        ) from error
    lines = [f"{file.name} ({file.bytes / 1e6:.1f} MB) could not be downloaded.", *reasons]
    if arrived:
        lines.append(f"{arrived / 1e6:.1f} MB have arrived and are kept: the same command goes on from there.")
    lines.append(
        f"Without a connection: fetch the file elsewhere, check that its SHA-256 is {file.sha256}, "
        f"and put it into {folder} or into a folder that OPENREK_MODELS names."
    )
    raise ModelDownloadError("\n".join(lines))


@contextmanager
def _partial(path: Path) -> Iterator[BufferedRandom]:
    """The file that collects what arrives, open for appending and locked against every other process."""
    while True:
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                current = os.stat(path).st_ino == os.fstat(file.fileno()).st_ino
            except FileNotFoundError:
                current = False
            if current:
                yield file
                return


@dataclass(frozen=True, slots=True)
class _Transfer:
    """One file from one URL into the file that collects what arrives."""

    url: str
    file: ModelFile
    part: BufferedRandom
    patience: Patience
    progress: Progress | None

    def run(self) -> None:
        """Bring the part to the whole file."""
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise _FailedError("only http and https are used")
        fruitless, most, anew = 0, 0, False
        while True:
            held = self.part.seek(0, os.SEEK_END)
            try:
                if held != self.file.bytes:
                    self._receive(held)
            except _InterruptedError as interruption:
                arrived = self.part.seek(0, os.SEEK_END)
                fruitless, most = (0, arrived) if arrived > max(held, most) else (fruitless + 1, most)
                if fruitless == self.patience.attempts:
                    raise _FailedError(f"{interruption} ({fruitless} tries)") from interruption
                self.patience.sleep(self.patience.backoff * 2 ** max(0, fruitless - 1))
                continue
            self.part.seek(0)
            digest = hashlib.file_digest(self.part, "sha256").hexdigest()
            if digest == self.file.sha256:
                return
            self.part.truncate(0)
            if held == 0 or anew:
                raise _FailedError(f"what it sends has the SHA-256 {digest}")
            anew = True

    def _receive(self, held: int) -> None:
        """Append what one request brings."""
        if held > self.file.bytes:
            held = self.part.truncate(0)
        with self._open(held) as response:
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                held = self.part.truncate(0)
            length = response.headers.get("Content-Length", "")
            if length.isdecimal() and held + int(length) != self.file.bytes:
                self.part.truncate(0)
                offer = f"it offers {held + int(length)} bytes, not {self.file.bytes}"
                raise _InterruptedError(offer) if held else _FailedError(offer)
            while held < self.file.bytes:
                try:
                    block = response.read1(min(BLOCK, self.file.bytes - held))
                except (OSError, HTTPException) as error:
                    raise _InterruptedError(_reason(error)) from error
                if not block:
                    raise _InterruptedError(f"the connection ended after {held} of {self.file.bytes} bytes")
                self.part.write(block)
                held += len(block)
                if self.progress:
                    self.progress(held)

    def _open(self, held: int) -> HTTPResponse:
        """Ask for the file from the byte `held` on; a server may answer with all of it."""
        opener = build_opener()
        opener.addheaders = [("User-Agent", f"openrek/{openrek.__version__}"), ("Accept-Encoding", "identity")]
        if held:
            opener.addheaders.append(("Range", f"bytes={held}-"))
        try:
            response: HTTPResponse = opener.open(self.url, timeout=self.patience.timeout)
            return response
        except HTTPError as error:
            error.close()
            status = f"{error.code} {error.reason}"
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and held:
                self.part.truncate(0)
                raise _InterruptedError(status) from error
            if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.code in _WORTH_ANOTHER_TRY:
                raise _InterruptedError(status) from error
            raise _FailedError(status) from error
        except (OSError, HTTPException) as error:
            cause = error.reason if isinstance(error, URLError) else error
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise _FailedError(f"{_reason(error)} (SSL_CERT_FILE names a file of further authorities)") from error
            raise _InterruptedError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    return str(cause) or type(cause).__name__


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
