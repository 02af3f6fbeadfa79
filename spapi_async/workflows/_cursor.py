"""The driver's own cursor, within a transaction of SQLAlchemy's: for a job of many statements that are text already.

By way of SQLAlchemy a statement costs some 50 µs beside its work, and in SQLite 100 more for the way to the
connection's thread and back. A job here is one plain function of statements and of decisions on what they return. In
SQLite the whole of it runs in that thread; in PostgreSQL it runs in one greenlet, which waits where the driver does.
Connections, transactions and errors stay SQLAlchemy's.
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
    """What both drivers' cursors have (PEP 249)."""

    @property
    def rowcount(self) -> int:
        """Rows that the last statement changed."""

    def execute(self, operation: Any, parameters: Any = ..., /) -> Any:
        """Run a statement."""

    def executemany(self, operation: Any, parameters: Sequence[Any], /) -> Any:
        """Run a statement for each row of parameters."""

    def fetchall(self) -> Sequence[Any]:
        """The rows that the last statement returned."""


async def run_on_cursor(connection: AsyncConnection, job: Callable[[Cursor], T]) -> T:
    """Run a job in the transaction that is open, and return what it returns.

    Raises:
        DBAPIError: the database refused a statement; neither the statement nor its parameters are shown.
    """
    dialect = connection.dialect
    try:
        if dialect.name == "sqlite":
            driver: Any = (await connection.get_raw_connection()).driver_connection
            # SQLAlchemy's dialect for aiosqlite reaches into it likewise: there is no public way to run a function.
            return await driver._execute(_run, driver._conn, job)  # type: ignore[no-any-return]  # noqa: SLF001
        return await connection.run_sync(lambda within: _run(within.connection, job))
    except dialect.loaded_dbapi.Error as error:
        await connection.run_sync(_notice_disconnect, error)
        base = dialect.loaded_dbapi.Error
        raise DBAPIError.instance(None, None, error, base, hide_parameters=True, dialect=dialect) from error
    except Exception:
        raise
    except BaseException:
        await connection.invalidate()  # cut off in the middle of a statement, as SQLAlchemy does with its own
        raise


def _run(connection: Any, job: Callable[[Cursor], T]) -> T:
    with contextlib.closing(connection.cursor()) as cursor:
        return job(cursor)


def _notice_disconnect(connection: Connection, error: Any) -> None:
    """Where the connection is gone, let SQLAlchemy find out: it renews its pool on an error of its own statements."""
    if connection.dialect.is_disconnect(error, connection.connection.dbapi_connection, None):
        with contextlib.suppress(SQLAlchemyError):
            connection.exec_driver_sql("SELECT 1")
