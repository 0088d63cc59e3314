"""SHA-256 of files, each computed once and remembered for as long as the file stays as it is."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Digests:
    """Remembers digests in a file, by path, size, modification time and inode.

    The file is a convenience: if it cannot be read or written, digests are computed again.
    """

    memory: Path
    _known: dict[str, list[str | int]] | None = field(default=None, init=False)

    def of(self, path: Path) -> str:
        """The SHA-256 of a file in hexadecimal digits.

        Raises
        ------
        OSError
            The file cannot be read.
        """
        known = self._read() if self._known is None else self._known
        key = str(path.absolute())
        remembered = known.get(key)
        if remembered is not None and remembered[1:] == _state(os.stat(path)):
            return str(remembered[0])
        with path.open("rb") as file:
            before = _state(os.fstat(file.fileno()))
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            after = _state(os.fstat(file.fileno()))
        if before == after and remembered != [digest, *after]:
            # Other processes may have learnt something in the meantime.
            self._known = self._read() | {key: [digest, *after]}
            self._write(self._known)
        return digest

    def forget(self) -> None:
        """Read every file again when it is next asked for."""
        self._known = {}
        with contextlib.suppress(OSError):
            self.memory.unlink(missing_ok=True)

    def _read(self) -> dict[str, list[str | int]]:
        try:
            data = json.loads(self.memory.read_bytes())
        except (OSError, ValueError):
            data = {}
        self._known = data if isinstance(data, dict) else {}
        return self._known

    def _write(self, known: dict[str, list[str | int]]) -> None:
        present = {path: value for path, value in known.items() if os.path.exists(path)}
        with contextlib.suppress(OSError):
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.memory.parent, prefix=f".{self.memory.name}-", suffix=".tmp")
            try:
                with os.fdopen(handle, "w") as file:
                    json.dump(present, file, indent=0, sort_keys=True)
                os.replace(name, self.memory)
            except OSError:
                os.unlink(name)
                raise


def _state(stat: os.stat_result) -> list[str | int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]
