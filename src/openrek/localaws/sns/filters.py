"""Filter policies of subscriptions: what AWS accepts as one, and which messages pass it.

A policy maps names to lists of conditions. Every name must be satisfied, by any of its conditions, by any of the values that the
message has for it; `$or` lists alternatives. In the scope `MessageBody` policy and message nest, and what a policy asks of the
members of an object must hold within one element where the message has an array (SNS developer guide, "Amazon SNS subscription
filter policies").
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from openrek.localaws import json_text

Scope = Literal["MessageAttributes", "MessageBody"]

_MOST_NAMES = 5
_MOST_COMBINATIONS = 150
_COMPARISONS = ("<", "<=", "=", ">", ">=")


class FilterPolicyError(ValueError):
    """The filter policy is not one that SNS accepts; the message tells why."""


def check(text: str, scope: Scope) -> None:
    """Refuse a filter policy that SNS would refuse.

    Raises
    ------
    FilterPolicyError
        It is not a filter policy.
    """
    try:
        policy = json_text.parse(text)
    except ValueError:
        raise FilterPolicyError("FilterPolicy: failed to parse JSON.") from None
    if not isinstance(policy, dict):
        raise FilterPolicyError("FilterPolicy: Filter is not an object")
    if len(policy) > _MOST_NAMES:
        raise FilterPolicyError(f"FilterPolicy: Filter policy can not have more than {_MOST_NAMES} keys")
    try:
        combinations = _combinations(policy, scope, 1, 1)
    except RecursionError:
        combinations = _MOST_COMBINATIONS + 1
    if combinations > _MOST_COMBINATIONS:
        raise FilterPolicyError("FilterPolicy: Filter policy is too complex")


def passes(text: str, scope: Scope, body: str, attributes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a message passes a filter policy that `check` has accepted.

    Parameters
    ----------
    body
        The message for the subscription's protocol. One that is not a JSON object, or nests too deeply, passes no policy on the body.
    attributes
        Message attributes as in SNS's service model.
    """
    policy = json_text.parse(text)
    if not policy:
        return True
    try:
        if scope == "MessageAttributes":
            return _object_passes(policy, _attribute_values(attributes))
        message = json_text.parse(body)
        return isinstance(message, dict) and _object_passes(_nested(policy), _nested(message))
    except (ValueError, RecursionError):  # no JSON, or too deep to be looked through
        return False


def _combinations(policy: Mapping[str, Any], scope: Scope, depth: int, so_far: int) -> int:
    """The number that SNS limits: the product of the numbers of conditions, each times its depth; `$or` adds up."""
    if scope == "MessageAttributes" and depth > 1:
        raise _nested_attributes()
    for name, value in policy.items():
        if isinstance(value, dict):
            so_far = _combinations(value, scope, depth + 1, so_far)
        elif not isinstance(value, list):
            raise FilterPolicyError(f'FilterPolicy: "{name}" must be an object or an array')
        elif not value:
            raise FilterPolicyError("FilterPolicy: Empty arrays are not allowed")
        elif name == "$or" and all(isinstance(one, dict) for one in value):
            so_far = sum(_combinations(one, scope, depth, so_far) for one in value)
        else:
            for condition in value:
                _check_condition(condition)
            so_far *= len(value) * depth
    return so_far


class _NestedAttributesError(FilterPolicyError):
    """A policy on attributes has nested names."""


def _nested_attributes() -> FilterPolicyError:
    return _NestedAttributesError("Filter policy scope MessageAttributes does not support nested filter policy")


def _check_condition(condition: object) -> None:
    if condition is None or isinstance(condition, str | bool | int | float):
        return
    if not isinstance(condition, dict):
        raise FilterPolicyError("FilterPolicy: Match value must be String, number, true, false, or null")
    if len(condition) != 1:
        raise FilterPolicyError("FilterPolicy: Only one key allowed in match expression")
    [(operator, operand)] = condition.items()
    if operator in ("prefix", "suffix", "equals-ignore-case"):
        _check_text(operator, operand)
    elif operator == "anything-but":
        _check_anything_but(operand)
    elif operator == "exists":
        if not isinstance(operand, bool):
            raise FilterPolicyError("FilterPolicy: exists match pattern must be either true or false.")
    elif operator == "numeric":
        _check_numeric(operand)
    elif operator == "cidr":
        _check_network(operand)
    else:
        raise FilterPolicyError(f"FilterPolicy: Unrecognized match type {operator}")


def _check_text(operator: str, operand: object) -> None:
    if not isinstance(operand, str):
        raise FilterPolicyError(f"FilterPolicy: {operator} match pattern must be a string")


def _check_anything_but(operand: object) -> None:
    if isinstance(operand, dict):
        for operator, prefix in operand.items():
            if operator != "prefix":
                raise FilterPolicyError(f"FilterPolicy: Unsupported anything-but pattern: {operator}")
            _check_text(operator, prefix)
        return
    for value in operand if isinstance(operand, list) else [operand]:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise FilterPolicyError("FilterPolicy: Value of anything-but must be a string or a number, or a list of them")


