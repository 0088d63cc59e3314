"""RSA signatures, PKCS #1 v1.5 (RFC 8017, section 8.2), in plain Python.

For one thing only: signing our own notifications with a key that we made ourselves, as Amazon SNS does. It keeps no secret of
others and takes no time that an attacker could measure usefully; a library of its own would be the larger burden.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Hash = Literal["sha1", "sha256"]

_PREFIXES: dict[Hash, bytes] = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
"""DER of DigestInfo before the digest (RFC 8017, section 9.2, note 1)."""
_ROUNDS = 8
"""Five are enough for random numbers of this size (FIPS 186-5, table B.1)."""


@dataclass(frozen=True)
class PrivateKey:
    """Two primes; the public exponent is 65537."""

    p: int
    q: int
    e: int = 65537

    @classmethod
    def generate(cls, bits: int = 2048) -> PrivateKey:
        """Make a new key with a modulus of so many bits."""
        p = _prime(bits // 2)
        q = _prime(bits // 2)
        while q == p:
            q = _prime(bits // 2)
        return cls(p, q)

    @cached_property
    def n(self) -> int:
        """The modulus."""
        return self.p * self.q

    def sign(self, message: bytes, hash_name: Hash) -> bytes:
        """Sign a message."""
        size = (self.n.bit_length() + 7) // 8
        info = _PREFIXES[hash_name] + hashlib.new(hash_name, message, usedforsecurity=False).digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
        value = int.from_bytes(padded, "big")
        p, q = self.p, self.q
        d_p, d_q, inverse = self._chinese_remainder
        at_q = pow(value % q, d_q, q)
        return (at_q + q * ((pow(value % p, d_p, p) - at_q) * inverse % p)).to_bytes(size, "big")

    def to_bytes(self) -> bytes:
        """Serialise the key for keeping."""
        return json.dumps({"p": self.p, "q": self.q, "e": self.e}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> PrivateKey:
        """Return a key that was kept."""
        return cls(**json.loads(data))

    @cached_property
    def _chinese_remainder(self) -> tuple[int, int, int]:
        p, q = self.p, self.q
        d = pow(self.e, -1, math.lcm(p - 1, q - 1))
        return d % (p - 1), d % (q - 1), pow(q, -1, p)


def _prime(bits: int) -> int:
    """A random prime whose two highest bits are set, so that the product of two has its full length."""
    small = math.prod(n for n in range(3, 10_000, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2)))
    while True:
        candidate = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if math.gcd(candidate, small) == 1 and candidate % 65537 != 1 and _is_prime(candidate):
            return candidate


def _is_prime(n: int) -> bool:
    """Miller and Rabin's test."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd //= 2
        twos += 1
    for _ in range(_ROUNDS):
        x = pow(2 + secrets.randbelow(n - 3), odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True
