"""What an operation is: a function from a caller and validated parameters to a result, or a `ServiceError`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from openrek.errors import OpenrekError

Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and through which address.

    Attributes
    ----------
    account, region
        Twelve digits; the region of the credential scope.
    principal
        ARN of the identity behind the access key.
    access_key_id
        As in the credential scope; empty for an unsigned request.
    request_id
        What the reply carries as request id.
    endpoint
        Scheme, host and port of the request, without a bucket that stood in the host: "http://127.0.0.1:4599".
    """

    account: str
    region: str
    principal: str
    access_key_id: str
    request_id: str
    endpoint: str


Operation = Callable[[Caller, Params], Params | Awaitable[Params]]
"""One API operation. A coroutine function runs on the event loop; a plain one may block and runs in a thread."""


class ServiceError(OpenrekError):
    """The request failed.

    Parameters
    ----------
    code
        Name of the error's shape in the service model ("ResourceNotFoundException"), or a code that the model does not list.
    message
        What the caller reads.
    status
        HTTP status where neither the model nor the protocol says one.
    details
        Further members of the error's shape, on the wire beside the message.
    headers
        Further headers of the reply, beside those of every error.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        status: int = 400,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message or code)
        self.code = code
        self.text = message
        self.status = status
        self.details = dict(details or {})
        self.headers = dict(headers or {})


class Upload(Protocol):
    """The body of a streamed request, decoded from whatever transfer form the SDK chose."""

    length: int | None
    """Decoded bytes to come, if the request says."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    @property
    def trailers(self) -> Mapping[str, str]:
        """Trailing headers in lower case; complete once the last bytes have been read."""
        ...


class Download(Protocol):
    """The body of a streamed reply."""

    length: int
    """Bytes that follow."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
