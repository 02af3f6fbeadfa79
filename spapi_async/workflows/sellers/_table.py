"""Reads the sellers of a directory from a table."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from spapi_async.errors import ConfigurationError

try:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('a table of sellers needs an extra: pip install "spapi-async[sync]"') from error

from spapi_async.workflows._sql import async_url, open_engine, probe_sqlite, reason, to_the_end, without_secrets

__all__ = ["read_table"]


@to_the_end
async def read_table(url: str, table: str) -> list[Mapping[str, Any]]:
    """The rows of a table; ``table`` must be a valid name.

    Raises:
        ConfigurationError: the database does not exist, cannot be reached, or has no such table.
    """
    try:
        engine = open_engine(async_url(url), read_only=True)
        try:
            if engine.dialect.name == "sqlite":
                probe_sqlite(engine, create=False, read_only=True)
            async with engine.connect() as connection:
                rows = await connection.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - the name is valid
                return [dict(row) for row in rows.mappings()]
        finally:
            await engine.dispose()
    except (SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        raise ConfigurationError(
            f"cannot read the sellers from table {table} of {without_secrets(url)}: {reason(error)}"
        ) from error
