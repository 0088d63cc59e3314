"""Parts of an object: byte ranges, and the parts in which it was uploaded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from openrek.awsmodel.calls import ServiceError
from openrek.localaws.s3.errors import invalid_argument
from openrek.localaws.s3.records import Entry

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII | re.IGNORECASE)
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)", re.ASCII)
_DIGITS = 40
"""More than any number of bytes has; Python converts a few thousand at most."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """So many bytes from there on, of an object of that size."""

    start: int
    length: int
    size: int

    @property
    def header(self) -> str:
        """As Content-Range tells it."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def requested_range(text: str, size: int) -> ByteRange | None:
    """What a Range header asks for; None if it is one that S3 passes over: malformed, backwards, or several ranges.

    Raises
    ------
    ServiceError
        InvalidRange: there are no such bytes.
    """
    found = _RANGE.fullmatch(text)
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        length = min(_number(found[2]), size)
        start = size - length
    else:
        start = _number(found[1])
        last = min(_number(found[2]), size - 1) if found[2] else size - 1
        if found[2] and _number(found[2]) < start:
            return None
        length = last - start + 1
    if length <= 0:
        raise ServiceError(
            "InvalidRange",
            "The requested range is not satisfiable",
            status=416,
            details={"RangeRequested": text, "ActualObjectSize": size},
            headers={"content-range": f"bytes */{size}"},
        )
    return ByteRange(start, length, size)


def part_range(number: int, entry: Entry) -> ByteRange | None:
    """Where one part of an object lies; None for all of an object that is empty.

    Raises
    ------
    ServiceError
        InvalidPartNumber: there is no such part.
    """
    if not entry.parts and number == 1:
        return ByteRange(0, entry.size, entry.size) if entry.size else None
    start = 0
    for part in entry.parts:
        if part.number == number:
            return ByteRange(start, part.size, entry.size) if part.size else None
        start += part.size
    raise ServiceError(
        "InvalidPartNumber",
        "The requested partnumber is not satisfiable",
        status=416,
        details={"PartNumberRequested": number, "ActualPartCount": len(entry.parts) or 1},
    )


def copied_range(text: str, size: int) -> ByteRange:
    """What x-amz-copy-source-range asks for.

    Raises
    ------
    ServiceError
        It is malformed, or there are no such bytes.
    """
    name = "x-amz-copy-source-range"
    found = _COPY_RANGE.fullmatch(text)
    first, last = (_number(found[1]), _number(found[2])) if found is not None else (1, 0)
    if first > last:
        message = (
            f"The {name} value must be of the form bytes=first-last where first and last are the zero-based offsets "
            "of the first and last bytes to copy"
        )
        raise invalid_argument(message, name, text)
    if last >= size:
        raise invalid_argument(f"Range specified is not valid for source object of size: {size}", name, text)
    return ByteRange(first, last - first + 1, size)


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[:_DIGITS] or "0")
