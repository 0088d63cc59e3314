"""An upload's body as the operation gets it: decoded, counted and compared with what the request says of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping

from openrek.awsmodel.calls import ServiceError
from openrek.wire.aws_chunked import decode_chunks, incomplete_body
from openrek.wire.bodies import BodyStream

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_CHUNKED = frozenset(
    {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    }
)


class StreamedUpload:
    """The body of an S3 request, in any of the forms in which SDKs send it; an `Upload`.

    Parameters
    ----------
    stream
        The body as it comes.
    headers
        The request's, names in lower case.

    Raises
    ------
    ServiceError
        The headers contradict each other.
    """

    def __init__(self, stream: BodyStream, headers: Mapping[str, str]) -> None:
        self._stream = stream
        self._trailers: dict[str, str] = {}
        self._announced = frozenset(name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip())
        form = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        self._chunked = form in _CHUNKED
        self._sha256 = form.lower() if _SHA256.fullmatch(form) else None
        if not self._chunked and self._sha256 is None and form != "UNSIGNED-PAYLOAD":
            raise ServiceError(
                "InvalidArgument",
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
                details={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": form[:200]},
            )
        self.length = stream.expected
        if self._chunked:
            decoded = headers.get("x-amz-decoded-content-length")
            if decoded is not None and not decoded.isdecimal():
                raise ServiceError("InvalidArgument", "x-amz-decoded-content-length must be a number of bytes.")
            self.length = None if decoded is None else int(decoded)

    @property
    def trailers(self) -> Mapping[str, str]:
        """Trailing headers in lower case; complete once the last bytes have been read."""
        return self._trailers

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the decoded bytes, once.

        Raises
        ------
        ServiceError
            The body is not as long as announced, has another hash, or lacks a trailer: whatever was read before is void.
        ClientGoneError
            The client hung up.
        """
        source = aiter(self._stream)
        count = 0
        digest = hashlib.sha256() if self._sha256 is not None else None
        async for piece in decode_chunks(source, self._trailers) if self._chunked else source:
            count += len(piece)
            if self.length is not None and count > self.length:
                raise incomplete_body()
            if digest is not None:
                digest.update(piece)
            yield piece
        if self.length is not None and count != self.length:
            raise incomplete_body()
        if digest is not None and digest.hexdigest() != self._sha256:
            raise ServiceError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                details={"ClientComputedContentSHA256": self._sha256, "S3ComputedContentSHA256": digest.hexdigest()},
            )
        if not self._announced <= self._trailers.keys():
            raise ServiceError(
                "MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform to our published schema.",
            )


def without_transfer_form(headers: Mapping[str, str], length: int | None) -> dict[str, str]:
    """Headers that tell of the decoded body: `aws-chunked` is no encoding of the object, and its length is not the request's."""
    plain = dict(headers)
    if "content-encoding" in plain:
        encodings = [name.strip() for name in plain["content-encoding"].split(",")]
        kept = [name for name in encodings if name and name.lower() != "aws-chunked"]
        if kept:
            plain["content-encoding"] = ",".join(kept)
        else:
            del plain["content-encoding"]
    if length is not None:
        plain["content-length"] = str(length)
    else:
        plain.pop("content-length", None)
    return plain
