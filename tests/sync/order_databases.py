"""Fixtures: a database of each kind, empty; and what an emulator holds, to compare with what a sync stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from servers import postgres_server, postgres_url

from spapi_async.emulator.server import Emulator

__all__ = [
    "CREDENTIALS",
    "REFRESH_TOKEN",
    "database_url",
    "emulated_orders",
    "postgres_server",
    "postgres_url",
    "query",
    "sqlite_url",
    "stored_orders",
]

REFRESH_TOKEN = "Atzr|sync-tests"
CREDENTIALS = {
    "LWA_APP_ID": "amzn1.application-oa2-client.tests",
    "LWA_CLIENT_SECRET": "a-made-up-secret",
    "SP_API_REFRESH_TOKEN": REFRESH_TOKEN,
    "SP_API_REGION": "NA",
}


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that is this test's alone."""
    return f"sqlite:///{tmp_path / 'orders.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The same test on either database."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


def emulated_orders(emulator: Emulator) -> dict[str, int]:
    """Every order of every seller the emulator has seen, with its number of items."""
    return {order.order_id: len(order.lines) for book in _books(emulator) for order in book.since(0)}


def stored_orders(url: str) -> dict[str, int]:
    """Every order in a SQLite file, with its number of items, read without the code under test."""
    query = (
        "SELECT o.order_id, (SELECT count(*) FROM order_items i WHERE i.order_id = o.order_id) FROM orders o"
        " UNION ALL SELECT 'stray ' || order_id, 0 FROM order_items WHERE order_id NOT IN (SELECT order_id FROM orders)"
    )
    with closing(_open(url)) as connection:
        return dict(connection.execute(query).fetchall())


def query(url: str, statement: str) -> list[Any]:
    """Rows of a SQLite file."""
    with closing(_open(url)) as connection:
        return connection.execute(statement).fetchall()


def _open(url: str) -> sqlite3.Connection:
    return sqlite3.connect(url.removeprefix("sqlite:///"))


def _books(emulator: Emulator) -> Iterator[Any]:
    for seller in emulator._world.sellers:
        yield seller.orders
