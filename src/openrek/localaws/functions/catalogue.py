"""Functions and their versions: found, made, changed, published, deleted."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update

from openrek.awsmodel.calls import Params
from openrek.localaws.arns import function_arn
from openrek.localaws.functions.configuration import Configuration
from openrek.localaws.functions.errors import conflict, not_found, other_revision
from openrek.localaws.functions.names import Named, version
from openrek.localaws.schema import function_versions, functions
from openrek.localaws.store import Transaction


@dataclass(frozen=True, slots=True)
class Function:
    """One version of a function as it is now.

    Attributes
    ----------
    id
        Of the function; never used again.
    account, region, name
        Which make its ARN.
    statements, tags
        Of the function's policy; by key.
    published
        Number of the last version that was published.
    number
        Of this version; 0 is `$LATEST`.
    revision, modified_at
        New with every change.
    """

    id: int
    account: str
    region: str
    name: str
    statements: tuple[Params, ...]
    tags: Mapping[str, str]
    published: int
    number: int
    revision: str
    modified_at: int
    configuration: Configuration

    @property
    def arn(self) -> str:
        """The function's ARN, without a version."""
        return function_arn(self.account, self.region, self.name)

    @property
    def log_group(self) -> str:
        """Where its output goes."""
        return self.configuration.log_group or f"/aws/lambda/{self.name}"

    def shaped(self, *, qualified: bool = False) -> Params:
        """The service model's FunctionConfiguration."""
        modified = datetime.fromtimestamp(self.modified_at / 1000, UTC)
        return {
            "FunctionName": self.name,
            "FunctionArn": f"{self.arn}:{version(self.number)}" if self.number or qualified else self.arn,
            **self.configuration.shaped(),
            "LoggingConfig": self.configuration.logging(self.log_group),
            "CodeSha256": base64.b64encode(bytes.fromhex(self.configuration.sha256)).decode(),
            "Version": version(self.number),
            "RevisionId": self.revision,
            "LastModified": f"{modified:%Y-%m-%dT%H:%M:%S}.{self.modified_at % 1000:03d}+0000",
        }


def find(tx: Transaction, account: str, region: str, name: str, number: int = 0) -> Function | None:
    """The version of that number of the function of that name."""
    own = (functions.c.account == account) & (functions.c.region == region) & (functions.c.name == name)
    found = select_versions(tx, own & (function_versions.c.number == number))
    return found[0] if found else None


def by_id(tx: Transaction, function_id: int, number: int) -> Function | None:
    """The version of that number of a function, unless it has been deleted."""
    found = select_versions(tx, (functions.c.id == function_id) & (function_versions.c.number == number))
    return found[0] if found else None


def existing(tx: Transaction, named: Named) -> Function:
    """The version that a request names.

    Raises
    ------
    ServiceError
        There is none.
    """
    function = find(tx, named.account, named.region, named.name, named.number)
    if function is None:
        raise not_found(named.arn)
    return function


def select_versions(tx: Transaction, condition: ColumnElement[bool]) -> list[Function]:
    """The versions for which a condition holds, in the order of names and numbers."""
    rows = tx.sql.execute(
        select(functions, function_versions)
        .join(function_versions, function_versions.c.function_id == functions.c.id)
        .where(condition)
        .order_by(functions.c.name, function_versions.c.number)
    )
    return [_function(row) for row in rows]


def add(tx: Transaction, named: Named, configuration: Configuration, tags: Mapping[str, str]) -> Function:
    """A new function.

    Raises
    ------
    ServiceError
        The name is taken.
    """
    if find(tx, named.account, named.region, named.name) is not None:
        raise conflict(f"Function already exist: {named.name}")
    values: dict[str, Any] = {"account": named.account, "region": named.region, "name": named.name}
    made = tx.sql.execute(insert(functions).values(**values, statements=[], tags=dict(tags), published=0)).inserted_primary_key
    assert made is not None
    _add_version(tx, made[0], 0, configuration)
    return existing(tx, replace(named, number=0))


def change(tx: Transaction, function: Function, configuration: Configuration, revision: str | None) -> Function:
    """Give `$LATEST` another configuration.

    Raises
    ------
    ServiceError
        The request expects another revision than there is.
    """
    check_revision(function, revision)
    values = {"configuration": configuration.dump(), "revision": str(uuid.uuid4()), "modified_at": tx.now}
    of_latest = (function_versions.c.function_id == function.id) & (function_versions.c.number == 0)
    tx.sql.execute(update(function_versions).where(of_latest).values(values))
    changed = by_id(tx, function.id, 0)
    assert changed is not None
    return changed


def publish(tx: Transaction, function: Function, description: str | None = None) -> Function:
    """Make a version of `$LATEST` that never changes; the last one, if nothing has changed since."""
    last = by_id(tx, function.id, function.published) if function.published else None
    configuration = function.configuration
    if description is not None:
        configuration = replace(configuration, description=description)
    if last is not None and replace(last.configuration, description="") == replace(configuration, description=""):
        return last
    number = function.published + 1
    _add_version(tx, function.id, number, configuration)
    tx.sql.execute(update(functions).where(functions.c.id == function.id).values(published=number))
    published = by_id(tx, function.id, number)
    assert published is not None
    return published


def remove(tx: Transaction, function: Function) -> None:
    """Delete a function with its versions and waiting events; of a published version, that version only."""
    if function.number:
        own = (function_versions.c.function_id == function.id) & (function_versions.c.number == function.number)
        tx.sql.execute(delete(function_versions).where(own))
    else:
        tx.sql.execute(delete(functions).where(functions.c.id == function.id))


def keep(tx: Transaction, function: Function, **columns: Any) -> None:
    """Keep other statements or tags."""
    tx.sql.execute(update(functions).where(functions.c.id == function.id).values(**columns))


def renew(tx: Transaction, function: Function) -> None:
    """Give a version another revision id, because its policy has changed."""
    own = (function_versions.c.function_id == function.id) & (function_versions.c.number == function.number)
    tx.sql.execute(update(function_versions).where(own).values(revision=str(uuid.uuid4())))


def check_revision(function: Function, revision: str | None) -> None:
    """Refuse a change if the request expects another revision.

    Raises
    ------
    ServiceError
        It does.
    """
    if revision is not None and revision != function.revision:
        raise other_revision()


def packages_in_use(tx: Transaction) -> set[str]:
    """The digests of the packages that some version needs."""
    rows = tx.sql.execute(select(function_versions.c.configuration)).scalars()
    return {str(configuration["sha256"]) for configuration in rows}


def _add_version(tx: Transaction, function_id: int, number: int, configuration: Configuration) -> None:
    values: dict[str, Any] = {"function_id": function_id, "number": number, "configuration": configuration.dump()}
    tx.sql.execute(insert(function_versions).values(**values, revision=str(uuid.uuid4()), modified_at=tx.now))


def _function(row: Any) -> Function:
    return Function(
        row.id,
        row.account,
        row.region,
        row.name,
        tuple(row.statements),
        row.tags,
        row.published,
        row.number,
        row.revision,
        row.modified_at,
        Configuration.load(row.configuration),
    )
