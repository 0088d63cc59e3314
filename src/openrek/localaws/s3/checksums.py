"""Checksums: computed block by block, verified against what the client said, combined from those of parts."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import anycrc

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.s3.errors import invalid_request, not_implemented
from openrek.localaws.s3.records import Checksum, Part

DEFAULT = "CRC64NVME"
"""What S3 computes where the client sent no checksum."""
_TRAILER = "x-amz-checksum-"
_UNKNOWN = ("XXHASH64", "XXHASH3", "XXHASH128")


class _Hash(Protocol):
    def update(self, block: bytes | bytearray, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A CRC with the interface of hashlib."""

    def __init__(self, model: anycrc.CRC, width: int) -> None:
        self._model = model
        self._width = width
        self._value: int | None = None

    def update(self, block: bytes | bytearray, /) -> None:
        self._value = self._model.calc(block) if self._value is None else self._model.calc(block, self._value)

    def digest(self) -> bytes:
        value: int = self._model.calc(b"") if self._value is None else self._value
        return value.to_bytes(self._width, "big")


_CRCS: dict[str, tuple[anycrc.CRC, int]] = {
    "CRC32": (anycrc.Model("CRC32"), 4),
    "CRC32C": (anycrc.Model("CRC32C"), 4),
    "CRC64NVME": (anycrc.Model("CRC64-NVME"), 8),
}
_HASHES: dict[str, Callable[[], _Hash]] = {
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
}
ALGORITHMS = (*_CRCS, *_HASHES)


class Digests:
    """MD5 and the CRCs of a stream, and whatever else is asked for. CRCs cost next to nothing, so that a late question has an answer."""

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._hashes = {name: _begin(name) for name in {*_CRCS, *algorithms}}

    def update(self, block: bytes | bytearray) -> None:
        """Take the next bytes."""
        self._md5.update(block)
        for running in self._hashes.values():
            running.update(block)

    @property
    def md5(self) -> str:
        """In hexadecimal digits: the ETag."""
        return self._md5.hexdigest()

    def value(self, algorithm: str) -> str | None:
        """In base64; None if it was not computed."""
        return encode(self._hashes[algorithm].digest()) if algorithm in self._hashes else None

    def values(self) -> dict[str, str]:
        """All of them."""
        return {name: encode(running.digest()) for name, running in self._hashes.items()}


@dataclass(frozen=True, slots=True)
class Promise:
    """What the client said of the body before it came.

    Attributes
    ----------
    md5
        In hexadecimal digits.
    algorithm, value
        Of the checksum; the value may follow in a trailer.
    """

    md5: str | None
    algorithm: str | None
    value: str | None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Promise:
        """Read it from the parameters.

        Raises
        ------
        ServiceError
            It cannot be true of any body.
        """
        md5 = None
        if (content_md5 := params.get("ContentMD5")) is not None:
            raw = _decode(content_md5)
            if raw is None or len(raw) != hashlib.md5(usedforsecurity=False).digest_size:
                raise ServiceError("InvalidDigest", "The Content-MD5 you specified was invalid.", details={"Content-MD5": content_md5})
            md5 = raw.hex()
        algorithm = params.get("ChecksumAlgorithm")
        if algorithm is not None:
            check_algorithm(algorithm)
        given = checksums_in(params)
        if len(given) > 1:
            raise invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
        for name, value in given.items():
            check_algorithm(name)
            _check_form(name, value)
            return cls(md5, name, value)
        return cls(md5, algorithm, None)

    def keep(self, digests: Digests, trailers: Mapping[str, str], blocks: Iterable[bytes]) -> Checksum:
        """The checksum to store, once the body is there and agrees with all that was said of it.

        Parameters
        ----------
        digests
            Of the body.
        trailers
            That came after it.
        blocks
            The body once more, for an algorithm that only the trailer named.

        Raises
        ------
        ServiceError
            The body is another one.
        """
        if self.md5 is not None and self.md5 != digests.md5:
            raise ServiceError(
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
                details={"ExpectedDigest": self.md5, "CalculatedDigest": encode(bytes.fromhex(digests.md5))},
            )
        algorithm, value = self.algorithm or DEFAULT, self.value
        for name, text in trailers.items():
            if name.startswith(_TRAILER):
                algorithm, value = name.removeprefix(_TRAILER).upper(), text.strip()
                check_algorithm(algorithm)
                _check_form(algorithm, value)
        computed = digests.value(algorithm) or compute(algorithm, blocks)
        if value is not None and value != computed:
            raise ServiceError("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")
        return Checksum(algorithm, computed)


def check_algorithm(algorithm: str) -> None:
    """Refuse an algorithm that is not computed here.

    Raises
    ------
    ServiceError
        NotImplemented, or that there is no such algorithm.
    """
    if algorithm in ALGORITHMS:
        return
    names = ", ".join(ALGORITHMS)
    if algorithm in _UNKNOWN:
        raise not_implemented("x-amz-checksum-algorithm", f"The checksum {algorithm} is not implemented; use one of [{names}].")
    raise invalid_request(f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{names}]")


def multipart_kind(algorithm: str, kind: str | None) -> str:
    """How the checksum of a multipart upload is made: of the whole object, or of the parts' checksums.

    Raises
    ------
    ServiceError
        The algorithm cannot be used so.
    """
    if kind is None:
        return "FULL_OBJECT" if algorithm == DEFAULT else "COMPOSITE"
    if (kind == "COMPOSITE" and algorithm == DEFAULT) or (kind == "FULL_OBJECT" and algorithm not in _CRCS):
        raise invalid_request(f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.")
    return kind


def combine(algorithm: str, kind: str, parts: Sequence[Part]) -> Checksum:
    """The checksum of an object, from those of its parts."""
    values = [base64.b64decode(part.checksum) for part in parts]
    if kind == "COMPOSITE":
        running = _begin(algorithm)
        running.update(b"".join(values))
        return Checksum(algorithm, f"{encode(running.digest())}-{len(parts)}", kind)
    model, width = _CRCS[algorithm]
    whole = int.from_bytes(values[0], "big")
    for part, value in zip(parts[1:], values[1:], strict=True):
        whole = model.combine(whole, int.from_bytes(value, "big"), part.size)
    return Checksum(algorithm, encode(whole.to_bytes(width, "big")), kind)


def members(checksum: Checksum | None) -> dict[str, str]:
    """A checksum as members of a result."""
    return {} if checksum is None else {f"Checksum{checksum.algorithm}": checksum.value, "ChecksumType": checksum.kind}


def checksums_in(params: Mapping[str, Any]) -> dict[str, str]:
    """The checksums among parameters, by algorithm."""
    given = {name: params.get(f"Checksum{name}") for name in (*ALGORITHMS, *_UNKNOWN)}
    return {name: value for name, value in given.items() if value is not None}


def encode(digest: bytes) -> str:
    """In base64."""
    return base64.b64encode(digest).decode()


def compute(algorithm: str, blocks: Iterable[bytes]) -> str:
    """The checksum of a stream, in base64."""
    running = _begin(algorithm)
    for block in blocks:
        running.update(block)
    return encode(running.digest())


def _begin(algorithm: str) -> _Hash:
    return _Crc(*_CRCS[algorithm]) if algorithm in _CRCS else _HASHES[algorithm]()


def _check_form(algorithm: str, value: str) -> None:
    raw = _decode(value)
    if raw is None or len(raw) != len(_begin(algorithm).digest()):
        raise invalid_request(f"Value for {_TRAILER}{algorithm.lower()} header is invalid.")


def _decode(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
