"""Which operation a REST request is for: method, URI template, literal query and required parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.dialects import Dialect
from openrek.awsmodel.requests import Request
from openrek.awsmodel.services import OperationModel, Service

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")
# botocore's presigned URLs of version 2 have the signed headers among them.
_SIGNATURE_PARAMETERS = frozenset({"awsaccesskeyid", "signature", "expires", "content-type", "content-md5"})


@dataclass(frozen=True, slots=True)
class Match:
    """An operation and the labels of its URI."""

    operation: OperationModel
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class _Route:
    operation: OperationModel
    literals: Mapping[str, str]
    required_query: frozenset[str]
    required_headers: frozenset[str]
    query_names: frozenset[str]

    def fits(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return self.required_query <= query.keys() and all(name in headers for name in self.required_headers)

    def has_literals(self, query: Mapping[str, str]) -> bool:
        return all(name in query and (not value or query[name] == value) for name, value in self.literals.items())


class RouteTable:
    """The routes of one REST service.

    Parameters
    ----------
    service
        Its model.
    strict
        A query parameter that means another operation, or nothing that we know, is refused. S3 needs this: `PUT /bucket/key?acl`
        must not write an object.
    """

    def __init__(self, service: Service, dialect: Dialect, *, strict: bool) -> None:
        self._dialect = dialect
        self._strict = strict
        templates: dict[tuple[str, str], list[_Route]] = {}
        for name in service.operation_names:
            operation = service.operation(name)
            assert operation is not None
            path, _, _ = operation.uri.partition("?")
            templates.setdefault((operation.method, path), []).append(_route(operation))
        self._sub_resources = frozenset(name for routes in templates.values() for route in routes for name in route.literals)
        self._by_method: dict[str, list[tuple[re.Pattern[str], list[_Route]]]] = {}
        for (method, path), routes in sorted(templates.items(), key=lambda item: _literal_length(item[0][1]), reverse=True):
            routes.sort(key=_precedence)
            self._by_method.setdefault(method, []).append((_compile(path), routes))

    def match(self, request: Request) -> Match:
        """The operation of a request.

        Raises
        ------
        ServiceError
            There is none, or the path is not UTF-8.
        """
        query = dict(request.query_pairs())
        for pattern, routes in self._by_method.get(request.method, ()):
            found = pattern.fullmatch(request.path)
            if found is None:
                continue
            route = self._choose(routes, request, query)
            if route is not None:
                return Match(route.operation, {name: _decode(text) for name, text in found.groupdict().items()})
        raise ServiceError(
            self._dialect.unknown_operation,
            f"No operation is implemented for {request.method} {request.path}" + (f"?{request.query}" if request.query else ""),
            status=self._dialect.unknown_status,
        )

    def _choose(self, routes: list[_Route], request: Request, query: Mapping[str, str]) -> _Route | None:
        candidates = [route for route in routes if route.has_literals(query)]
        if self._strict:
            candidates = [route for route in candidates if not any(self._excludes(request.method, route, *pair) for pair in query.items())]
        for route in candidates:
            if route.fits(query, request.headers):
                return route
        # What is missing is for validation to say; a header that alone tells two operations apart does not count as missing.
        return next((route for route in candidates if not route.required_headers or route.literals), None)

    def _excludes(self, method: str, route: _Route, name: str, value: str) -> bool:
        if name in route.literals or name in route.query_names:
            return False
        if name in self._sub_resources:
            return True
        if name.lower().startswith("x-") or name.lower() in _SIGNATURE_PARAMETERS:
            return False
        return method not in {"GET", "HEAD"} or not value


def _route(operation: OperationModel) -> _Route:
    _, _, query = operation.uri.partition("?")
    members = operation.input.members if operation.input else {}
    required = [members[name] for name in (operation.input.required if operation.input else ())]
    return _Route(
        operation=operation,
        literals={name: value for name, value in parse_qsl(query, keep_blank_values=True) if name != "x-id"},
        required_query=frozenset(member.wire_name for member in required if member.location == "querystring"),
        required_headers=frozenset(member.wire_name.lower() for member in required if member.location == "header"),
        query_names=frozenset(member.wire_name for member in members.values() if member.location == "querystring"),
    )


def _precedence(route: _Route) -> tuple[int, bool, str]:
    """The most demanding first; among equals the current one before the deprecated, then by name."""
    demands = len(route.literals) + len(route.required_query) + len(route.required_headers)
    return -demands, route.operation.deprecated, route.operation.name


def _literal_length(path: str) -> tuple[int, int]:
    return len(_LABEL.sub("", path)), -path.count("+}")


def _compile(path: str) -> re.Pattern[str]:
    pattern = ""
    position = 0
    template = path.rstrip("/")
    for label in _LABEL.finditer(template):
        pattern += re.escape(template[position : label.start()])
        pattern += f"(?P<{label[1]}>{'.+' if label[2] else '[^/]+'})"
        position = label.end()
    pattern += re.escape(template[position:])
    return re.compile(pattern if template.endswith("+}") else pattern + "/?", re.DOTALL)


def _decode(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise ServiceError("InvalidURI", "Couldn't parse the specified URI.") from None
