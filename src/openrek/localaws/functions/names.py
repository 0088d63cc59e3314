"""What requests call a function: its name, its ARN or a part of it, with or without a version."""

from __future__ import annotations

import re
from dataclasses import dataclass

from openrek.awsmodel.calls import Caller
from openrek.localaws.arns import function_arn
from openrek.localaws.functions.errors import invalid, not_found

LATEST = "$LATEST"
_NAME = re.compile(
    r"(?:(?:arn:[a-zA-Z-]+:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?function:)?"
    r"(?P<name>[a-zA-Z0-9_-]{1,64})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Named:
    """A function of a caller, and one of its versions.

    Attributes
    ----------
    name
        Of the function.
    number
        Of the version; 0 is `$LATEST`.
    qualified
        Whether the request named a version.
    """

    account: str
    region: str
    name: str
    number: int
    qualified: bool

    @property
    def arn(self) -> str:
        """The function's ARN, with the version if the request named one."""
        arn = function_arn(self.account, self.region, self.name)
        return f"{arn}:{version(self.number)}" if self.qualified else arn


def named(caller: Caller, text: str, qualifier: str | None = None) -> Named:
    """Take the name of a function apart.

    Raises
    ------
    ServiceError
        It is none, names two versions, or a function of another account or region.
    """
    found = _NAME.fullmatch(text)
    if found is None:
        raise invalid(f"{text} is not a valid function name")
    inside = found["qualifier"]
    if inside is not None and qualifier is not None and inside != qualifier:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    chosen = inside if inside is not None else qualifier
    account, region = found["account"] or caller.account, found["region"] or caller.region
    arn = function_arn(account, region, found["name"])
    if (account, region) != (caller.account, caller.region):
        raise not_found(arn)
    number = number_of(chosen)
    if number is None:
        raise not_found(f"{arn}:{chosen}")  # there are no aliases
    return Named(account, region, found["name"], number, chosen is not None)


def number_of(qualifier: str | None) -> int | None:
    """The number of a version; None for what is no version but an alias."""
    if qualifier is None or qualifier == LATEST:
        return 0
    return int(qualifier) if qualifier.isascii() and qualifier.isdecimal() and len(qualifier) <= 18 else None


def version(number: int) -> str:
    """What a version is called."""
    return str(number) if number else LATEST
