"""What is known of one version of a function: checked as Lambda checks it, kept as JSON, shown as the service model shapes it."""

from __future__ import annotations

import base64
import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from openrek.awsmodel.calls import Params
from openrek.localaws import json_text
from openrek.localaws.arns import parse_arn
from openrek.localaws.functions.errors import invalid, not_json

RUNTIME = re.compile(r"python3\.(9|1[0-9])")
"""Runtimes that can be had here; which interpreter runs them is the server's affair."""
LONGEST_TIMEOUT = 900
LARGEST_MEMORY = 10_240
LARGEST_SCRATCH = 10_240
_LARGEST_ENVIRONMENT = 4096
_RESERVED = frozenset(
    [
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    ]
)
_ELSEWHERE: Mapping[str, str] = {
    "AcceleratorConfig": "accelerators for functions",
    "CapacityProviderConfig": "capacity providers",
    "CodeSigningConfigArn": "code signing",
    "DurableConfig": "durable executions",
    "FileSystemConfigs": "file systems for functions",
    "ImageConfig": "container images",
    "KMSKeyArn": "KMS",
    "Layers": "layers: put what is in them into the package",
    "PublishTo": "versions that are published elsewhere",
    "RuntimeConfig": "other modes of runtimes",
    "TenancyConfig": "tenants",
}


@dataclass(frozen=True, slots=True)
class Configuration:
    """One version of a function.

    Attributes
    ----------
    runtime, handler, role
        "python3.12"; "module.function"; an ARN.
    sha256, size
        Of its package: hexadecimal, bytes.
    timeout, memory, scratch
        Seconds, megabytes, megabytes.
    environment
        Variables.
    dead_letters
        ARN of a queue or topic; empty if there is none.
    log_group, log_format, log_level, platform_level
        Where its output goes (empty: the group with its name) and in which form.
    """

    runtime: str
    handler: str
    role: str
    sha256: str
    size: int
    description: str = ""
    timeout: int = 3
    memory: int = 128
    scratch: int = 512
    environment: dict[str, str] = field(default_factory=dict)
    dead_letters: str = ""
    log_group: str = ""
    log_format: str = "Text"
    log_level: str = ""
    platform_level: str = ""

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> Configuration:
        """As it was kept."""
        return cls(**kept)

    def dump(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)

    def changed(self, params: Params) -> Configuration:
        """The configuration after the changes that a request asks for.

        Raises
        ------
        ServiceError
            A value breaks its rule, or asks for what is not here.
        """
        refuse_elsewhere(params)
        plain = {"Runtime": "runtime", "Handler": "handler", "Role": "role", "Description": "description"}
        plain |= {"Timeout": "timeout", "MemorySize": "memory"}
        changes: dict[str, Any] = {name: params[member] for member, name in plain.items() if params.get(member) is not None}
        if params.get("EphemeralStorage"):
            changes["scratch"] = params["EphemeralStorage"]["Size"]
        if params.get("Environment") is not None:
            changes["environment"] = _checked_environment(params["Environment"].get("Variables") or {})
        if params.get("DeadLetterConfig") is not None:
            changes["dead_letters"] = _checked_dead_letters(params["DeadLetterConfig"].get("TargetArn") or "")
        if params.get("LoggingConfig") is not None:
            changes |= _logging(params["LoggingConfig"])
        result = replace(self, **changes)
        result._check()
        return result

    def with_package(self, sha256: str, size: int) -> Configuration:
        """The configuration with another package."""
        return replace(self, sha256=sha256, size=size)

    def _check(self) -> None:
        if not RUNTIME.fullmatch(self.runtime):
            raise invalid(
                f"The runtime parameter of {self.runtime} is not supported for creating or updating functions of openrek, "
                "which runs Python: use python3.9 or later."
            )
        if self.timeout > LONGEST_TIMEOUT:
            raise _too_large(self.timeout, "timeout", LONGEST_TIMEOUT)
        if self.memory > LARGEST_MEMORY:
            raise _too_large(self.memory, "memorySize", LARGEST_MEMORY)
        if self.scratch > LARGEST_SCRATCH:
            raise _too_large(self.scratch, "ephemeralStorage.size", LARGEST_SCRATCH)

    def shaped(self) -> Params:
        """The members of the service model's FunctionConfiguration that come from here."""
        shown: Params = {
            "Runtime": self.runtime,
            "Role": self.role,
            "Handler": self.handler,
            "CodeSize": self.size,
            "Description": self.description,
            "Timeout": self.timeout,
            "MemorySize": self.memory,
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": [architecture()],
            "EphemeralStorage": {"Size": self.scratch},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        }
        if self.environment:
            shown["Environment"] = {"Variables": self.environment}
        if self.dead_letters:
            shown["DeadLetterConfig"] = {"TargetArn": self.dead_letters}
        return shown

    def logging(self, group: str) -> Params:
        """The service model's LoggingConfig."""
        shown = {"LogFormat": self.log_format, "LogGroup": group}
        if self.log_format == "JSON":
            shown |= {"ApplicationLogLevel": self.log_level or "INFO", "SystemLogLevel": self.platform_level or "INFO"}
        return shown


