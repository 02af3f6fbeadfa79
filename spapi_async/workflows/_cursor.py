"""Runs a job of many SQL statements on the driver's own cursor, within a transaction of SQLAlchemy.

With SQLAlchemy, each statement has an overhead of about 50 µs, and in SQLite of another 100 µs for the way to the
connection's thread and back. A job is one plain function that executes statements and decides by their results. In
SQLite, all of it runs in that thread; in PostgreSQL, it runs in one greenlet. Connections, transactions and errors
remain those of SQLAlchemy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from spapi_async.workflows._sql import refuses_writes

__all__ = ["Cursor", "run_on_cursor"]

T = TypeVar("T")


class Cursor(Protocol):
    """The part of a cursor (PEP 249) that both drivers have."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the last statement changed."""

    def execute(self, operation: Any, parameters: Any = ..., /) -> Any:
        """Run a statement."""

    def executemany(self, operation: Any, parameters: Sequence[Any], /) -> Any:
        """Run a statement for each row of parameters."""

    def fetchall(self) -> Sequence[Any]:
        """The rows that the last statement returned."""


async def run_on_cursor(connection: AsyncConnection, job: Callable[[Cursor], T]) -> T:
    """Run a job in the open transaction, and return its result.

    Raises:
        DBAPIError: the database refused a statement; the error shows neither the statement nor its parameters.
    """
    dialect = connection.dialect
    try:
        if dialect.name == "sqlite":
            driver: Any = (await connection.get_raw_connection()).driver_connection
            # SQLAlchemy's dialect for aiosqlite uses the same private names: there is no public way to run a function.
            return await driver._execute(_run, driver._conn, job)  # type: ignore[no-any-return]  # noqa: SLF001
        return await connection.run_sync(lambda within: _run(within.connection, job))
    except dialect.loaded_dbapi.Error as error:
        await connection.run_sync(_notice_disconnect, error)
        base = dialect.loaded_dbapi.Error
        raise DBAPIError.instance(None, None, error, base, hide_parameters=True, dialect=dialect) from error
    except Exception:
        raise
    except BaseException:
        await connection.invalidate()  # cancelled during a statement; SQLAlchemy does the same
        raise


def _run(connection: Any, job: Callable[[Cursor], T]) -> T:
    with contextlib.closing(connection.cursor()) as cursor:
        return job(cursor)


def _notice_disconnect(connection: Connection, error: Any) -> None:
    """If the connection is lost, let SQLAlchemy notice: it renews its pool after an error in its own statements."""
    if connection.dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
        with contextlib.suppress(SQLAlchemyError):
            connection.exec_driver_sql("SELECT 1")
    elif refuses_writes(error):
        connection.invalidate(error)
