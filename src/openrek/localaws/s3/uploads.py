"""Multipart uploads: parts that wait to be put together.

Each upload has a folder: `upload.json`, and for each part a file of bytes and a small file that names it. The small file makes the
part; so a part that is sent again replaces the earlier one in one step. The bytes of a part are not flushed to the disk: the object
is, when it has been put together, and until then each part's checksum tells whether it is whole.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openrek.localaws.s3.errors import no_such_upload
from openrek.localaws.s3.files import Draft, Scratch, Stamps, read_json
from openrek.localaws.s3.locks import NamedLocks
from openrek.localaws.s3.records import Description, dump_description, load_description

_ID = re.compile(r"[A-Za-z0-9_-]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload.

    Attributes
    ----------
    id, key
        Which one, of which object.
    initiated
        Milliseconds since 1970.
    description
        Of the object to be.
    algorithm, kind
        Of its checksum; None if the client named none.
    """

    id: str
    key: str
    initiated: int
    description: Description
    algorithm: str | None
    kind: str | None


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that has arrived.

    Attributes
    ----------
    number
        1 to 10,000.
    content
        Name of its file.
    size, etag, modified
        Bytes; MD5; milliseconds since 1970.
    checksums
        By algorithm, in base64.
    """

    number: int
    content: str
    size: int
    etag: str
    modified: int
    checksums: dict[str, str]


class Uploads:
    """The multipart uploads of one bucket."""

    def __init__(self, folder: Path, scratch: Scratch, stamps: Stamps) -> None:
        self._folder = folder
        self._scratch = scratch
        self._stamps = stamps
        self.locks = NamedLocks()
        """Held, by the id of the upload, while its parts change and while they are put together."""

    def create(self, key: str, description: Description, algorithm: str | None, kind: str | None) -> Upload:
        """Begin an upload."""
        upload = Upload(secrets.token_urlsafe(48), key, self._stamps.clock.now(), description, algorithm, kind)
        value = asdict(upload) | {"description": dump_description(description)}
        self._scratch.write_json(self._folder / upload.id / "upload.json", value)
        return upload

    def get(self, upload_id: str, key: str) -> Upload:
        """The upload of that id and key.

        Raises
        ------
        ServiceError
            There is none.
        """
        upload = self._load(upload_id) if _ID.fullmatch(upload_id) else None
        if upload is None or upload.key != key:
            raise no_such_upload(upload_id)
        return upload

    def all(self) -> list[Upload]:
        """Every upload, by key and time."""
        ids = os.listdir(self._folder) if self._folder.is_dir() else ()
        found = [upload for upload in map(self._load, ids) if upload is not None]
        return sorted(found, key=lambda upload: (upload.key.encode(), upload.initiated, upload.id))

    def put_part(self, upload: Upload, number: int, draft: Draft, etag: str, checksums: dict[str, str]) -> UploadedPart:
        """Store a part, in place of the one that had its number.

        Raises
        ------
        ServiceError
            The upload has ended meanwhile.
        """
        draft.finish(flush=False)
        folder = self._folder / upload.id
        part = UploadedPart(number, f"{number}-{secrets.token_hex(8)}", draft.size, etag, self._stamps.clock.now(), checksums)
        with self.locks(upload.id):
            earlier = read_json(folder / f"{number}.json")
            try:
                os.rename(draft.path, folder / part.content)
            except FileNotFoundError:
                raise no_such_upload(upload.id) from None
            self._scratch.write_json(folder / f"{number}.json", asdict(part))
            if earlier is not None:
                (folder / earlier["content"]).unlink(missing_ok=True)
        return part

    def parts(self, upload: Upload) -> list[UploadedPart]:
        """The parts that have arrived, by number."""
        numbers = (name.removesuffix(".json") for name in os.listdir(self._folder / upload.id) if name.endswith(".json"))
        values = (self._part(upload, number) for number in numbers if number.isdecimal())
        return sorted((value for value in values if value is not None), key=lambda part: part.number)

    @contextmanager
    def opened(self, upload: Upload, part: UploadedPart) -> Iterator[int]:
        """A descriptor of a part's bytes. They may not be what was sent, if the machine has lost its power since."""
        descriptor = os.open(self._folder / upload.id / part.content, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def remove(self, upload_id: str) -> None:
        """Forget an upload and its parts; nothing to do if there is none."""
        if _ID.fullmatch(upload_id):
            self._scratch.discard(self._folder / upload_id)

    def _load(self, upload_id: str) -> Upload | None:
        value: dict[str, Any] | None = read_json(self._folder / upload_id / "upload.json")
        return None if value is None else Upload(**value | {"description": load_description(value["description"])})

    def _part(self, upload: Upload, number: str) -> UploadedPart | None:
        value: dict[str, Any] | None = read_json(self._folder / upload.id / f"{number}.json")
        return None if value is None else UploadedPart(**value)
