"""Shared by all databases of workflows: URLs with drivers, engines, and statements that are not interrupted.

SQLite is used through aiosqlite, PostgreSQL through asyncpg.
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
    from sqlalchemy import URL, ExceptionContext, MetaData, event, func, make_url, select
    from sqlalchemy.exc import ArgumentError, DisconnectionError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
    from sqlalchemy.pool import ConnectionPoolEntry, StaticPool
    from sqlalchemy.schema import CreateIndex, CreateTable
except ImportError as error:  # pragma: no cover - tested in a process of its own
    raise ModuleNotFoundError('databases need an extra: pip install "spapi-async[sync]"') from error

__all__ = [
    "MissingDatabaseError",
    "async_url",
    "create_tables",
    "lock_creation",
    "open_engine",
    "probe_sqlite",
    "reason",
    "refuses_writes",
    "to_the_end",
    "without_secrets",
]

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_ASYNCPG_OPTIONS = {
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
_EXTRAS = {
    "aiosqlite": 'SQLite needs an extra: pip install "spapi-async[sync]"',
    "asyncpg": 'PostgreSQL needs an extra: pip install "spapi-async[postgres]"',
}
_BUSY_SECONDS = 30  # how long SQLite waits for another process that is writing
_PING_AFTER_SECONDS = 1.0  # how long a PostgreSQL connection may be idle before it is tested
_READ_ONLY = "25006"  # the SQLSTATE of a server that only reads
_LOCK_POLL_SECONDS = 0.1  # between attempts to open a file that another process has locked
_LONGEST_SECONDS = 90.0  # for one operation of the database
_CREATION_LOCK = 0x5370_6170_6941_7379  # the key of an advisory lock of PostgreSQL

P = ParamSpec("P")
T = TypeVar("T")


class MissingDatabaseError(ConfigurationError):
    """A program that only reads was given a database that does not exist or has no tables yet."""


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
        parsed = _for_asyncpg(parsed)
    return parsed.set(drivername=_DRIVERS[backend])


def _for_asyncpg(url: URL) -> URL:
    """The URL with options of libpq and psycopg, which hosting services put into URLs, replaced by asyncpg's."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    query.pop("channel_binding", None)  # asyncpg uses channel binding if the server offers it
    unknown = sorted(query.keys() - _ASYNCPG_OPTIONS)
    if unknown:
        raise ConfigurationError(
            f"the database URL has {', '.join(unknown)}, which asyncpg does not support; it supports "
            f"{', '.join(sorted(_ASYNCPG_OPTIONS | {'sslmode'}))}"
        )
    return url.set(query=query)


def to_the_end(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorates a database operation, which is then completed before a cancellation takes effect, within 90 seconds.

    If a statement of aiosqlite is cancelled under SQLAlchemy, it leaves a task or thread that never ends, and the
    process waits for it: Ctrl-C would hang. anyio's shields stop only anyio's own cancellations, and Ctrl-C is
    asyncio's, so the operation runs in a task of its own.
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
            work.exception()  # otherwise asyncio would log that it was never retrieved
            raise cancelled
        return work.result()

    return finished


def without_secrets(url: str) -> str:
    """The URL as the user wrote it, without passwords, which may also be in its query."""
    parsed = make_url(url)
    query = {name: "***" if "pass" in name.lower() else value for name, value in parsed.query.items()}
    return parsed.set(query=query).render_as_string(hide_password=True)


def open_engine(url: URL, *, read_only: bool = False) -> AsyncEngine:
    """An engine. SQLite waits for other processes, and idle PostgreSQL connections are tested before use.

    Connections to a PostgreSQL server that refuses to write are not used again. In a failover the address may lead to a
    replica for a while, and such a connection would stay in the pool.

    With ``read_only`` an SQLite file, which may be another program's, keeps its journal mode.
    """
    # hide_parameters: they contain personal data, and SQLAlchemy's errors would show them.
    if url.get_backend_name() != "sqlite":
        engine = create_async_engine(url, hide_parameters=True)
        event.listen(engine.sync_engine, "checkin", _note_idle)
        event.listen(engine.sync_engine, "checkout", _test_if_idle)
        event.listen(engine.sync_engine, "handle_error", _part_with_replica)
        return engine
    options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS}, "hide_parameters": True}
    if url.database in (None, "", ":memory:"):
        options["poolclass"] = StaticPool  # each connection to :memory: would be a database of its own
    engine = create_async_engine(url, **options)
    if not read_only:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _note_idle(_: Any, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _test_if_idle(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
    """Test a connection that was idle for a while; this takes three round trips, too many to do it at every use.

    Raises:
        DisconnectionError: the connection is lost; the pool opens another.
    """
    if time.monotonic() - record.info.get("idle_since", math.inf) > _PING_AFTER_SECONDS:
        try:
            connection.ping()
        except Exception as error:
            raise DisconnectionError from error


def _part_with_replica(context: ExceptionContext) -> None:
    """Let SQLAlchemy renew its pool, as after a restart of the server."""
    if refuses_writes(context.original_exception):
        context.is_disconnect = True


def refuses_writes(error: BaseException) -> bool:
    """Whether the driver's error says that the server only reads."""
    return getattr(error, "sqlstate", None) == _READ_ONLY


def probe_sqlite(engine: AsyncEngine, *, create: bool = True, read_only: bool = False) -> None:
    """Open the file once without aiosqlite, which leaves a thread behind if the file cannot be opened.

    Raises:
        MissingDatabaseError: there is no such file, and ``create`` is False.
    """
    path = engine.url.database
    if path and path != ":memory:" and not path.startswith("file:"):
        if create:
            _create_privately(path)
        elif not os.path.exists(path):  # noqa: PTH110 - a Path of "" is the folder
            raise MissingDatabaseError(f"there is no database file {path}")
    arguments, options = engine.dialect.create_connect_args(engine.url)
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    connection = connect(*arguments, **{**options, "timeout": _BUSY_SECONDS})
    give_up_at = time.monotonic() + _BUSY_SECONDS
    try:
        while True:
            try:
                connection.execute("PRAGMA schema_version" if read_only else "PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                # If the file is new, SQLite reports the lock at once, whatever its timeout is.
                if "locked" not in str(error) or time.monotonic() >= give_up_at:
                    raise
                time.sleep(_LOCK_POLL_SECONDS)
            else:
                return
    finally:
        connection.close()


def _create_privately(path: str) -> None:
    """Create a file that only its owner can read, whatever the umask; SQLite's journal gets the same permissions."""
    with contextlib.suppress(OSError):  # it exists, or cannot be created: then connecting will say why
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # Readers (a dashboard, sqlite3 on the command line) and the writer do not block each other.
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted may be personal data
    cursor.close()


async def create_tables(connection: AsyncConnection, metadata: MetaData) -> None:
    """Create missing tables and indexes; other processes may be doing the same."""
    await lock_creation(connection)
    for table in metadata.sorted_tables:
        await connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            await connection.execute(CreateIndex(index, if_not_exists=True))


async def lock_creation(connection: AsyncConnection) -> None:
    """Prevent other processes from creating or changing tables until the transaction ends."""
    if connection.dialect.name == "postgresql":
        # Even with IF NOT EXISTS, PostgreSQL fails if another transaction has created the table and not committed yet.
        await connection.execute(select(func.pg_advisory_xact_lock(_CREATION_LOCK)))
    else:
        await connection.exec_driver_sql("BEGIN IMMEDIATE")


def reason(error: BaseException) -> str:
    """The first line of the driver's message, without the statement and the link that SQLAlchemy adds."""
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        return _EXTRAS[error.name]
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
