"""What every database of a workflow needs: a URL with its driver, an engine, and statements that end.

SQLite through aiosqlite, PostgreSQL through asyncpg.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
import sqlite3
import time
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import anyio

from spapi_async.errors import ConfigurationError

try:
    from sqlalchemy import URL, MetaData, event, func, make_url, select
    from sqlalchemy.exc import ArgumentError, DisconnectionError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
    from sqlalchemy.pool import ConnectionPoolEntry, StaticPool
    from sqlalchemy.schema import CreateIndex, CreateTable
except ModuleNotFoundError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('databases need an extra: pip install "spapi-async[sync]"') from error

__all__ = [
    "MissingDatabaseError",
    "async_url",
    "create_tables",
    "lock_creation",
    "open_engine",
    "probe_sqlite",
    "reason",
    "to_the_end",
    "without_secrets",
]

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_ASYNCPG_TAKES = {
    "command_timeout",
    "direct_tls",
    "host",
    "passfile",
    "password",
    "port",
    "prepared_statement_cache_size",
    "ssl",
    "statement_cache_size",
    "target_session_attrs",
    "timeout",
    "user",
}
_BUSY_SECONDS = 30  # how long SQLite waits for another process that writes
_RESTED = 1.0  # seconds after which a connection of PostgreSQL's may have been cut unnoticed
_LOOK_AGAIN = 0.1  # seconds between looks at a file that another process has locked
_LONGEST_SECONDS = 90.0  # for anything asked of the database
_CREATING = 0x5370_6170_6941_7379  # an advisory lock of our own

P = ParamSpec("P")
T = TypeVar("T")


class MissingDatabaseError(ConfigurationError):
    """A program that only reads was given a database that nobody has written to."""


def async_url(url: str) -> URL:
    """The URL with the asyncio driver of its database.

    Raises:
        ConfigurationError: not a database URL, or a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError("the database must be a URL such as sqlite:///orders.db") from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise ConfigurationError(f"database {backend!r} is not supported; use sqlite:///FILE or postgresql://HOST/NAME")
    if backend != "sqlite":
        parsed = _as_asyncpg_has_it(parsed)
    return parsed.set(drivername=_DRIVERS[backend])


def _as_asyncpg_has_it(url: URL) -> URL:
    """What libpq and psycopg take in a URL's query, in asyncpg's words; hosting services hand out URLs with them."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    query.pop("channel_binding", None)  # asyncpg binds where the server offers it
    unknown = sorted(query.keys() - _ASYNCPG_TAKES)
    if unknown:
        raise ConfigurationError(
            f"the database URL has {', '.join(unknown)}, which asyncpg does not take; it takes "
            f"{', '.join(sorted(_ASYNCPG_TAKES | {'sslmode'}))}"
        )
    return url.set(query=query)


def to_the_end(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Finish what is asked of the database before a cancellation is heard, within reason.

    A statement of aiosqlite's that is cancelled under SQLAlchemy leaves a task or a thread behind that never ends, and
    the process waits for it: Ctrl-C would hang. A shield of anyio's keeps off its own cancellations only, and Ctrl-C is
    asyncio's, so the work has a task of its own.
    """

    @functools.wraps(method)
    async def finished(*arguments: P.args, **options: P.kwargs) -> T:
        work = asyncio.create_task(method(*arguments, **options))
        cancelled: asyncio.CancelledError | None = None
        give_up_at = time.monotonic() + _LONGEST_SECONDS
        with anyio.CancelScope(shield=True):
            while not work.done():
                try:
                    await asyncio.wait([work], timeout=give_up_at - time.monotonic())
                except asyncio.CancelledError as error:
                    cancelled = error
                if time.monotonic() >= give_up_at and not work.done():
                    work.cancel()
                    raise TimeoutError(f"the database did not answer within {_LONGEST_SECONDS:.0f} s")
        if cancelled is not None:
            work.exception()  # nobody will hear of it
            raise cancelled
        return work.result()

    return finished


def without_secrets(url: str) -> str:
    """The URL as its user wrote it, but for passwords, which may stand in its query too."""
    parsed = make_url(url)
    query = {name: "***" if "pass" in name.lower() else value for name, value in parsed.query.items()}
    return parsed.set(query=query).render_as_string(hide_password=True)


def open_engine(url: URL) -> AsyncEngine:
    """An engine whose SQLite waits for other processes and whose PostgreSQL connections are tried before use."""
    if url.get_backend_name() != "sqlite":
        engine = create_async_engine(url, hide_parameters=True)
        event.listen(engine.sync_engine, "checkin", _rest)
        event.listen(engine.sync_engine, "checkout", _try_after_a_rest)
        return engine
    # Parameters are rows with buyers in them, and SQLAlchemy's errors would show them.
    options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS}, "hide_parameters": True}
    if url.database in (None, "", ":memory:"):
        options["poolclass"] = StaticPool  # each connection to :memory: would be a database of its own
    engine = create_async_engine(url, **options)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _rest(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = time.monotonic()


def _try_after_a_rest(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Try a connection that was not used for a while: three round trips, too many for each of many pages in a row.

    Raises:
        DisconnectionError: it is gone; the pool opens another.
    """
    if time.monotonic() - record.info.get("rests_since", math.inf) > _RESTED:
        try:
            connection.ping()
        except Exception as error:
            raise DisconnectionError from error


def probe_sqlite(engine: AsyncEngine, *, create: bool = True) -> None:
    """Fail here on a file that cannot be opened; aiosqlite would leave a thread that complains to a closed loop.

    Raises:
        MissingDatabaseError: there is no such file, and it is not to be made.
    """
    path = engine.url.database
    if path and path != ":memory:" and not path.startswith("file:"):
        if create:
            _create_privately(path)
        elif not os.path.exists(path):  # noqa: PTH110 - a Path of "" is the folder
            raise MissingDatabaseError(f"there is no database file {path}")
    arguments, options = engine.dialect.create_connect_args(engine.url)
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    connection = connect(*arguments, **{**options, "timeout": _BUSY_SECONDS})  # what the engine's connections wait
    give_up_at = time.monotonic() + _BUSY_SECONDS
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # Of a new file SQLite says so at once, whatever its timeout is.
                if "locked" not in str(error) or time.monotonic() >= give_up_at:
                    raise
                time.sleep(_LOOK_AGAIN)
            else:
                return
    finally:
        connection.close()


def _create_privately(path: str) -> None:
    """A new file of orders is its owner's alone, whatever the umask; its journal gets the same permissions."""
    with contextlib.suppress(OSError):  # it is there, or cannot be made: then connecting says why
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # Readers (a dashboard, sqlite3 on the command line) and the writer do not block each other.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted may be personal data
    cursor.close()


async def create_tables(connection: AsyncConnection, metadata: MetaData) -> None:
    """Make what is missing; other processes may be doing the same."""
    await lock_creation(connection)
    for table in metadata.sorted_tables:
        await connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            await connection.execute(CreateIndex(index, if_not_exists=True))


async def lock_creation(connection: AsyncConnection) -> None:
    """Be the only one that makes or changes tables, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        # PostgreSQL's IF NOT EXISTS still collides with a transaction that has not committed: one at a time.
        await connection.execute(select(func.pg_advisory_xact_lock(_CREATING)))
    else:
        await connection.exec_driver_sql("BEGIN IMMEDIATE")


def reason(error: BaseException) -> str:
    """The first line of what the driver said; SQLAlchemy adds the statement and a link."""
    if isinstance(error, ModuleNotFoundError) and error.name == "asyncpg":
        return 'PostgreSQL needs an extra: pip install "spapi-async[postgres]"'
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
