"""Whether functions may run on this server, and where their packages may lie."""

from __future__ import annotations

import ipaddress

from openrek.awsmodel.calls import ServiceError
from openrek.errors import ObjectNotFoundError
from openrek.localaws.functions.packages import LARGEST_UNPACKED
from openrek.localaws.functions.service import Fetch
from openrek.localaws.s3.storage import Storage
from openrek.server.clients import client
from openrek.settings import Settings


def refusal(settings: Settings) -> str | None:
    """Why functions do not run here; None if they do."""
    if settings.functions.allowed == "never":
        return "Functions are switched off on this server: OPENREK_FUNCTIONS__ALLOWED is never."
    if settings.functions.allowed == "always" or _is_loopback(settings.host):
        return None
    return (
        f"Functions run with the server's rights, and this server listens on {settings.host}, where others may reach it. "
        "Listen on 127.0.0.1, or set OPENREK_FUNCTIONS__ALLOWED=always if everybody who reaches the port may run code here."
    )


def code_source(settings: Settings, storage: Storage) -> Fetch:
    """How packages are fetched from the buckets that the settings name."""

    def embedded(bucket: str, key: str, version: str | None) -> bytes:
        try:
            located = storage.locate(bucket, key, version)
        except ObjectNotFoundError as error:
            raise _not_fetched(str(error)) from error
        if located.size > LARGEST_UNPACKED:
            raise _not_fetched(f"it is larger than {LARGEST_UNPACKED} bytes")
        return located.path.read_bytes()

    def elsewhere(bucket: str, key: str, version: str | None) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        named = {"Bucket": bucket, "Key": key} | ({} if version is None else {"VersionId": version})
        try:
            body: bytes = client("s3", settings.s3, settings).get_object(**named)["Body"].read(LARGEST_UNPACKED + 1)
        except (BotoCoreError, ClientError) as error:
            raise _not_fetched(str(error)) from error
        return body

    return embedded if settings.s3.endpoint is None else elsewhere


def _not_fetched(reason: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", f"Error occurred while GetObject. {reason}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
