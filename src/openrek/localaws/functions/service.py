"""The embedded Lambda: functions of Python that run on this machine, as this server's user."""

from __future__ import annotations

import asyncio
import base64
import errno
import logging
import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from openrek.awsmodel.calls import Caller, Operation, Params, ServiceError
from openrek.awsmodel.services import load_service
from openrek.localaws.functions import catalogue, configuration, events, management, permissions, processes
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.configuration import Configuration
from openrek.localaws.functions.dispatching import Dispatcher, Publish
from openrek.localaws.functions.environment import credentials
from openrek.localaws.functions.errors import invalid, no_room, too_large
from openrek.localaws.functions.names import named, version
from openrek.localaws.functions.packages import Packages
from openrek.localaws.functions.pool import Pool
from openrek.localaws.functions.runtime_api import FOLDER, RuntimeApi
from openrek.localaws.functions.sandbox import Invocation, Sandbox, Site
from openrek.localaws.store import Store, Transaction

log = logging.getLogger(__name__)

LARGEST_PAYLOAD = 6_291_456
LARGEST_EVENT = 1_048_576
_UNUSED_SECONDS = 3600
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))

Fetch = Callable[[str, str, str | None], bytes]
"""The content of an object of S3: bucket, key, version. Blocks; raises `ServiceError` if there is none."""


