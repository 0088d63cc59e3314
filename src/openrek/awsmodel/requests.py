"""A request as parsing needs it: what an HTTP server has received, without the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from openrek.awsmodel.calls import ServiceError, Upload

_MOST_PARAMETERS = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for.

    Attributes
    ----------
    method
        In capitals.
    path
        Begins with "/", percent-encoded as it came. Of S3 it always begins with the bucket, also where that stood in the host name.
    query
        What follows the question mark, percent-encoded as it came.
    headers
        Names in lower case; a repeated header's values are joined by commas.
    body
        All of it, or a stream for an operation whose body is handed on unread.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | Upload = b""

    def with_body(self, body: bytes | Upload) -> Request:
        """The same request, now that its body is known."""
        return replace(self, body=body)

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """The same request under other headers."""
        return replace(self, headers=headers)

    def with_path(self, path: str) -> Request:
        """The same request for another path."""
        return replace(self, path=path)

    @property
    def content(self) -> bytes:
        """The body of a request that is read as a whole."""
        return self.body if isinstance(self.body, bytes) else b""

    def query_pairs(self) -> list[tuple[str, str]]:
        """Names and values of the query, decoded, in order.

        Raises
        ------
        ServiceError
            It is not UTF-8 or has too many parameters.
        """
        return decode_pairs(self.query)

    def form_pairs(self) -> list[tuple[str, str]]:
        """Names and values of a body that is an HTML form; empty for any other body.

        Raises
        ------
        ServiceError
            As of `query_pairs`.
        """
        if not self.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            return []
        try:
            text = self.content.decode("ascii")
        except UnicodeDecodeError:
            raise ServiceError("MalformedQueryString", "The form has bytes that must be percent-encoded") from None
        return decode_pairs(text)


def decode_pairs(text: str) -> list[tuple[str, str]]:
    """Names and values of `a=b&c=d`.

    Raises
    ------
    ServiceError
        It is not UTF-8 or has too many parameters.
    """
    if not text:
        return []
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise ServiceError("MalformedQueryString", "The query string is not UTF-8") from None
    except ValueError:
        raise ServiceError("MalformedQueryString", f"The query string has more than {_MOST_PARAMETERS} parameters") from None
