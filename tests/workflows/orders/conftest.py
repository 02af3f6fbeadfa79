"""Databases that have the tables of a sync already, empty: making the tables takes longer than most tests do.

In this folder they replace the fixtures of ``sync_fixtures``, whose databases have no tables. A test that makes or
alters tables asks for ``new_database_url``: what it does to them would be there for the next test.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from servers import PostgresServer

from spapi_async.workflows.orders import OrderDatabase
from spapi_async.workflows.orders._database import async_url
from spapi_async.workflows.orders._tables import metadata


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to be copied."""
    path = tmp_path_factory.mktemp("orders") / "orders.db"
    _make_tables(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(new_sqlite_url: str, sqlite_with_tables: Path) -> str:
    """A SQLite file that is this test's alone."""
    path = new_sqlite_url.removeprefix("sqlite:///")
    shutil.copy(sqlite_with_tables, path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE change_feed SET database_id = ?", [secrets.token_hex(8)])
    return new_sqlite_url


@pytest.fixture(scope="session")
def postgres_with_tables(postgres_server: PostgresServer) -> Iterator[str]:
    """A database to be emptied."""
    with postgres_server.empty_database() as url:
        _make_tables(url)
        yield url


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_with_tables: str) -> str:
    """A PostgreSQL database that is this test's alone."""
    deletions = "".join(f"DELETE FROM {table.name};" for table in metadata.sorted_tables)
    identity = f"INSERT INTO change_feed VALUES ('{secrets.token_hex(8)}', 0, 0);"
    postgres_server.run_alone(str(async_url(postgres_with_tables).database), deletions + identity)
    return postgres_with_tables


def _make_tables(url: str) -> None:
    """Open a database once."""

    async def make() -> None:
        async with OrderDatabase(url):
            pass

    asyncio.run(make())
