"""What a person is told when a command fails: one line that says what to do next, no traceback."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from openrek.errors import OpenrekError
from openrek.settings import Settings

FAILED, MISUSED = 1, 2
"""Exit statuses: it did not work, and it was asked in the wrong way."""
_DRIVERS = {"psycopg", "psycopg2"}


def told(error: Exception) -> tuple[Sequence[str], int] | None:
    """Lines and an exit status; None for what nobody foresaw: its traceback is worth a report."""
    match error:
        case OpenrekError():
            return [error.message], FAILED
        case ValidationError():
            return [f"Setting {'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()], MISUSED
        case tomllib.TOMLDecodeError():
            return [f"{Settings.model_config.get('toml_file')} is not TOML: {error}."], MISUSED
        case SQLAlchemyError():
            return [_database(error)], FAILED
        case ModuleNotFoundError() if error.name in _DRIVERS:
            return ["OPENREK_DATABASE: PostgreSQL is postgresql+psycopg://…, and needs: pip install 'openrek[postgres]'"], FAILED
        case OSError() if error.strerror:
            return [f"{error.filename}: {error.strerror}." if error.filename is not None else f"{error.strerror}."], FAILED
        case _:
            return None


def _database(error: SQLAlchemyError) -> str:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].rstrip(".")
    return f"The database cannot be used: {reason}. Look at OPENREK_DATABASE, or at openrek.db and localaws.db in the data folder."
