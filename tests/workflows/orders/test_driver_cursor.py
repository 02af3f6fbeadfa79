"""A job on the driver's own cursor: in the transaction of its connection, with SQLAlchemy's errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from spapi_async.workflows._cursor import Cursor, run_on_cursor
from spapi_async.workflows._sql import async_url, open_engine

pytest_plugins = ("sync_fixtures",)


@asynccontextmanager
async def engine_of(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine with an empty table of numbers."""
    engine = open_engine(async_url(url))
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE numbers (number integer PRIMARY KEY)")
    try:
        yield engine
    finally:
        await engine.dispose()


def insert_one(cursor: Cursor) -> int:
    """Insert one number, and return how many rows that changed."""
    cursor.execute("INSERT INTO numbers VALUES (1)")
    return cursor.rowcount


async def stored(engine: AsyncEngine) -> int:
    """How many numbers were committed."""
    async with engine.connect() as connection:
        return int((await connection.exec_driver_sql("SELECT count(*) FROM numbers")).scalar_one())


async def test_a_job_is_part_of_the_transaction(new_database_url: str) -> None:
    """Its changes are committed or rolled back with it."""
    async with engine_of(new_database_url) as engine:
        async with engine.connect() as connection:
            assert await run_on_cursor(connection, insert_one) == 1
            await connection.rollback()
        assert await stored(engine) == 0
        async with engine.begin() as connection:
            await run_on_cursor(connection, insert_one)
            assert (await connection.exec_driver_sql("SELECT number FROM numbers")).all() == [(1,)]
        assert await stored(engine) == 1


async def test_a_refused_statement_is_sqlalchemys_error(new_database_url: str) -> None:
    """Its parameters, which may be personal data, are not shown; the transaction is rolled back."""
    async with engine_of(new_database_url) as engine:

        def insert_twice(cursor: Cursor) -> None:
            insert_one(cursor)
            insert_one(cursor)

        with pytest.raises(DBAPIError) as caught:
            async with engine.begin() as connection:
                await run_on_cursor(connection, insert_twice)
        assert type(caught.value).__name__ == "IntegrityError"
        assert caught.value.params is None
        assert await stored(engine) == 0


async def test_an_error_of_the_job_itself_is_raised_unchanged(new_database_url: str) -> None:
    """Earlier changes of the job are rolled back."""
    async with engine_of(new_database_url) as engine:

        def fail(cursor: Cursor) -> None:
            insert_one(cursor)
            raise LookupError

        with pytest.raises(LookupError):
            async with engine.begin() as connection:
                await run_on_cursor(connection, fail)
        assert await stored(engine) == 0


async def test_a_connection_that_is_cut_is_not_used_again(new_postgres_url: str) -> None:
    """The pool opens another at once, also instead of older ones, since the server may have restarted."""
    async with engine_of(new_postgres_url) as engine:
        async with engine.connect() as one, engine.connect() as other:
            pids = {(await each.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one() for each in (one, other)}
        with pytest.raises(DBAPIError):
            async with engine.begin() as connection:
                await run_on_cursor(
                    connection, lambda cursor: cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
                )
        async with engine.connect() as one, engine.connect() as other:
            now = {(await each.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one() for each in (one, other)}
        assert not pids & now


async def write_in_vain(engine: AsyncEngine, *, is_own_cursor: bool) -> None:
    """Write as to a server that only reads."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        if is_own_cursor:
            await run_on_cursor(connection, insert_one)
        else:
            await connection.exec_driver_sql("CREATE TABLE refused (id int)")


@pytest.mark.parametrize("is_own_cursor", [True, False])
async def test_a_connection_to_a_server_that_only_reads_is_not_used_again(
    new_postgres_url: str, is_own_cursor: bool
) -> None:
    """In a failover the address may lead to a replica for a while, whose connection would stay in the pool."""
    async with engine_of(new_postgres_url) as engine:
        async with engine.connect() as connection:
            before = (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
        with pytest.raises(DBAPIError, match="read-only"):
            await write_in_vain(engine, is_own_cursor=is_own_cursor)
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one() != before


async def test_a_connection_that_a_cancellation_cut_off_is_not_used_again(new_database_url: str) -> None:
    """Its statement may still be running."""
    async with engine_of(new_database_url) as engine:

        def linger(cursor: Cursor) -> None:
            insert_one(cursor)
            if engine.dialect.name == "sqlite":
                time.sleep(0.2)
            else:
                cursor.execute("SELECT pg_sleep(30)")

        async with engine.connect() as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await run_on_cursor(connection, linger)
            assert connection.invalidated
        assert await stored(engine) == 0
