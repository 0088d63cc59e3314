"""botocore's service models, loaded once each and stripped of their prose."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from openrek.awsmodel.shapes import Member, Shape, ShapeTable


@dataclass(frozen=True, slots=True, eq=False)
class OperationModel:
    """One operation of a service.

    Attributes
    ----------
    method, uri
        HTTP method and URI template with its literal query, of protocols that use them.
    status
        HTTP status of success.
    wrapper
        Element around the result, in the query protocol.
    """

    name: str
    input: Shape | None
    output: Shape | None
    method: str
    uri: str
    status: int
    wrapper: str | None
    deprecated: bool

    @property
    def upload(self) -> Member | None:
        """The input's member that is the request's body, handed on unread."""
        if self.input is None or self.input.payload is None:
            return None
        member = self.input.members[self.input.payload]
        return member if member.streaming else None


class Service:
    """One service's model.

    Attributes
    ----------
    name
        botocore's: "rekognition", "s3".
    protocol
        `json`, `query`, `rest-xml` or `rest-json`.
    target_prefix
        What stands before the operation in `X-Amz-Target`; empty for protocols without one.
    """

    def __init__(self, name: str, model: Mapping[str, Any]) -> None:
        metadata = model["metadata"]
        self.name = name
        self.protocol: str = metadata["protocol"]
        self.api_version: str = metadata["apiVersion"]
        self.json_version: str = metadata.get("jsonVersion", "1.0")
        self.target_prefix: str = metadata.get("targetPrefix", "")
        self.signing_name: str = metadata.get("signingName", metadata["endpointPrefix"])
        self.xml_namespace: str = metadata.get("xmlNamespace", "")
        self.query_compatible = "awsQueryCompatible" in metadata
        self.shapes = ShapeTable({shape: _without_prose(raw) for shape, raw in model["shapes"].items()})
        self._raw_operations = {operation: _without_prose(raw) for operation, raw in model["operations"].items()}
        self._operations: dict[str, OperationModel] = {}

    @property
    def operation_names(self) -> tuple[str, ...]:
        """All operations of the model."""
        return tuple(self._raw_operations)

    def operation(self, name: str) -> OperationModel | None:
        """The operation of that name, or None if the model has none."""
        operation = self._operations.get(name)
        if operation is None and name in self._raw_operations:
            operation = self._operations[name] = self._build(name)
        return operation

    @cached_property
    def errors(self) -> Mapping[str, Shape]:
        """Error shapes by name, and by code on the wire."""
        shapes = self.shapes.errors()
        return {shape.error_code: shape for shape in shapes if shape.error_code} | {shape.name: shape for shape in shapes}

    def _build(self, name: str) -> OperationModel:
        raw = self._raw_operations[name]
        http = raw["http"]
        output = raw.get("output", {})
        return OperationModel(
            name=name,
            input=self.shapes[raw["input"]["shape"]] if "input" in raw else None,
            output=self.shapes[output["shape"]] if output else None,
            method=http["method"],
            uri=http["requestUri"],
            status=http.get("responseCode", 200),
            wrapper=output.get("resultWrapper"),
            deprecated=raw.get("deprecated", False),
        )


_services: dict[str, Service] = {}
_loading = threading.Lock()


def load_service(name: str) -> Service:
    """The model of a service by botocore's name for it.

    Raises
    ------
    LookupError
        botocore knows no such service.
    """
    service = _services.get(name)
    if service is None:
        with _loading:
            if name not in _services:
                try:
                    model = Loader().load_service_model(name, "service-2")
                except UnknownServiceError as error:
                    raise LookupError(f"botocore has no service model named {name!r}") from error
                _services[name] = Service(name, model)
            service = _services[name]
    return service


def _without_prose(raw: Mapping[str, Any]) -> dict[str, Any]:
    lean = {key: value for key, value in raw.items() if key not in {"documentation", "documentationUrl"}}
    if "members" in lean:
        lean["members"] = {name: _without_prose(member) for name, member in lean["members"].items()}
    return lean
