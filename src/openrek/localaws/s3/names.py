"""Names: which buckets there may be, and which keys are plain paths."""

from __future__ import annotations

import hashlib
import re

MOST_KEY_BYTES = 1024
_MOST_NAME_BYTES = 255
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+", re.ASCII)
_RESERVED = (("xn--", ""), ("sthree-", ""), ("", "-s3alias"), ("", "--ol-s3"))


def is_bucket_name(name: str) -> bool:
    """Whether a bucket may be called so: AWS's rules for general purpose buckets. Such a name is always one plain file name."""
    return (
        _BUCKET.fullmatch(name) is not None
        and not any(pair in name for pair in ("..", ".-", "-."))
        and _IP_ADDRESS.fullmatch(name) is None
        and not any(name.startswith(start) and name.endswith(end) for start, end in _RESERVED)
    )


def plain_parts(key: str) -> tuple[str, ...] | None:
    """The path below the bucket's folder that means exactly this key; None if there is no such path.

    No path means a key with an empty part (`/a`, `a//b`, `a/`), with a part `.` or `..`, with a NUL, or with a part longer than 255 bytes.
    """
    parts = tuple(key.split("/"))
    for part in parts:
        if part in {"", ".", ".."} or "\0" in part or len(part.encode()) > _MOST_NAME_BYTES:
            return None
    return parts


def digest(key: str) -> str:
    """A file name that stands for the key, whatever is in it."""
    return hashlib.sha256(key.encode()).hexdigest()
