"""One request on its way through the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from openrek.awsmodel.calls import Caller
from openrek.awsmodel.replies import Reply
from openrek.awsmodel.requests import Request
from openrek.awsmodel.routes import Match
from openrek.awsmodel.services import Service
from openrek.wire.bodies import BodyStream
from openrek.wire.routing import Signature


@dataclass(slots=True)
class Exchange:
    """What is known so far; each step of the pipeline sets what the next ones read.

    Attributes
    ----------
    host, endpoint
        Host and port as the client wrote them; with the scheme in front, and without a bucket.
    """

    request: Request
    request_id: str
    host: str
    endpoint: str
    stream: BodyStream
    found_service: Service | None = None
    signature: Signature = field(init=False)
    caller: Caller = field(init=False)
    match: Match = field(init=False)
    params: dict[str, Any] = field(init=False)
    result: dict[str, Any] = field(init=False)
    reply: Reply = field(init=False)

    @property
    def service(self) -> Service:
        """The service that the request is for."""
        assert self.found_service is not None
        return self.found_service

    @service.setter
    def service(self, service: Service) -> None:
        self.found_service = service
