"""The HTTP door of all services on one port: an ASGI application whose way of a request is one list."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from openrek.awsmodel.calls import Caller, Operation, ServiceError
from openrek.awsmodel.dialects import dialect_of
from openrek.awsmodel.errors import error_reply, internal_error
from openrek.awsmodel.parse import find_operation, parse
from openrek.awsmodel.replies import Reply
from openrek.awsmodel.requests import Request
from openrek.awsmodel.serialise import serialise
from openrek.awsmodel.services import Service, load_service
from openrek.awsmodel.validate import validate
from openrek.errors import ClientGoneError
from openrek.wire.bodies import BodyStream, header_map, read_whole
from openrek.wire.calling import Callers
from openrek.wire.documents import verify_document
from openrek.wire.exchange import Exchange
from openrek.wire.routing import Signature, bucket_in_host, find_signature, headers_in_query, service_by_action, service_by_target
from openrek.wire.sending import send_reply
from openrek.wire.uploads import StreamedUpload, without_transfer_form

_log = logging.getLogger(__name__)

Step = Callable[[Exchange], Awaitable[None]]


class Gateway:
    """An ASGI application that speaks AWS's protocols.

    Parameters
    ----------
    services
        The operations that exist here: by botocore's name of the service, then by name. A coroutine function runs on the event
        loop and is cancelled when its client hangs up; a plain function runs in a thread, and so must not wait for long.
    account
        Of every caller.
    region
        Of requests that name none.
    request_bytes
        The largest body that is read as a whole; streamed uploads have no limit.
    larger
        Of services, by botocore's names, that take larger ones.
    not_for_pages
        Services, by botocore's names, that refuse what a web page in a browser asks: any page that a person looks at can send
        requests to this machine.
    base_domain
        S3 buckets are also `<bucket>.<base domain>`; always so under localhost.
    threads
        Plain functions that run at once.

    Raises
    ------
    LookupError
        A service or an operation is not in botocore's models.
    """

    def __init__(
        self,
        services: Mapping[str, Mapping[str, Operation]],
        *,
        account: str,
        region: str,
        request_bytes: int,
        larger: Mapping[str, int] | None = None,
        not_for_pages: Collection[str] = (),
        base_domain: str = "localhost",
        threads: int = 64,
    ) -> None:
        self._services = {name: load_service(name) for name in services}
        for name, operations in services.items():
            if strangers := operations.keys() - set(self._services[name].operation_names):
                raise LookupError(f"{name} has no operations {sorted(strangers)}")
        self._by_signing_name = {service.signing_name: service for service in self._services.values()}
        self._callers = Callers(services, threads)
        self._account = account
        self._region = region
        self._request_bytes = request_bytes
        self._larger = dict(larger or {})
        self._not_for_pages = frozenset(not_for_pages)
        self._base_domains = tuple(dict.fromkeys((base_domain.lower(), "localhost")))
        self.pipeline: tuple[Step, ...] = (
            self._find_service,
            self._authenticate,
            self._find_operation,
            self._read_body,
            self._parse,
            self._validate,
            self._call,
            self._serialise,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the gateway speaks HTTP only, not {scope['type']}")
        exchange = self._open(scope, receive)
        try:
            reply = await self._answer(exchange)
            await send_reply(reply, exchange, send)
        except ClientGoneError:
            _log.info("request %s: the client hung up", exchange.request_id)

    def _open(self, scope: Scope, receive: Receive) -> Exchange:
        headers = header_map(scope["headers"])
        raw_path = scope.get("raw_path") or scope["path"].encode()
        request = Request(
            method=scope["method"],
            path=raw_path.decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
        )
        host = headers.get("host") or "{}:{}".format(*(scope.get("server") or ("localhost", 80)))
        return Exchange(
            request=request,
            request_id=str(uuid.uuid4()),
            host=host,
            endpoint=f"{scope.get('scheme', 'http')}://{host}",
            stream=BodyStream(receive, headers),
        )

    async def _answer(self, exchange: Exchange) -> Reply:
        try:
            for step in self.pipeline:
                await step(exchange)
            return exchange.reply
        except ServiceError as error:
            failure = error
        except ClientGoneError:
            raise
        except Exception:
            _log.exception("request %s failed: %s %s", exchange.request_id, exchange.request.method, exchange.request.path)
            failure = internal_error(self._speaker(exchange))
        try:
            return error_reply(self._speaker(exchange), failure, exchange.request_id, exchange.request.path)
        except Exception:
            _log.exception("request %s: its error %s could not be written", exchange.request_id, failure.code)
            service = self._speaker(exchange)
            return error_reply(service, internal_error(service), exchange.request_id)

    # The steps, in the order of the pipeline.

    async def _find_service(self, exchange: Exchange) -> None:
        request = exchange.request
        query = dict(request.query_pairs())
        signature = find_signature(request.headers, query)
        services = self._services.values()
        service = None if signature else service_by_target(request.headers, services)
        if signature is None and service is None and request.method == "POST":
            await self._read_form(exchange)
            query |= dict(exchange.request.form_pairs())
            signature = find_signature({}, query)
        if signature is not None:
            service = self._by_signing_name.get(signature.service)
        else:
            service = service or service_by_action(request.path, query, services) or self._unsigned_s3(exchange, query)
        if service is None:
            asked = signature.service if signature else request.headers.get("x-amz-target", request.path)
            raise ServiceError("UnknownOperationException", f"There is no service here for {asked}")
        exchange.signature = signature or Signature("", service.signing_name, "")
        exchange.service = service
        if service.name == "s3":
            self._enter_bucket(exchange)
            exchange.request = exchange.request.with_headers(headers_in_query(query) | dict(exchange.request.headers))

    async def _authenticate(self, exchange: Exchange) -> None:
        # Browsers name the page's origin in all that may change something, and let no page leave it out.
        if exchange.service.name in self._not_for_pages and "origin" in exchange.request.headers:
            message = "This service does not answer web pages, which may run code here with it: ask from a program outside of a browser."
            raise ServiceError("AccessDeniedException", message, status=403)
        # Signatures are not verified: whoever reaches the port is the account.
        exchange.caller = Caller(
            account=self._account,
            region=exchange.signature.region or self._region,
            principal=f"arn:aws:iam::{self._account}:root",
            access_key_id=exchange.signature.access_key_id,
            request_id=exchange.request_id,
            endpoint=exchange.endpoint,
        )

    async def _find_operation(self, exchange: Exchange) -> None:
        service = exchange.service
        if service.protocol == "query":
            await self._read_whole(exchange)
        exchange.match = find_operation(service, exchange.request)
        name = exchange.match.operation.name
        if not self._callers.has(service.name, name):
            dialect = dialect_of(service.name, service.protocol)
            raise ServiceError(dialect.unknown_operation, f"The operation {name} is not available here", status=dialect.unknown_status)

    async def _read_body(self, exchange: Exchange) -> None:
        if exchange.service.name != "s3":
            await self._read_whole(exchange)
        elif not exchange.request.content:  # else it is a form, read to find the service
            upload = StreamedUpload(exchange.stream, exchange.request.headers)
            exchange.request = exchange.request.with_headers(without_transfer_form(exchange.request.headers, upload.length))
            body = upload if exchange.match.operation.upload is not None else await self._read_document(upload, exchange)
            exchange.request = exchange.request.with_body(body)

    async def _parse(self, exchange: Exchange) -> None:
        exchange.params = parse(exchange.service, exchange.match.operation, exchange.request, exchange.match.labels)

    async def _validate(self, exchange: Exchange) -> None:
        validate(exchange.service, exchange.match.operation, exchange.params)

    async def _call(self, exchange: Exchange) -> None:
        exchange.result = await self._callers.call(exchange)

    async def _serialise(self, exchange: Exchange) -> None:
        exchange.reply = serialise(exchange.service, exchange.match.operation, exchange.result, exchange.request_id)

    # What the steps share.

    async def _read_form(self, exchange: Exchange) -> None:
        if exchange.request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            await self._read_whole(exchange)

    async def _read_whole(self, exchange: Exchange) -> None:
        stream = exchange.stream
        if not stream.complete:
            service = exchange.found_service
            limit = max(self._request_bytes, self._larger.get(service.name, 0) if service is not None else 0)
            too_large = ServiceError("RequestEntityTooLargeException", f"The request is larger than {limit} bytes", status=413)
            body = await read_whole(aiter(stream), stream.expected, limit, too_large)
            exchange.request = exchange.request.with_body(body)

    async def _read_document(self, upload: StreamedUpload, exchange: Exchange) -> bytes:
        limit = self._request_bytes
        too_large = ServiceError("MaxMessageLengthExceeded", "Your request was too big.", details={"MaxMessageLengthBytes": limit})
        body = await read_whole(aiter(upload), upload.length, limit, too_large)
        verify_document(body, exchange.request.headers, upload.trailers)
        return body

    def _unsigned_s3(self, exchange: Exchange, query: Mapping[str, str]) -> Service | None:
        """S3, unless the request plainly speaks another protocol."""
        headers = exchange.request.headers
        if "x-amz-target" in headers or ("Action" in query and "Version" in query):
            return None
        return self._services.get("s3")

    def _enter_bucket(self, exchange: Exchange) -> None:
        bucket = bucket_in_host(exchange.host, self._base_domains)
        if bucket is not None:
            exchange.request = exchange.request.with_path(f"/{quote(bucket, safe='')}{exchange.request.path}")
            scheme = exchange.endpoint.removesuffix(exchange.host)
            exchange.endpoint = f"{scheme}{exchange.host[len(bucket) + 1 :]}"

    def _speaker(self, exchange: Exchange) -> Service:
        """The service in whose words an error is told, also if none was found."""
        if exchange.found_service is not None:
            return exchange.found_service
        headers = exchange.request.headers
        if "x-amz-target" in headers or "json" in headers.get("content-type", ""):
            protocol = "json"
        else:
            protocol = "query" if "Action=" in exchange.request.query or exchange.request.content else "rest-xml"
        served = self._services.values()
        return next((service for service in served if service.protocol == protocol), None) or next(iter(served))
