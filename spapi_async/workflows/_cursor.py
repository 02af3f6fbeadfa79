"""Runs a job of many textual statements on the driver's own cursor, within a transaction of SQLAlchemy.

A statement through SQLAlchemy costs some 50 µs in addition to its work, and with SQLite 100 µs more to reach the
connection's thread and return. A job is a plain function that executes statements and decides on their results. With
SQLite the whole job runs in the connection's thread; with PostgreSQL it runs in one greenlet, which waits for the
driver. Connections, transactions and errors remain SQLAlchemy's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["Cursor", "run_on_cursor"]

T = TypeVar("T")


class Cursor(Protocol):
    """The methods that the cursors of both drivers have (PEP 249)."""

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
    """Run a job in the open transaction and return its result.

    Raises:
        DBAPIError: the database refused a statement; the error shows neither the statement nor its parameters.
    """
    dialect = connection.dialect
    try:
        if dialect.name == "sqlite":
            driver: Any = (await connection.get_raw_connection()).driver_connection
            # As SQLAlchemy's dialect for aiosqlite does: there is no public way to run a function in its thread.
            return await driver._execute(_run, driver._conn, job)  # type: ignore[no-any-return]  # noqa: SLF001
        return await connection.run_sync(lambda within: _run(within.connection, job))
    except dialect.loaded_dbapi.Error as error:
        await connection.run_sync(_notice_disconnect, error)
        base = dialect.loaded_dbapi.Error
        raise DBAPIError.instance(None, None, error, base, hide_parameters=True, dialect=dialect) from error
    except Exception:
        raise
    except BaseException:
        await connection.invalidate()  # interrupted during a statement; SQLAlchemy does the same with its own
        raise


def _run(connection: Any, job: Callable[[Cursor], T]) -> T:
    with contextlib.closing(connection.cursor()) as cursor:
        return job(cursor)


def _notice_disconnect(connection: Connection, error: Any) -> None:
    """If the connection is lost, make SQLAlchemy notice, which renews its pool only if its own statement fails."""
    if connection.dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
        with contextlib.suppress(SQLAlchemyError):
            connection.exec_driver_sql("SELECT 1")
