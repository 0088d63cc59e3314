"""Signatures of notifications, which a receiver checks with the certificate that `SigningCertURL` names."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from openrek.localaws.store import Store

_KEPT_AS = "notification signature"
_NAME = "sns.openrek"
_VALID = timedelta(days=36_500)


class Signer:
    """Signs notifications with a key that is kept with the topics."""

    def __init__(self, key: rsa.RSAPrivateKey, certificate: str) -> None:
        self._key = key
        self.certificate = certificate
        self.path = f"/SimpleNotificationService-{hashlib.sha256(certificate.encode()).hexdigest()[:32]}.pem"

    def sign(self, text: str, version: str) -> str:
        """Base64 of the signature: version 1 hashes with SHA-1, version 2 with SHA-256."""
        digest = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - SNS's version 1 is SHA-1
        return base64.b64encode(self._key.sign(text.encode(), padding.PKCS1v15(), digest)).decode()

    @classmethod
    def new(cls, now: int) -> Signer:
        """Make a key and its self-signed certificate."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _NAME)])
        since = datetime.fromtimestamp(now / 1000, UTC) - timedelta(days=1)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), since, since + _VALID)
            .sign(key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )
        return cls(key, certificate.decode())

    @classmethod
    def kept(cls, store: Store) -> Signer:
        """Return the store's signer; made and kept on its first use. Blocks."""
        found = store.submit(lambda tx: tx.known_secret(_KEPT_AS)).result()
        if found is None:
            made = cls.new(store.clock.now())
            found = store.submit(lambda tx: tx.secret(_KEPT_AS, made.to_bytes)).result()
        return cls.from_bytes(found)

    def to_bytes(self) -> bytes:
        """Serialise the signer for keeping: the key, then its certificate, as PEM."""
        encoding, form, secret = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self._key.private_bytes(encoding, form, secret) + self.certificate.encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Signer:
        """Return a signer that was kept."""
        key = serialization.load_pem_private_key(data, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return cls(key, data[data.index(b"-----BEGIN CERTIFICATE-----") :].decode())
