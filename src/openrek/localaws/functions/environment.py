"""The environment of a function's process: what Lambda sets, and how boto3 finds this server by itself."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import insert, select

from openrek.localaws.arns import parse_arn, partition
from openrek.localaws.functions.catalogue import Function
from openrek.localaws.functions.names import version
from openrek.localaws.iam.names import new_id, new_secret, new_session_token
from openrek.localaws.iam.principals import ROLE
from openrek.localaws.schema import principals, sessions
from openrek.localaws.store import Transaction

CREDENTIALS_SECONDS = 43_200
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


def credentials(tx: Transaction, function: Function) -> dict[str, str]:
    """New credentials of the function's role, as variables. A role that is not in IAM is taken at its word."""
    arn = parse_arn(function.configuration.role)
    name = arn.resource.rpartition("/")[2] if arn is not None else function.name
    own = (principals.c.account == function.account) & (principals.c.kind == ROLE.name) & (principals.c.folded == name.lower())
    known = tx.sql.execute(select(principals.c.unique_id).where(own)).scalar()
    role_id = known or "AROA" + hashlib.sha256(function.configuration.role.encode()).hexdigest()[:17].upper()
    values = {
        "id": new_id("ASIA"),
        "account": function.account,
        "principal": f"arn:{partition(function.region)}:sts::{function.account}:assumed-role/{name}/{function.name}",
        "unique_id": f"{role_id}:{function.name}",
        "secret": new_secret(),
        "token": new_session_token(),
        "expires_at": tx.now + CREDENTIALS_SECONDS * 1000,
    }
    tx.sql.execute(insert(sessions).values(values))
    return {
        "AWS_ACCESS_KEY_ID": str(values["id"]),
        "AWS_SECRET_ACCESS_KEY": str(values["secret"]),
        "AWS_SESSION_TOKEN": str(values["token"]),
    }


def environment(
    function: Function, *, code: Path, scratch: Path, stream: str, runtime_api: str, endpoint: str, keys: Mapping[str, str]
) -> dict[str, str]:
    """All variables of a process.

    Parameters
    ----------
    code, scratch
        Folders: of the unpacked package, and for temporary files.
    stream
        Of its logs.
    runtime_api
        Host, port and folder of the runtime API.
    endpoint
        This server's address.
    keys
        The credentials.
    """
    configuration = function.configuration
    defaults = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    defaults |= {
        "LANG": "en_US.UTF-8",
        "PYTHONUTF8": "1",
        "TZ": ":UTC",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "AWS_ENDPOINT_URL": endpoint,
    }
    fixed = {
        "_HANDLER": configuration.handler,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_REGION": function.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{configuration.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version(function.number),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": configuration.log_format,
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "LAMBDA_RUNTIME_DIR": str(Path(__file__).parent),
        "LAMBDA_TASK_ROOT": str(code),
    }
    if configuration.log_format == "JSON":
        fixed["AWS_LAMBDA_LOG_LEVEL"] = configuration.log_level or "INFO"
    return {**defaults, **configuration.environment, **fixed, **keys}


def runtime_version() -> str:
    """The interpreter that runs functions, as a log line names it."""
    return f"python:{platform.python_version()}"
