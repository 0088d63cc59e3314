"""The model's constraints, and the messages with which AWS refuses what breaks them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from openrek.awsmodel.calls import ServiceError
from openrek.awsmodel.dialects import Dialect, dialect_of
from openrek.awsmodel.java import java_text, lower_first
from openrek.awsmodel.patterns import compile_pattern
from openrek.awsmodel.services import OperationModel, Service
from openrek.awsmodel.shapes import Shape

_NOT_NULL = "Member must not be null"
_MOST_VIOLATIONS = 100
"""A request of megabytes may break as many constraints; nobody reads more, and the reply would be larger than the request."""
_SIZED = frozenset({"string", "blob", "list", "map"})
_CONTAINERS = frozenset({"structure", "list", "map"})


@dataclass(frozen=True, slots=True)
class Violation:
    """A constraint that a value breaks.

    Attributes
    ----------
    path
        Members' names in the model's spelling, positions from 1: ("Tags", "1", "Key").
    """

    location: str
    path: tuple[str, ...]
    shown: str
    constraint: str
    missing: bool = False

    def __str__(self) -> str:
        return f"Value{self.shown} at '{self.location}' failed to satisfy constraint: {self.constraint}"


@dataclass(frozen=True, slots=True)
class _Constraint:
    text: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class _Constraints:
    """Of one shape: as they are listed for a value of its own, and for the elements of a list or map."""

    alone: tuple[_Constraint, ...]
    listed: tuple[_Constraint, ...]

    def broken(self, value: Any) -> bool:
        return any(not constraint.holds(value) for constraint in self.alone)


def validate(service: Service, operation: OperationModel, params: Mapping[str, Any]) -> None:
    """Refuse parameters that the model does not allow, in the service's own words.

    Raises
    ------
    ServiceError
        Some constraint is broken; the message names all that are.
    """
    if operation.input is None:
        return
    found = violations(operation.input, params)
    dialect = dialect_of(service.name, service.protocol)
    if dialect.validation is not None:
        if found:
            plural = "s" if len(found) > 1 else ""
            raise ServiceError(dialect.validation, f"{len(found)} validation error{plural} detected: {'; '.join(map(str, found))}")
        return
    missing = next((violation for violation in found if violation.missing), None)
    if missing is not None:
        raise _missing(service, operation, dialect, missing)


def violations(shape: Shape, value: Any) -> list[Violation]:
    """The broken constraints of a structure, in the order of the model: all, or the first hundred."""
    walk = _Walk([])
    walk.structure(shape, value, _Place("", ()))
    return walk.found[:_MOST_VIOLATIONS]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value stands: in Java's spelling, and as a path."""

    location: str
    path: tuple[str, ...]

    def member(self, name: str) -> _Place:
        location = f"{self.location}.{lower_first(name)}" if self.location else lower_first(name)
        return _Place(location, (*self.path, name))

    def entry(self, name: str) -> _Place:
        return _Place(f"{self.location}.{name}.member", (*self.path, name))


@dataclass(frozen=True, slots=True)
class _Walk:
    """One walk over the parameters."""

    found: list[Violation]

    def structure(self, shape: Shape, value: Any, place: _Place) -> None:
        for name, member in shape.members.items():
            item = value.get(name)
            if item is None:
                if name in shape.required:
                    below = place.member(name)
                    self.found.append(Violation(below.location, below.path, " null", _NOT_NULL, missing=True))
                continue
            broken = [constraint for constraint in _constraints(member.shape).alone if not constraint.holds(item)]
            if broken or member.shape.kind in _CONTAINERS:
                below = place.member(name)
                shown = _shown(member.shape, item) if broken else ""
                self.found.extend(Violation(below.location, below.path, shown, constraint.text) for constraint in broken)
                self._inside(member.shape, item, below)

    def _inside(self, shape: Shape, value: Any, place: _Place) -> None:
        if shape.kind == "structure":
            self.structure(shape, value, place)
        elif shape.kind == "list":
            assert shape.element is not None
            self._entries(shape, value, shape.element.shape, "Member", place)
        elif shape.kind == "map":
            assert shape.key is not None
            assert shape.entry is not None
            self._entries(shape, value, shape.key.shape, "Map keys", place)
            self._entries(shape, value, shape.entry.shape, "Map value", place)

    def _entries(self, shape: Shape, whole: Any, entry_shape: Shape, noun: str, place: _Place) -> None:
        """Look at the entries of a list or map. AWS names all constraints of an entry when one entry breaks one."""
        pairs = whole.items() if shape.kind == "map" else [(str(number), item) for number, item in enumerate(whole, 1)]
        entries = [(key, key if noun == "Map keys" else item) for key, item in pairs]
        constraints = _constraints(entry_shape)
        null = any(item is None for _, item in entries)
        if null or any(constraints.broken(item) for _, item in entries):
            texts = [constraint.text for constraint in constraints.listed] + [_NOT_NULL] * null
            text = f"{noun} must satisfy constraint: [{', '.join(texts)}]"
            self.found.append(Violation(place.location, place.path, _shown(shape, whole), text, missing=null))
        if entry_shape.kind in _CONTAINERS:
            for key, item in entries:
                if len(self.found) >= _MOST_VIOLATIONS:
                    return
                if item is not None:
                    self._inside(entry_shape, item, place.entry(key))


@functools.cache
def _constraints(shape: Shape) -> _Constraints:
    form: list[_Constraint] = []
    bounds: list[_Constraint] = []
    if shape.enum:
        allowed = frozenset(shape.enum)
        form.append(_Constraint(f"Member must satisfy enum value set: [{', '.join(shape.enum)}]", allowed.__contains__))
    if shape.pattern is not None:
        form.append(_Constraint(f"Member must satisfy regular expression pattern: {shape.pattern}", compile_pattern(shape.pattern).matches))
    sized = shape.kind in _SIZED
    noun = "length" if sized else "value"
    if shape.maximum is not None:
        maximum = shape.maximum
        holds = (lambda value: _size(value) <= maximum) if sized else (lambda value: value <= maximum)
        bounds.append(_Constraint(f"Member must have {noun} less than or equal to {maximum}", holds))
    if shape.minimum is not None:
        minimum = shape.minimum
        holds = (lambda value: _size(value) >= minimum) if sized else (lambda value: value >= minimum)
        bounds.append(_Constraint(f"Member must have {noun} greater than or equal to {minimum}", holds))
    return _Constraints(alone=(*form, *bounds), listed=(*bounds, *form))


def _size(value: Any) -> float:
    """Length; characters count as code points."""
    return len(value)


def _shown(shape: Shape, value: Any) -> str:
    return "" if shape.sensitive else f" '{java_text(shape, value)}'"


def _missing(service: Service, operation: OperationModel, dialect: Dialect, violation: Violation) -> ServiceError:
    """What a service says whose operations judge their values themselves."""
    name = ".".join(violation.path)
    if service.protocol != "rest-xml":
        return ServiceError(dialect.missing, f"The request must contain the parameter {name}.")
    assert operation.input is not None
    member = operation.input.members[violation.path[0]]
    if member.location is None:
        return ServiceError(dialect.malformed, dialect.malformed_message(""))
    kind = "header" if member.location == "header" else "parameter"
    return ServiceError(dialect.missing, f"Missing required {kind} for this request: {member.wire_name}")
