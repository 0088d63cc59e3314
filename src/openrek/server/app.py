"""The server: every part put together in one process, its worker beside it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvicorn

from openrek.awsmodel.calls import Operation
from openrek.clock import Clock, SystemClock
from openrek.db import Database
from openrek.errors import SettingsError
from openrek.features.registry import FEATURES
from openrek.jobs.claims import Claims
from openrek.jobs.outbox import Relay
from openrek.jobs.pagetokens import PageTokens
from openrek.jobs.results import ResultReader
from openrek.jobs.retention import Retention
from openrek.jobs.store import JobStore
from openrek.localaws.functions import Functions, lambda_operations
from openrek.localaws.iam import Identities, iam_operations
from openrek.localaws.logs import Logs, logs_operations
from openrek.localaws.notifications import Notifications, observe
from openrek.localaws.s3.operations import s3_operations
from openrek.localaws.s3.storage import Storage
from openrek.localaws.sns import CertificatePage, Topics, sns_operations
from openrek.localaws.sqs import Queues, sqs_operations
from openrek.localaws.store import Store
from openrek.localaws.sts import sts_operations
from openrek.operations.throttle import Throttle
from openrek.operations.video import VideoOperations
from openrek.server.functions import code_source, refusal
from openrek.server.names import worker_prefix
from openrek.server.publishing import RelayLoop, publisher
from openrek.server.sources import object_source
from openrek.server.supervisor import Supervisor
from openrek.settings import Settings
from openrek.vision.library import ModelLibrary
from openrek.vision.registry import needs_model
from openrek.wire.gateway import Gateway

log = logging.getLogger(__name__)

SWEEP_EVERY = 600.0
"""Seconds between two sweeps of what has expired."""
PACKAGE_REQUEST_BYTES = 70_167_211
"""Size of a request that brings a function's package, as in Lambda: 50 MB in base64."""
GRACE = 5
"""Seconds that open requests have when the server stops."""


