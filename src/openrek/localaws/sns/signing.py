"""Signatures of notifications, which a receiver checks with the certificate that `SigningCertURL` names."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime

from openrek.localaws.sns.certificate import self_signed
from openrek.localaws.sns.rsa import PrivateKey
from openrek.localaws.store import Store

_KEPT_AS = "notification signature"
_NAME = "sns.openrek"


class Signer:
    """Signs notifications with a key that is kept with the topics."""

    def __init__(self, key: PrivateKey, certificate: str) -> None:
        self._key = key
        self.certificate = certificate
        self.path = f"/SimpleNotificationService-{hashlib.sha256(certificate.encode()).hexdigest()[:32]}.pem"

    def sign(self, text: str, version: str) -> str:
        """Base64 of the signature: version 1 hashes with SHA-1, version 2 with SHA-256."""
        return base64.b64encode(self._key.sign(text.encode(), "sha256" if version == "2" else "sha1")).decode()

    @classmethod
    def new(cls, now: int) -> Signer:
        """Make a key and its certificate; takes about a second."""
        key = PrivateKey.generate()
        return cls(key, self_signed(key, _NAME, datetime.fromtimestamp(now / 1000, UTC)))

    @classmethod
    def kept(cls, store: Store) -> Signer:
        """Return the store's signer; made and kept on its first use. Blocks."""
        found = store.submit(lambda tx: tx.known_secret(_KEPT_AS)).result()
        if found is None:
            made = cls.new(store.clock.now())
            found = store.submit(lambda tx: tx.secret(_KEPT_AS, made.to_bytes)).result()
        return cls.from_bytes(found)

    def to_bytes(self) -> bytes:
        """Serialise the signer for keeping."""
        return json.dumps({"key": self._key.to_bytes().decode(), "certificate": self.certificate}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Signer:
        """Return a signer that was kept."""
        parts = json.loads(data)
        return cls(PrivateKey.from_bytes(parts["key"].encode()), parts["certificate"])