def _check_numeric(operand: object) -> None:
    terms = list(operand) if isinstance(operand, list) else []
    if not terms or not isinstance(terms[0], str):
        raise FilterPolicyError(f"FilterPolicy: Invalid member in numeric match: {terms[0] if terms else ']'}")
    if terms[0] not in _COMPARISONS:
        raise FilterPolicyError(f"FilterPolicy: Unrecognized numeric range operator: {terms[0]}")
    low = _operand(terms, 1)
    if len(terms) == 2:
        return
    if terms[0] not in (">", ">="):
        raise FilterPolicyError("FilterPolicy: Too many elements in numeric expression")
    if not isinstance(terms[2], str):
        raise FilterPolicyError(f"FilterPolicy: Bad value in numeric range: {terms[2]}")
    if terms[2] not in ("<", "<="):
        raise FilterPolicyError(f"FilterPolicy: Bad numeric range operator: {terms[2]}")
    if _operand(terms, 3) <= low:
        raise FilterPolicyError("FilterPolicy: Bottom must be less than top")
    if len(terms) > 4:
        raise FilterPolicyError("FilterPolicy: Too many terms in numeric range expression")


def _operand(terms: list[Any], position: int) -> float:
    value = terms[position] if position < len(terms) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        operator = "equals" if terms[position - 1] == "=" else terms[position - 1]
        raise FilterPolicyError(f"FilterPolicy: Value of {operator} must be numeric")
    return value


def _check_network(operand: object) -> None:
    if not isinstance(operand, str):
        raise FilterPolicyError("FilterPolicy: prefix match pattern must be a string")
    address, slash, bits = operand.partition("/")
    if not slash or "/" in bits:
        raise FilterPolicyError("FilterPolicy: Malformed CIDR, one '/' required")
    if not bits.isdecimal():
        raise FilterPolicyError("FilterPolicy: Malformed CIDR, mask bits must be an integer")
    try:
        ipaddress.ip_network(operand, strict=False)
    except ValueError:
        raise FilterPolicyError(f"FilterPolicy: Nonstandard IP address: {address}") from None


def _attribute_values(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a policy sees of message attributes: text, numbers and arrays; bytes are not looked at."""
    values: dict[str, Any] = {}
    for name, attribute in attributes.items():
        kind, text = attribute["DataType"], attribute.get("StringValue")
        if kind.startswith("Binary"):
            continue
        values[name] = text
        if kind.startswith("Number") or kind == "String.Array":
            try:
                values[name] = json_text.parse(text or "")
            except ValueError:
                values[name] = text if kind == "String.Array" else float(text or "nan")
    return values


def _nested(value: Any) -> Any:
    """The same with every name that has dots in it taken apart: SNS takes `{"a.b": 1}` and `{"a": {"b": 1}}` for the same."""
    if isinstance(value, list):
        return [_nested(one) for one in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for name, below in value.items():
        first, _, rest = name.partition(".")
        new = _nested({rest: below} if rest else below)
        old = result.get(first)
        if isinstance(old, dict) and isinstance(new, dict):
            result[first] = _joined(old, new)
        else:
            result[first] = new if first not in result else [old, new]
    return result


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    result = dict(one)
    for name, value in other.items():
        old = result.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            result[name] = _joined(old, value)
        else:
            result[name] = value if name not in result else [old, value]
    return result


def _object_passes(policy: Mapping[str, Any], message: Mapping[str, Any]) -> bool:
    return all(_name_passes(name, wanted, message) for name, wanted in policy.items())


def _name_passes(name: str, wanted: Any, message: Mapping[str, Any]) -> bool:
    if name == "$or" and isinstance(wanted, list) and all(isinstance(one, dict) for one in wanted):
        return any(_object_passes(one, message) for one in wanted)
    if isinstance(wanted, dict):
        return any(_object_passes(wanted, below) for below in _objects(message.get(name)))
    values = list(_leaves(message[name])) if name in message else []
    return any(_condition_holds(condition, values) for condition in wanted)


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    """The objects that a policy on members is held against; without any, an empty one, in which nothing exists."""
    if isinstance(value, list):
        found = [below for one in value for below in _objects(one)]
        return found or [{}]
    return [value] if isinstance(value, dict) else [{}]


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif not isinstance(value, dict):
        yield value


def _condition_holds(condition: Any, values: list[Any]) -> bool:
    if isinstance(condition, dict) and "exists" in condition:
        return condition["exists"] is bool(values)
    return any(_value_holds(condition, value) for value in values)


def _value_holds(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        return _equal(condition, value)
    [(operator, operand)] = condition.items()
    if operator == "anything-but":
        if isinstance(operand, dict):
            return isinstance(value, str) and not value.startswith(operand["prefix"])
        return not any(_equal(one, value) for one in (operand if isinstance(operand, list) else [operand]))
    if operator == "numeric":
        return _is_number(value) and all(_compares(value, *operand[at : at + 2]) for at in range(0, len(operand), 2))
    if not isinstance(value, str):
        return False
    if operator == "prefix":
        return value.startswith(str(operand))
    if operator == "suffix":
        return value.endswith(str(operand))
    if operator == "equals-ignore-case":
        return value.lower() == str(operand).lower()
    return _in_network(value, operand)


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compares(value: float, operator: str, operand: float) -> bool:
    if operator == "=":
        return value == operand
    if value == operand:
        return operator in ("<=", ">=")
    return (value < operand) is operator.startswith("<")


def _in_network(value: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