class Application:
    """All parts of a server, over one data folder.

    Parameters
    ----------
    endpoint
        The server's own address, for links in what it sends.

    Attributes
    ----------
    gateway
        The ASGI application.
    """

    def __init__(self, settings: Settings, endpoint: str, clock: Clock | None = None) -> None:
        self._stack = ExitStack()
        try:
            self._compose(settings, endpoint, clock or SystemClock())
        except BaseException:
            self._stack.close()
            raise

    def _compose(self, settings: Settings, endpoint: str, clock: Clock) -> None:
        settings.data.mkdir(parents=True, exist_ok=True)
        self._stack.enter_context(_only_one(settings.data))
        self.database = self._stack.enter_context(Database(settings.database_url, "jobs"))
        self.database.migrate()
        local = self._stack.enter_context(Database(f"sqlite:///{(settings.data / 'localaws.db').absolute()}", "localaws"))
        local.migrate()
        self.local = self._stack.enter_context(Store(local, clock))
        self.storage = Storage(settings.data, clock, region=settings.region, observer=observe)
        self.storage.prepare()
        self.topics = Topics(self.local, endpoint=endpoint)
        self.queues = Queues(self.local)
        self.identities = Identities(self.local)
        self.logs = Logs(self.local, keep_days=settings.functions.log_days)
        self.functions = Functions(
            self.local,
            self.topics.publish,
            code_source(settings, self.storage),
            folder=settings.data / "functions",
            endpoint=endpoint,
            limit=settings.functions.concurrency,
            idle_seconds=settings.functions.idle_seconds,
            refusal=refusal(settings),
        )
        self.functions.prepare()
        self.retention = Retention(self.database, clock, settings.limits)
        self.relay = RelayLoop(Relay(self.database, publisher(settings, self.topics), clock))
        claims = Claims(self.database, clock, settings.limits, settings.worker.lease_seconds)
        self.supervisor = Supervisor(
            settings.model_dump_json(),
            died=lambda: claims.release_worker(worker_prefix(settings)),
            ended=self.relay.wake,
        )
        self._settings = settings
        self._clock = clock
        gateway = Gateway(
            self._services(),
            account=settings.account,
            region=settings.region,
            request_bytes=settings.limits.request_bytes,
            larger={"lambda": PACKAGE_REQUEST_BYTES},
            not_for_pages=("lambda",),
            base_domain=settings.base_domain,
        )
        self.gateway = self.functions.page(CertificatePage(gateway, self.topics.signer))

    def _services(self) -> Mapping[str, Mapping[str, Operation]]:
        settings, limits = self._settings, self._settings.limits
        library = ModelLibrary.of(settings)
        video = VideoOperations(
            features=FEATURES,
            store=JobStore(self.database, self._clock, limits),
            results=ResultReader(self.database),
            page_tokens=PageTokens(self.database, self._clock, limits),
            objects=object_source(settings, self.storage),
            choose=lambda role, name: library.choose(role, name) if needs_model(role) else None,
            settings=settings,
            throttle=Throttle(limits.get_per_second, self._clock),
            started=self.supervisor.wake,
        )
        return {
            "rekognition": video.operations(),
            "s3": Notifications(self.storage, self.local, self.topics).operations(s3_operations(self.storage)),
            "sns": sns_operations(self.topics),
            "sqs": sqs_operations(self.queues),
            "iam": iam_operations(self.identities),
            "sts": sts_operations(self.identities),
            "lambda": lambda_operations(self.functions),
            "logs": logs_operations(self.logs),
        }

    async def work(self) -> None:
        """Run what goes on beside requests, until this task is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.supervisor.run())
            group.create_task(self.relay.run())
            group.create_task(self.functions.run())
            group.create_task(self.topics.poster.run())
            group.create_task(self._sweep())

    async def _sweep(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.retention.sweep)
                for part in (self.queues, self.topics, self.identities, self.logs, self.functions):
                    await part.sweep()
            except Exception:
                log.exception("could not sweep what has expired")
            await asyncio.sleep(SWEEP_EVERY)

    def dismiss(self) -> None:
        """Send home whoever waits for something: clients at queues, functions for events."""
        self.queues.dismiss()
        self.functions.dismiss()

    def close(self) -> None:
        """Close the databases."""
        self._stack.close()

    def __enter__(self) -> Application:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run(settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until a signal asks to stop.

    Parameters
    ----------
    ready
        Called with the server's address once it answers.

    Raises
    ------
    SettingsError
        The address is taken, or another server works in the data folder.
    """
    with _listener(settings) as listener:
        url = f"http://{_reachable(settings.host)}:{listener.getsockname()[1]}"
        with Application(settings, url) as application:
            asyncio.run(_serve(application, listener, lambda: ready(url)))


async def _serve(application: Application, listener: socket.socket, ready: Callable[[], None]) -> None:
    config = uvicorn.Config(
        application.gateway, lifespan="off", log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=GRACE
    )
    server = _Server(config, ready, application.dismiss)
    for asked in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(asked, server.handle_exit, asked, None)
    work = asyncio.create_task(application.work())
    work.add_done_callback(lambda _: setattr(server, "should_exit", True))
    try:
        await server.serve(sockets=[listener])
    finally:
        work.cancel()
        [outcome] = await asyncio.gather(work, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is ready and sends waiting clients home when it stops."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn's own way raises them again when it is done, and the worker would not be waited for."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)


def _listener(settings: Settings) -> socket.socket:
    """Listen where the settings say."""
    try:
        listener = socket.create_server((settings.host, settings.port), family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    except OSError as error:
        of_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
        advice = "Choose another port: --port N." if of_port else "Name an address of this machine: --host ADDRESS."
        reason = str(error.strerror).partition(" (while")[0]
        raise SettingsError(f"Cannot listen on {settings.host}:{settings.port}: {reason}. {advice}") from error
    # Connections inherit it; asyncio sets it itself on sockets that name their protocol only. Without, the body of an answer waits
    # until the client has acknowledged its headers, which takes 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _reachable(host: str) -> str:
    """The address under which a client on this machine finds a server that listens on `host`."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - names them, does not bind them
    return f"[{address}]" if ":" in address else address


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data folder for this server."""
    descriptor = os.open(data / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(f"Another openrek serves from {data.absolute()}. Stop it, or name another folder: --data DIR.") from error
        yield
    finally:
        os.close(descriptor)
