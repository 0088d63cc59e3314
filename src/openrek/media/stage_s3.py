"""Staging from S3 or what speaks its language: one streamed request, continued where it broke off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openrek.errors import ObjectNotFoundError, StagingError
from openrek.media.stage import NOT_FOUND, ObjectFacts, Progress, Room, StagedObject, identity, written
from openrek.settings import ServiceSettings
from openrek.video import ObjectReference

PIECE = 1024**2
"""Bytes that are held in memory."""
ATTEMPTS = 6
"""Requests in a row that may bring nothing."""
REPLACEMENTS = 3
"""How often an object may be replaced by another while it is fetched."""
_LONGEST_WAIT = 10.0
_BUSY = frozenset(("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling", "ThrottlingException", "TooManyRequestsException"))
_ARCHIVED = "The object is archived. Restore it, then start again."


class _ReplacedError(Exception):
    """Another object has taken the place of the one that was being fetched."""


class S3Source:
    """Fetches objects from S3.

    Parameters
    ----------
    service
        Where it is and who asks.
    region
        If `service` names none.
    wait
        Waits some seconds before another try.
    """

    def __init__(self, service: ServiceSettings, region: str, wait: Callable[[float], None] = time.sleep) -> None:
        self._service = service
        self._region = service.region or region
        self._wait = wait
        self._lock = threading.Lock()
        self._made: Any = None

    def look(self, reference: ObjectReference) -> ObjectFacts:
        """What is stored there now; see `ObjectSource`."""
        found = self._asked("head_object", reference, lambda: None)
        return _facts(reference, found)

    def fetch(self, reference: ObjectReference, folder: Path, room: Room, progress: Progress) -> StagedObject:
        """Put the object into a folder; see `ObjectSource`."""
        for _ in range(REPLACEMENTS):
            try:
                return self._fetch(reference, folder, room, progress)
            except _ReplacedError:
                continue
        raise StagingError("The object was replaced again and again while it was read. Start again when it stays the same.")

    def _fetch(self, reference: ObjectReference, folder: Path, room: Room, progress: Progress) -> StagedObject:
        """Fetch what is there now."""
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        found = self._asked("get_object", reference, lambda: progress(0, 0))
        body = found["Body"]
        try:
            facts = _facts(reference, found)
            room.check(facts.size)
            room.check_disk(facts.size, folder)
            path = folder / facts.identity
            done = fruitless = 0

            def alive() -> None:
                progress(done, facts.size)

            with written(path, facts.size, room) as part, part.open("wb") as file:
                while True:
                    alive()
                    try:
                        piece = body.read(PIECE)
                    except (BotoCoreError, HTTPError, OSError):
                        piece = b""
                    if piece:
                        file.write(piece)
                        done += len(piece)
                        fruitless = 0
                    elif done < facts.size:
                        body.close()
                        fruitless += 1
                        if fruitless == ATTEMPTS:
                            raise StagingError(f"The object's content stopped coming at byte {done} of {facts.size}. Start again.")
                        self._wait(_pause(fruitless))
                        body = self._rest(reference, facts, done, alive)
                    else:
                        break
        finally:
            body.close()
        return StagedObject(path, facts.identity, facts.size)

    def _rest(self, reference: ObjectReference, facts: ObjectFacts, done: int, alive: Callable[[], None]) -> Any:
        """The body of the same object from byte `done` on."""
        same = ObjectReference(reference.bucket, reference.name, facts.version)
        found = self._asked("get_object", same, alive, Range=f"bytes={done}-", IfMatch=facts.etag)
        if found.get("ContentRange", "").split("-")[0] != f"bytes {done}":
            found["Body"].close()
            raise StagingError("The store does not give parts of an object, and the connection broke. Start again.")
        return found["Body"]

    def _asked(self, operation: str, reference: ObjectReference, alive: Callable[[], None], **conditions: str) -> Any:
        """The store's answer, asked for again while it is busy or cannot be reached."""
        from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, NoCredentialsError

        version = {"VersionId": reference.version} if reference.version else {}
        last: Exception | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                self._wait(_pause(attempt))
            alive()
            try:
                return getattr(self._client(), operation)(Bucket=reference.bucket, Key=reference.name, **version, **conditions)
            except NoCredentialsError as error:
                raise StagingError("There are no credentials for S3: set OPENREK_S3__ACCESS_KEY_ID and its secret.") from error
            except (HTTPClientError, ConnectionError) as error:
                last = error
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
                code = error.response.get("Error", {}).get("Code", "")
                if status == 412:
                    raise _ReplacedError from error
                if code == "InvalidObjectState":
                    raise StagingError(_ARCHIVED) from error
                if status < 500 and status != 429 and code not in _BUSY:
                    raise ObjectNotFoundError(NOT_FOUND) from error
                last = error
        raise StagingError(f"S3 does not answer ({last}). Start again later.") from last

    def _client(self) -> Any:
        """The client, made when it is first needed."""
        with self._lock:
            if self._made is None:
                from botocore.config import Config
                from botocore.session import Session

                endpoint = None if self._service.endpoint in (None, "aws") else self._service.endpoint
                self._made = Session().create_client(
                    "s3",
                    region_name=self._region,
                    endpoint_url=endpoint,
                    aws_access_key_id=self._service.access_key_id,
                    aws_secret_access_key=self._service.secret_access_key,
                    config=Config(
                        connect_timeout=10,
                        read_timeout=30,
                        # Tries are counted here, where a job can be stopped between two of them, and a broken body continued.
                        retries={"total_max_attempts": 1},
                        response_checksum_validation="when_required",
                        s3={"addressing_style": "path"} if endpoint else None,
                    ),
                )
            return self._made


def _facts(reference: ObjectReference, found: Any) -> ObjectFacts:
    version = found.get("VersionId")
    version = None if version == "null" else version
    etag = found.get("ETag", "")
    return ObjectFacts(identity(reference, version, etag.strip('"')), found["ContentLength"], etag, version)


def _pause(attempt: int) -> float:
    """Seconds before another try: 0.5, 1, 2, ..."""
    return float(min(0.5 * 2 ** (attempt - 1), _LONGEST_WAIT))
