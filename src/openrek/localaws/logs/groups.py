"""Log groups: found, made, listed, their retention and tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update

from openrek.awsmodel.calls import Caller, Params, ServiceError
from openrek.localaws import pages
from openrek.localaws.arns import log_group_arn, parse_arn
from openrek.localaws.logs.errors import already_exists, invalid, no_such
from openrek.localaws.schema import log_groups
from openrek.localaws.store import Transaction

PAGE = 50
_MOST_TAGS = 50
_RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_PATTERN_SHOWS = ("arn", "creationTime", "logGroupName")


@dataclass(frozen=True, slots=True)
class Group:
    """A log group as it is now.

    Attributes
    ----------
    id
        Never used again.
    account, region, name
        Which make its ARN.
    created_at
        Milliseconds.
    retention_days
        None: as long as the server keeps logs.
    tags
        By key.
    bytes
        Of all its events.
    """

    id: int
    account: str
    region: str
    name: str
    created_at: int
    retention_days: int | None
    tags: Mapping[str, str]
    bytes: int

    @property
    def arn(self) -> str:
        """The group's ARN."""
        return log_group_arn(self.account, self.region, self.name)


def find(tx: Transaction, account: str, region: str, name: str) -> Group | None:
    """The group of that name."""
    found = _found(tx, (log_groups.c.account == account) & (log_groups.c.region == region) & (log_groups.c.name == name))
    return found[0] if found else None


def by_id(tx: Transaction, group_id: int) -> Group | None:
    """The group of that id, unless it has been deleted."""
    found = _found(tx, log_groups.c.id == group_id)
    return found[0] if found else None


def every(tx: Transaction) -> list[Group]:
    """All groups of all accounts and regions."""
    return _found(tx, log_groups.c.id > 0)


def ensure(tx: Transaction, account: str, region: str, name: str) -> Group:
    """The group of that name; made if there is none."""
    group = find(tx, account, region, name)
    if group is None:
        _add(tx, account, region, name, {})
        group = find(tx, account, region, name)
        assert group is not None
    return group


def named(tx: Transaction, caller: Caller, params: Params) -> Group:
    """The caller's group that a request names, by name or by ARN.

    Raises
    ------
    ServiceError
        It names none or both, or there is none.
    """
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid("Exactly one of logGroupName and logGroupIdentifier must be specified")
    group = find(tx, caller.account, caller.region, name if name is not None else _name_of(caller, str(identifier)))
    if group is None:
        raise no_such("log group")
    return group


def create_log_group(tx: Transaction, caller: Caller, params: Params) -> Params:
    """CreateLogGroup."""
    if params.get("kmsKeyId") is not None:
        raise invalid("openrek does not encrypt logs: leave kmsKeyId out")
    if params.get("logGroupClass") not in (None, "STANDARD"):
        raise invalid("openrek has log groups of class STANDARD only")
    if params.get("deletionProtectionEnabled"):
        raise invalid("openrek does not protect log groups: leave deletionProtectionEnabled out")
    if find(tx, caller.account, caller.region, params["logGroupName"]) is not None:
        raise already_exists("log group")
    _add(tx, caller.account, caller.region, params["logGroupName"], params.get("tags") or {})
    return {}


def delete_group_row(tx: Transaction, group_id: int) -> None:
    """Last step of DeleteLogGroup: the group, and what arrived in the meantime."""
    tx.sql.execute(delete(log_groups).where(log_groups.c.id == group_id))


