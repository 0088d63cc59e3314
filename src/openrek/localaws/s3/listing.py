"""What all listings share: their parameters, and keys in order with those that share a prefix up to a delimiter told once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.s3.errors import invalid_argument
from openrek.localaws.s3.keys import Keys

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Name:
    """A key, or a prefix that stands for all keys that begin with it."""

    text: str
    is_prefix: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What a client wants listed.

    Attributes
    ----------
    prefix, delimiter
        Empty if it named none.
    most
        How many names a page may have, 0 to 1000.
    url
        Whether names are to be percent-encoded.
    """

    prefix: str
    delimiter: str
    most: int
    url: bool

    @classmethod
    def of(cls, params: Mapping[str, Any], most: str = "MaxKeys", wire_name: str = "max-keys") -> Query:
        """Read it from the parameters.

        Raises
        ------
        ServiceError
            InvalidArgument.
        """
        encoding = params.get("EncodingType")
        if encoding not in (None, "url"):
            raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", encoding)
        return cls(params.get("Prefix") or "", params.get("Delimiter") or "", page_size(params.get(most), wire_name), encoding == "url")

    def encoded(self, name: str) -> str:
        """A name as the client wants to read it."""
        return quote(name, safe="/") if self.url else name

    def echo(self) -> dict[str, Any]:
        """The members in which a result repeats the query."""
        result: dict[str, Any] = {"Prefix": self.encoded(self.prefix)}
        if self.delimiter:
            result["Delimiter"] = self.encoded(self.delimiter)
        if self.url:
            result["EncodingType"] = "url"
        return result

    def common(self, prefixes: Sequence[str]) -> list[dict[str, str]]:
        """Common prefixes as a result lists them."""
        return [{"Prefix": self.encoded(prefix)} for prefix in prefixes]

    def names(self, keys: Keys, after: str) -> Iterator[Name]:
        """Keys and common prefixes that come after a key or a common prefix, in the order of their UTF-8 bytes."""
        start, last = self.prefix.encode(), after.encode()
        bound = max(start, last + b"\0" if last else b"")
        while (found := keys.ceiling(bound)) is not None and found.startswith(start):
            common = self.fold(found.decode())
            if common is None:
                yield Name(found.decode(), is_prefix=False)
                bound = found + b"\0"
                continue
            folded = common.encode()
            if folded > last:
                yield Name(common, is_prefix=True)
            # The least string above all that begin so: the last byte of UTF-8 can always be raised.
            bound = folded[:-1] + bytes([folded[-1] + 1])

    def fold(self, key: str) -> str | None:
        """The common prefix under which a key is told, if there is one."""
        if not self.delimiter:
            return None
        head, cut, _ = key[len(self.prefix) :].partition(self.delimiter)
        return self.prefix + head + cut if cut else None


def page_size(asked: int | None, wire_name: str) -> int:
    """How many entries a page may have.

    Raises
    ------
    ServiceError
        InvalidArgument: less than none.
    """
    if asked is None:
        return _MOST
    if asked < 0:
        raise _not_a_size(wire_name, asked)
    return min(asked, _MOST)


def _not_a_size(name: str, value: int) -> ServiceError:
    return invalid_argument(f"Argument {name} must be an integer between 0 and 2147483647", name, value)
