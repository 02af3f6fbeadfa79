"""What an emulator holds and what a database holds, each read without the code under test."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from spapi_async.emulator.server import Emulator

REFRESH_TOKEN = "Atzr|sync-tests"
CREDENTIALS = {
    "LWA_APP_ID": "amzn1.application-oa2-client.tests",
    "LWA_CLIENT_SECRET": "a-made-up-secret",
    "SP_API_REFRESH_TOKEN": REFRESH_TOKEN,
    "SP_API_REGION": "NA",
}


def emulated_orders(emulator: Emulator) -> dict[str, int]:
    """Every order of every seller the emulator has seen, with its number of items."""
    return {order.order_id: len(order.lines) for book in _books(emulator) for order in book.since(0)}


def emulated_versions(emulator: Emulator) -> dict[str, int]:
    """When each of them was updated last, in whole seconds since the epoch."""
    return {order.order_id: int(order.updated) for book in _books(emulator) for order in book.since(0)}


def stored_versions(url: str) -> dict[str, int]:
    """The same of a SQLite file."""
    return dict(query(url, "SELECT order_id, CAST(strftime('%s', last_updated_at) AS INTEGER) FROM orders"))


def stored_orders(url: str) -> dict[str, int]:
    """Every order in a SQLite file, with its number of items, read without the code under test."""
    query = (
        "SELECT o.order_id, (SELECT count(*) FROM order_items i WHERE i.order_id = o.order_id) FROM orders o"
        " UNION ALL SELECT 'stray ' || order_id, 0 FROM order_items WHERE order_id NOT IN (SELECT order_id FROM orders)"
    )
    with closing(_open(url)) as connection:
        return dict(connection.execute(query).fetchall())


def coarse_orders(url: str) -> int:
    """How many orders in a SQLite file are stored without their details."""
    return int(query(url, "SELECT count(*) FROM orders WHERE detail = 'report'")[0][0])


def query(url: str, statement: str) -> list[Any]:
    """Rows of a SQLite file; a change is committed."""
    with closing(_open(url)) as connection, connection:
        return connection.execute(statement).fetchall()


def _open(url: str) -> sqlite3.Connection:
    return sqlite3.connect(url.removeprefix("sqlite:///"))


def _books(emulator: Emulator) -> Iterator[Any]:
    for seller in emulator.world.sellers:
        yield seller.orders