def describe_log_groups(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DescribeLogGroups: in the order of names."""
    prefix, pattern = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
    identifiers = params.get("logGroupIdentifiers")
    if prefix is not None and pattern is not None:
        raise invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    if params.get("includeLinkedAccounts") or params.get("accountIdentifiers"):
        raise invalid("openrek has no linked accounts")
    chosen = None if identifiers is None else {_name_of(caller, identifier) for identifier in identifiers}

    def matches(group: Group) -> bool:
        return (
            group.name.startswith(prefix or "")
            and (pattern is None or pattern in group.name)
            and (chosen is None or group.name in chosen)
            and params.get("logGroupClass") in (None, "STANDARD")
        )

    after = following(params)
    own = (log_groups.c.account == caller.account) & (log_groups.c.region == caller.region) & (log_groups.c.name > after)
    page, token = pages.cut([group for group in _found(tx, own) if matches(group)], params.get("limit") or PAGE, lambda group: group.name)
    shown = [_shaped(group) for group in page]
    if pattern is not None:
        shown = [{name: group[name] for name in _PATTERN_SHOWS} for group in shown]
    return {"logGroups": shown} | ({} if token is None else {"nextToken": token})


def put_retention_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """PutRetentionPolicy."""
    group, days = named(tx, caller, params), params["retentionInDays"]
    if days not in _RETENTIONS:
        raise invalid(f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: {_RETENTIONS}")
    _change(tx, group, retention_days=days)
    return {}


def delete_retention_policy(tx: Transaction, caller: Caller, params: Params) -> Params:
    """DeleteRetentionPolicy."""
    _change(tx, named(tx, caller, params), retention_days=None)
    return {}


def tag_resource(tx: Transaction, caller: Caller, params: Params) -> Params:
    """TagResource: a new value replaces the old one of its key."""
    group = _resource(tx, caller, params["resourceArn"])
    tags = {**group.tags, **params["tags"]}
    if len(tags) > _MOST_TAGS:
        raise ServiceError("TooManyTagsException", f"A log group can have at most {_MOST_TAGS} tags.")
    _change(tx, group, tags=tags)
    return {}


def untag_resource(tx: Transaction, caller: Caller, params: Params) -> Params:
    """UntagResource."""
    group = _resource(tx, caller, params["resourceArn"])
    _change(tx, group, tags={key: value for key, value in group.tags.items() if key not in params["tagKeys"]})
    return {}


def list_tags_for_resource(tx: Transaction, caller: Caller, params: Params) -> Params:
    """ListTagsForResource."""
    return {"tags": dict(_resource(tx, caller, params["resourceArn"]).tags)}


def following(params: Params) -> str:
    """The key after which a page begins.

    Raises
    ------
    ServiceError
        The token is not one of ours.
    """
    if params.get("nextToken") is None:
        return ""
    key = pages.key(params["nextToken"])
    if key is None:
        raise invalid("The specified nextToken is invalid.")
    return key


def _add(tx: Transaction, account: str, region: str, name: str, tags: Mapping[str, str]) -> None:
    values: dict[str, Any] = {"account": account, "region": region, "name": name, "tags": dict(tags)}
    tx.sql.execute(insert(log_groups).values(**values, created_at=tx.now, bytes=0))


def _change(tx: Transaction, group: Group, **columns: Any) -> None:
    tx.sql.execute(update(log_groups).where(log_groups.c.id == group.id).values(**columns))


def _found(tx: Transaction, condition: ColumnElement[bool]) -> list[Group]:
    rows = tx.sql.execute(select(log_groups).where(condition).order_by(log_groups.c.name))
    return [Group(row.id, row.account, row.region, row.name, row.created_at, row.retention_days, row.tags, row.bytes) for row in rows]


def _name_of(caller: Caller, identifier: str) -> str:
    """The name in a name or ARN; that of no group if it belongs to somebody else."""
    if not identifier.startswith("arn:"):
        return identifier
    arn = parse_arn(identifier.removesuffix(":*"))
    if arn is None or arn.service != "logs" or not arn.resource.startswith("log-group:"):
        raise invalid(f"Invalid ARN: {identifier}")
    return arn.resource.removeprefix("log-group:") if (arn.account, arn.region) == (caller.account, caller.region) else ""


def _resource(tx: Transaction, caller: Caller, arn: str) -> Group:
    group = find(tx, caller.account, caller.region, _name_of(caller, arn)) if arn.startswith("arn:") else None
    if group is None:
        raise ServiceError("ResourceNotFoundException", "The specified resource does not exist.")
    return group


def _shaped(group: Group) -> Params:
    shown: Params = {
        "logGroupName": group.name,
        "creationTime": group.created_at,
        "metricFilterCount": 0,
        "arn": f"{group.arn}:*",
        "storedBytes": group.bytes,
        "logGroupClass": "STANDARD",
        "logGroupArn": group.arn,
    }
    if group.retention_days is not None:
        shown["retentionInDays"] = group.retention_days
    return shown
