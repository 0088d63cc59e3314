"""Pages of a list that is ordered by a text, and the tokens between them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def token(key: str) -> str:
    """The opaque token of what follows `key`."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def key(token: str) -> str | None:
    """The key inside a token; None if the token is not one of ours."""
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (UnicodeError, binascii.Error):
        return None


def cut(found: Sequence[Item], size: int, name: Callable[[Item], str]) -> tuple[Sequence[Item], str | None]:
    """The first `size` of what was found, and the token of the rest if there is more.

    A query asks for `size + 1` items; the last of the page names the next one.
    """
    if len(found) <= size:
        return found, None
    page = found[:size]
    return page, token(name(page[-1]))