def refuse_elsewhere(params: Params) -> None:
    """Refuse what Lambda has and openrek has not.

    Raises
    ------
    ServiceError
        The request asks for it.
    """
    for member, what in _ELSEWHERE.items():
        if params.get(member):
            raise invalid(f"openrek has no {what}. Leave {member} out.")
    if params.get("PackageType") not in (None, "Zip"):
        raise invalid("openrek runs functions from zip packages, not from container images: PackageType must be Zip.")
    if any((params.get("VpcConfig") or {}).values()):
        raise invalid("openrek has no VPC. Leave VpcConfig out.")
    if (params.get("TracingConfig") or {}).get("Mode") == "Active":
        raise invalid("openrek has no X-Ray: the mode of TracingConfig must be PassThrough.")
    if (params.get("SnapStart") or {}).get("ApplyOn") not in (None, "None"):
        raise invalid(f"{params.get('Runtime', 'python')} is not supported for SnapStart enabled functions.")
    architectures = params.get("Architectures")
    if architectures and architectures != [architecture()]:
        raise invalid(f"openrek runs functions on this machine: Architectures must be [{architecture()}].")


def checked_event(payload: bytes) -> bytes:
    """An event as a function gets it; without one, an empty object.

    Raises
    ------
    ServiceError
        It is not JSON.
    """
    if not payload:
        return b"{}"
    try:
        json_text.parse(payload.decode())
    except ValueError as error:
        raise not_json(str(error)) from None
    return payload


def checked_client_context(text: str | None) -> str | None:
    """The JSON of a client context, which comes in base64.

    Raises
    ------
    ServiceError
        It is not that.
    """
    if text is None:
        return None
    try:
        return json.dumps(json_text.parse(base64.b64decode(text, validate=True)))
    except ValueError:
        raise not_json("the client context is not the base64 of a JSON object") from None


def architecture() -> str:
    """What Lambda calls this machine's processor."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _checked_environment(variables: Mapping[str, str]) -> dict[str, str]:
    reserved = sorted(_RESERVED & variables.keys())
    if reserved:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains "
            f"reserved keys that are currently not supported for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    text = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > _LARGEST_ENVIRONMENT:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded "
            f"the 4KB limit. String measured: {text}"
        )
    if any("\0" in value for value in variables.values()):
        raise invalid("Lambda was unable to configure your environment variables because one has a zero character in it.")
    return dict(variables)


def _checked_dead_letters(arn: str) -> str:
    parts = parse_arn(arn)
    if arn and (parts is None or parts.service not in ("sqs", "sns") or parts.resource.endswith(".fifo")):
        raise invalid(f"The target of DeadLetterConfig must be the ARN of a standard queue or topic, not {arn}")
    return arn


def _logging(given: Params) -> dict[str, str]:
    form = given.get("LogFormat") or "Text"
    if form == "Text" and (given.get("ApplicationLogLevel") or given.get("SystemLogLevel")):
        raise invalid("Log level can only be set when LogFormat is JSON.")
    return {
        "log_group": given.get("LogGroup") or "",
        "log_format": form,
        "log_level": given.get("ApplicationLogLevel") or "",
        "platform_level": given.get("SystemLogLevel") or "",
    }


def _too_large(value: int, member: str, limit: int) -> Exception:
    return invalid(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"Member must have value less than or equal to {limit}"
    )
