"""Receipt handles: which receive of which message of which queue, sealed, so that none can be made up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass

from openrek.localaws.sqs.errors import invalid_handle

_FIELDS = struct.Struct("!QQ8s")
_SEAL = 24


def new_receipt() -> bytes:
    """A name for one receive of one message."""
    return secrets.token_bytes(8)


def new_key() -> bytes:
    """A key for sealing handles."""
    return secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Handle:
    """One receive of one message.

    Attributes
    ----------
    queue_id, row
        Where the message was.
    receipt
        The receive. An older one than the message's latest no longer deletes it.
    """

    queue_id: int
    row: int
    receipt: bytes

    def seal(self, key: bytes) -> str:
        """The handle as clients hold it."""
        fields = _FIELDS.pack(self.queue_id, self.row, self.receipt)
        return base64.b64encode(fields + _digest(key, fields)).decode()


def unseal(text: str, key: bytes, queue_id: int) -> Handle:
    """The handle behind what a client sent.

    Raises
    ------
    ServiceError
        It is not a handle, or one of another queue.
    """
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeError, binascii.Error):
        raise invalid_handle(text) from None
    fields, seal = raw[: _FIELDS.size], raw[_FIELDS.size :]
    if len(fields) != _FIELDS.size or not hmac.compare_digest(seal, _digest(key, fields)):
        raise invalid_handle(text)
    handle = Handle(*_FIELDS.unpack(fields))
    if handle.queue_id != queue_id:
        raise invalid_handle(text)
    return handle


def _digest(key: bytes, fields: bytes) -> bytes:
    return hmac.digest(key, fields, hashlib.sha256)[:_SEAL]
