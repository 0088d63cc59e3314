"""The page to which `SigningCertURL` of every notification leads."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from openrek.localaws.sns.signing import Signer


class CertificatePage:
    """An ASGI application that answers the address of the signing certificate, unsigned, and leaves all else to another.

    Parameters
    ----------
    app
        Answers all else.
    signer
        Whose certificate it is.
    """

    def __init__(self, app: ASGIApp, signer: Signer) -> None:
        self._app = app
        self._path = signer.path
        self._page = Response(signer.certificate, media_type="application/x-pem-file")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] == self._path and scope["method"] in ("GET", "HEAD"):
            await self._page(scope, receive, send)
        else:
            await self._app(scope, receive, send)
