"""URLs as hosting services provide them, and files that another process has locked."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from spapi_async import ConfigurationError
from spapi_async.workflows import _sql
from spapi_async.workflows.journal import Journal
from spapi_async.workflows.orders import OrderDatabase, _database

pytest_plugins = ("sync_fixtures",)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sslmode=require", {"ssl": "require"}),
        ("sslmode=verify-full&channel_binding=require", {"ssl": "verify-full"}),
        ("ssl=prefer&command_timeout=5", {"ssl": "prefer", "command_timeout": "5"}),
        ("host=/run/postgresql", {"host": "/run/postgresql"}),
    ],
)
def test_a_url_of_libpq_is_understood(query: str, expected: dict[str, str]) -> None:
    """Asyncpg has other names for the same options, and raises TypeError for unknown ones."""
    assert dict(_database.async_url(f"postgresql://user:PW@db/name?{query}").query) == expected


def test_unsupported_url_options_are_refused_by_name() -> None:
    """The error does not show the rest of the URL, which holds a password."""
    with pytest.raises(ConfigurationError, match="has sslrootcert, which asyncpg does not support") as caught:
        OrderDatabase("postgresql://user:PW@db/name?sslrootcert=ca.pem&sslmode=require")
    assert "PW" not in str(caught.value)


@pytest.mark.parametrize("make", [OrderDatabase, Journal])
async def test_a_reader_creates_no_database(make: Any, tmp_path: Path) -> None:
    """A misspelt name is an error, also the next time."""
    path = tmp_path / "misspelt.db"
    with pytest.raises(ConfigurationError, match=r"there is no database file .*misspelt\.db"):
        await make(f"sqlite:///{path}", create=False).open()
    assert not path.exists()


@pytest.mark.parametrize("make", [OrderDatabase, Journal])
async def test_a_reader_refuses_a_database_of_another_program(make: Any, new_database_url: str) -> None:
    """It does not change, in either kind of database."""
    if new_database_url.startswith("sqlite"):
        sqlite3.connect(new_database_url.removeprefix("sqlite:///")).execute(
            "CREATE TABLE other (a)"
        ).connection.close()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"no order tables|no table of runs"):
            await make(new_database_url, create=False).open()
    async with make(new_database_url):
        pass
    async with make(new_database_url, create=False):  # now it has the tables
        pass


async def test_a_new_file_that_is_locked_for_a_while_is_waited_for(tmp_path: Path) -> None:
    """An existing one is, too; SQLite itself would fail at once."""
    path = tmp_path / "orders.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    opening = asyncio.create_task(OrderDatabase(f"sqlite:///{path}").open())
    await asyncio.sleep(0.3)
    assert not opening.done()
    holder.execute("ROLLBACK")
    holder.close()
    await (await opening).close()


async def test_a_file_that_stays_locked_is_a_database_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line ends with the code of a failed database."""
    monkeypatch.setattr(_sql, "_BUSY_SECONDS", 0.2)
    path = tmp_path / "orders.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises((sqlite3.OperationalError, OperationalError), match="database is locked"):
            await OrderDatabase(f"sqlite:///{path}").open()
    finally:
        holder.close()
