"""A self-signed X.509 certificate (RFC 5280) around a public key, written by hand: a few dozen bytes of DER."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta

from openrek.localaws.sns.rsa import PrivateKey

_COMMON_NAME = bytes.fromhex("0603550403")
_RSA = bytes.fromhex("06092a864886f70d010101") + b"\x05\x00"
_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b") + b"\x05\x00"
_VALID_DAYS = 36_500


def self_signed(key: PrivateKey, name: str, since: datetime) -> str:
    """PEM of a certificate of that common name, valid for a century from the day before `since`."""
    issuer = _sequence(_tlv(0x31, _sequence(_COMMON_NAME, _tlv(0x0C, name.encode()))))
    public = _sequence(_integer(key.n), _integer(key.e))
    body = _sequence(
        _tlv(0xA0, _integer(2)),
        _integer(secrets.randbits(120) + 1),
        _sequence(_SHA256_WITH_RSA),
        issuer,
        _sequence(_time(since - timedelta(days=1)), _time(since + timedelta(days=_VALID_DAYS))),
        issuer,
        _sequence(_sequence(_RSA), _tlv(0x03, b"\x00" + public)),
    )
    whole = _sequence(body, _sequence(_SHA256_WITH_RSA), _tlv(0x03, b"\x00" + key.sign(body, "sha256")))
    text = base64.b64encode(whole).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def _tlv(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def _sequence(*parts: bytes) -> bytes:
    return _tlv(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _time(moment: datetime) -> bytes:
    moment = moment.astimezone(UTC)
    if moment.year < 2050:
        return _tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return _tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())