class Functions:
    """All functions of all accounts and regions.

    Parameters
    ----------
    store
        Where they are kept, together with the topics that give them events.
    publish
        For dead letters that go to a topic.
    fetch
        Gets packages from S3.
    folder
        For packages and running functions.
    endpoint
        Address of this server, for the functions' own requests and their runtime API.
    limit, idle_seconds
        Processes at once; how long one is kept that has nothing to do.
    refusal
        Why functions may not run here, for the person who tries.
    """

    def __init__(
        self,
        store: Store,
        publish: Publish,
        fetch: Fetch,
        *,
        folder: Path,
        endpoint: str,
        limit: int,
        idle_seconds: float,
        refusal: str | None = None,
    ) -> None:
        self.store = store
        self._fetch = fetch
        self._endpoint = endpoint
        self._refusal = refusal or missing_part()
        self._folder = folder.absolute()
        self.packages = Packages(self._folder)
        site = Site(store, f"{urlsplit(endpoint).netloc}{FOLDER}runtime", endpoint, self._folder / "scratch")
        self._pool = Pool(limit, idle_seconds, lambda function: Sandbox(function, site), self._start)
        self._dispatcher = Dispatcher(store, self._pool, publish)
        self._direct: set[asyncio.Task[Params]] = set()

    def operations(self) -> Mapping[str, Operation]:
        """The operations of Lambda by name."""
        reading, writing = self.store.reading, self.store.writing
        return {
            "AddPermission": writing(permissions.add_permission),
            "CreateFunction": self.create_function,
            "DeleteFunction": self.delete_function,
            "GetFunction": self.get_function,
            "GetFunctionConfiguration": reading(management.get_function_configuration),
            "GetPolicy": reading(permissions.get_policy),
            "Invoke": self.invoke,
            "ListFunctions": reading(management.list_functions),
            "ListTags": reading(management.list_tags),
            "ListVersionsByFunction": reading(management.list_versions_by_function),
            "PublishVersion": writing(management.publish_version),
            "RemovePermission": writing(permissions.remove_permission),
            "TagResource": writing(management.tag_resource),
            "UntagResource": writing(management.untag_resource),
            "UpdateFunctionCode": self.update_function_code,
            "UpdateFunctionConfiguration": self.update_function_configuration,
        }

    def page(self, app: ASGIApp) -> ASGIApp:
        """An application that answers functions' processes, and leaves all else to `app`."""
        return RuntimeApi(app, self._pool.find, self.packages)

    def prepare(self) -> None:
        """Clear up behind a predecessor that was interrupted. Blocks."""
        self.packages.prepare()
        shutil.rmtree(self._folder / "scratch", ignore_errors=True)
        left = processes.kill_marked("LAMBDA_TASK_ROOT", f"{self.packages.code}/")
        if left:
            log.warning("ended %d processes of functions that the server before had left", left)

    async def run(self) -> None:
        """Give events to functions until this task is cancelled."""
        try:
            if self._refusal is None:
                await self._dispatcher.run()
            else:
                if await self.store.read(events.waiting):
                    log.warning("events wait for functions, which do not run here: %s", self._refusal)
                await asyncio.Event().wait()
        finally:
            await self.close()

    def dismiss(self) -> None:
        """End all processes before the server stops. Events that they had in their hands wait for the next server."""
        self._pool.stop()

    async def close(self) -> None:
        """End all processes."""
        await self._pool.close()

    async def sweep(self) -> None:
        """Remove packages that no function needs any more."""
        used = await self.store.read(catalogue.packages_in_use)
        await asyncio.to_thread(self.packages.sweep, used | self._pool.packages, self.store.clock.now() / 1000 - _UNUSED_SECONDS)

    # Operations that do more than touch the database.

    async def create_function(self, caller: Caller, params: Params) -> Params:
        """CreateFunction."""
        self._check_allowed()
        configuration.refuse_elsewhere(params)
        name = named(caller, params["FunctionName"])
        if name.qualified:
            raise invalid(f"{params['FunctionName']} names a version: leave it out")
        tags = management.checked_tags(params.get("Tags") or {})
        for member in ("Runtime", "Handler"):
            if not params.get(member):
                raise invalid(f"{member} is mandatory for functions created with deployment packages.")
        package = await self._package(params["Code"])
        blank = Configuration(params["Runtime"], params["Handler"], params["Role"], package.sha256, package.size)
        wanted = blank.changed(params)

        def work(tx: Transaction) -> Params:
            function = catalogue.add(tx, name, wanted, tags)
            return (catalogue.publish(tx, function) if params.get("Publish") else function).shaped()

        return await self.store.write(work)

    async def get_function(self, caller: Caller, params: Params) -> Params:
        """GetFunction: `Code.Location` leads to the package."""
        found = named(caller, params["FunctionName"], params.get("Qualifier"))
        function = await self.store.read(lambda tx: catalogue.existing(tx, found))
        result: Params = {
            "Configuration": function.shaped(qualified=found.qualified),
            "Code": {
                "RepositoryType": "S3",
                "Location": f"{caller.endpoint}{FOLDER}packages/{function.configuration.sha256}.zip",
            },
        }
        return result | ({"Tags": dict(function.tags)} if function.tags else {})

    async def update_function_code(self, caller: Caller, params: Params) -> Params:
        """UpdateFunctionCode."""
        self._check_allowed()
        configuration.refuse_elsewhere(params)
        name = named(caller, params["FunctionName"])
        await self.store.read(lambda tx: catalogue.existing(tx, name))
        package = await self._package(params)

        def work(tx: Transaction) -> Function:
            function = catalogue.existing(tx, name)
            wanted = function.configuration.with_package(package.sha256, package.size)
            if params.get("DryRun"):
                catalogue.check_revision(function, params.get("RevisionId"))
                return function
            changed = catalogue.change(tx, function, wanted, params.get("RevisionId"))
            return catalogue.publish(tx, changed) if params.get("Publish") else changed

        function = await self.store.write(work)
        self._pool.retire(function.id)
        return function.shaped()

    async def update_function_configuration(self, caller: Caller, params: Params) -> Params:
        """UpdateFunctionConfiguration."""
        name = named(caller, params["FunctionName"])

        def work(tx: Transaction) -> Function:
            function = catalogue.existing(tx, name)
            return catalogue.change(tx, function, function.configuration.changed(params), params.get("RevisionId"))

        function = await self.store.write(work)
        self._pool.retire(function.id)
        return function.shaped()

    async def delete_function(self, caller: Caller, params: Params) -> Params:
        """DeleteFunction: what runs runs to its end, what waits is gone."""
        found = named(caller, params["FunctionName"], params.get("Qualifier"))
        if found.qualified and not found.number:
            raise invalid("$LATEST version cannot be deleted without deleting the function.")

        def work(tx: Transaction) -> Function:
            function = catalogue.existing(tx, found)
            catalogue.remove(tx, function)
            return function

        function = await self.store.write(work)
        self._pool.retire(function.id)
        return _deleted()

    async def invoke(self, caller: Caller, params: Params) -> Params:
        """Invoke: and wait, or have the event wait (Event), or only see whether one could (DryRun)."""
        self._check_allowed()
        found = named(caller, params["FunctionName"], params.get("Qualifier"))
        function = await self.store.read(lambda tx: catalogue.existing(tx, found))
        kind = params.get("InvocationType") or "RequestResponse"
        payload = configuration.checked_event(params.get("Payload") or b"")
        context = configuration.checked_client_context(params.get("ClientContext"))
        if kind == "DryRun":
            return {"StatusCode": 204}
        most = LARGEST_EVENT if kind == "Event" else LARGEST_PAYLOAD
        if len(payload) > most:
            raise too_large(len(payload), most)
        if kind == "Event":

            def work(tx: Transaction) -> None:
                events.enqueue(tx, catalogue.existing(tx, found), found.arn, payload, caller.request_id, context)

            await self.store.write(work)
            return {"StatusCode": 202}
        # A client that hangs up ends its waiting, not the function.
        task = asyncio.create_task(self._invoke_now(function, Invocation(caller.request_id, found.arn, payload, context)))
        self._direct.add(task)
        task.add_done_callback(self._direct.discard)
        result = await asyncio.shield(task)
        tail = result.pop("LogResult")
        return result | ({"LogResult": tail} if params.get("LogType") == "Tail" else {})

    async def _invoke_now(self, function: Function, invocation: Invocation) -> Params:
        try:
            outcome = await self._pool.run(function, invocation)
        except OSError as error:
            log.exception("function %s could not be started", function.name)
            raise ServiceError("ServiceException", f"The function could not be started: {error.strerror}", status=500) from error
        result: dict[str, Any] = {
            "StatusCode": 200,
            "ExecutedVersion": version(function.number),
            "Payload": outcome.payload,
            "LogResult": base64.b64encode(outcome.tail).decode(),
        }
        return result | ({"FunctionError": "Unhandled"} if outcome.failed else {})

    async def _start(self, sandbox: Sandbox) -> None:
        code = await asyncio.to_thread(self.packages.unpacked, sandbox.function.configuration.sha256)
        keys = await self.store.write(lambda tx: credentials(tx, sandbox.function))
        await sandbox.start(code, keys)

    def _check_allowed(self) -> None:
        if self._refusal is not None:
            raise ServiceError("AccessDeniedException", self._refusal, status=403)

    async def _package(self, code: Params) -> Any:
        """Keep the package that a request brings, or names in S3."""
        for member, what in (("ImageUri", "container images"), ("SourceKMSKeyArn", "KMS")):
            if code.get(member):
                raise invalid(f"openrek has no {what}. Leave {member} out.")
        if code.get("ZipFile") is not None:
            if code.get("S3Bucket") or code.get("S3Key"):
                raise invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
            data = code["ZipFile"]
        elif code.get("S3Bucket") and code.get("S3Key"):
            data = await asyncio.to_thread(self._fetch, code["S3Bucket"], code["S3Key"], code.get("S3ObjectVersion"))
        else:
            raise invalid("Please provide a source for function code.")
        try:
            return await asyncio.to_thread(self.packages.keep, data)
        except OSError as error:
            if error.errno in _FULL:
                raise no_room(str(error.strerror)) from error
            raise


def lambda_operations(functions: Functions) -> Mapping[str, Operation]:
    """The operations of Lambda by name."""
    return functions.operations()


def _deleted() -> Params:
    """What DeleteFunction answers, which is nothing in older service models."""
    operation = load_service("lambda").operation("DeleteFunction")
    return {"StatusCode": 204} if operation is not None and operation.output is not None else {}


def missing_part() -> str | None:
    """What functions need and is not installed, and how to get it; None if they can run."""
    try:
        found = find_spec("awslambdaric.lambda_config")  # which it has from version 4 on
    except ModuleNotFoundError:
        found = None
    if found is None:
        return "Functions need AWS's runtime client, version 4, on the server: pip install 'openrek[lambda]', and start the server again."
    return None
