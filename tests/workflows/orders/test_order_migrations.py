"""Databases of earlier versions are migrated, those of later versions refused."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from datetime import UTC, datetime
from typing import Any

import anyio
import msgspec
import pytest
import warm_python
from sqlalchemy import Column, Connection, Integer, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlalchemy.ext.asyncio import create_async_engine

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders import Checkpoint, OrderDatabase, OrderPage, PersonalKeys
from spapi_async.workflows.orders._database import async_url
from spapi_async.workflows.orders._rows import V2026
from spapi_async.workflows.orders._tables import metadata

pytest_plugins = ("sync_fixtures",)

NOW = datetime(2026, 2, 1, tzinfo=UTC)
WHOLE = {
    "orderId": "1",
    "lastUpdatedTime": "2026-01-01T00:00:00Z",
    "fulfillment": {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "AMAZON"},
    "buyer": {"buyerName": "MARK"},
    "packages": [{"packageReferenceId": "p", "shipTime": "2099-01-01T00:00:00Z"}],
    "orderItems": [{"orderItemId": "i", "quantityOrdered": 2, "product": {"title": "a\0b"}}],
}
V0 = {
    "AmazonOrderId": "2",
    "OrderStatus": "Canceled",
    "FulfillmentChannel": "MFN",
    "LastUpdateDate": "2026-01-02T00:00:00Z",
}
V0_ITEM = {"OrderItemId": "j", "QuantityOrdered": 1}

TABLES = """
CREATE TABLE orders (order_id TEXT NOT NULL PRIMARY KEY,
    seller TEXT NOT NULL,
    marketplace_id TEXT,
    status TEXT,
    fulfilled_by TEXT,
    sales_channel TEXT,
    created_at {time},
    last_updated_at {time},
   total_amount {money},
    total_currency TEXT,
    items INTEGER NOT NULL,
    source TEXT NOT NULL,
    synced_at {time} NOT NULL,
    payload TEXT NOT NULL);
CREATE INDEX orders_by_seller_and_update ON orders (seller, last_updated_at);
CREATE TABLE order_items (order_id TEXT NOT NULL,
    order_item_id TEXT NOT NULL,
    asin TEXT,
    seller_sku TEXT,
    title TEXT,
    quantity_ordered INTEGER,
    quantity_shipped INTEGER,
    price_amount {money},
    price_currency TEXT,
    payload TEXT NOT NULL,
    PRIMARY KEY (order_id, order_item_id));
CREATE INDEX order_items_by_sku ON order_items (seller_sku);
CREATE TABLE checkpoints (seller TEXT NOT NULL,
    stream TEXT NOT NULL,
    last_updated_after {time} NOT NULL,
    upper_bound {time},
    cursor TEXT,
    cursor_at {time},
    updated_at {time} NOT NULL,
    PRIMARY KEY (seller, stream));
CREATE TABLE unreadable (seller TEXT NOT NULL,
    digest TEXT NOT NULL,
    stream TEXT NOT NULL,
    reason TEXT NOT NULL,
    request_id TEXT,
    size INTEGER NOT NULL,
    seen_at {time} NOT NULL,
    PRIMARY KEY (seller, digest));
CREATE TABLE quota_states (application TEXT NOT NULL,
    account TEXT NOT NULL,
    saved_at {time} NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (application, account));
INSERT INTO orders (order_id, seller, status, fulfilled_by, last_updated_at, items, source, synced_at, payload)
VALUES ('1', 's', 'SHIPPED', 'AMAZON', '2026-01-01 00:00:00.000000{zone}', 1, 'orders_2026_01_01',
    '2026-01-05 00:00:00.000000{zone}', '{whole}'),
    ('2', 's', 'Canceled', 'MFN', '2026-01-02 00:00:00.000000{zone}', 1, 'orders_v0',
    '2026-01-05 00:00:00.000000{zone}', '{v0}');
INSERT INTO order_items (order_id, order_item_id, quantity_ordered, payload)
VALUES ('1', 'i', 2, '{item}'),
    ('2', 'j', 1, '{v0_item}');
INSERT INTO checkpoints (seller, stream, last_updated_after, updated_at)
VALUES ('s', 'orders_2026_01_01', '2026-01-05 00:00:00.000000{zone}', '2026-01-05 00:00:00.000000{zone}');
INSERT INTO unreadable
VALUES ('s', 'd', 'o', 'why', 'r', 7, '2026-01-05 00:00:00.000000{zone}')
"""


async def execute(url: str, *statements: str) -> list[Any]:
    """Run statements without the code under test, and return the rows of the last."""
    engine = create_async_engine(async_url(url))
    try:
        async with engine.begin() as connection:
            for statement in statements:
                result = await connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        await engine.dispose()


async def made_by_an_earlier_version(url: str) -> None:
    """A database without a version, with an order of either API in it."""
    sqlite = url.startswith("sqlite")
    texts = {
        "time": "DATETIME" if sqlite else "TIMESTAMP WITH TIME ZONE",
        "money": "VARCHAR(40)" if sqlite else "NUMERIC",
        "zone": "" if sqlite else "+00",
        "whole": msgspec.json.encode(WHOLE).decode(),
        "v0": msgspec.json.encode(V0).decode(),
        "item": msgspec.json.encode(WHOLE["orderItems"][0]).decode(),  # type: ignore[index]
        "v0_item": msgspec.json.encode(V0_ITEM).decode(),
    }
    await execute(url, *(statement.format(**texts) for statement in TABLES.split(";\n")))


async def test_a_database_of_an_earlier_version_is_migrated(
    new_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Rows, items and checkpoints stay, new columns are filled from the payloads, and one message is logged, once."""
    await made_by_an_earlier_version(new_database_url)
    keys = PersonalKeys([PersonalKeys.new()])
    with caplog.at_level(logging.WARNING):
        async with OrderDatabase(new_database_url, personal=keys) as database:
            assert await database.counts() == (2, 2)
            place = Checkpoint(
                seller="s", stream="orders_2026_01_01", last_updated_after=datetime(2026, 1, 5, tzinfo=UTC)
            )
            assert await database.checkpoint("s", "orders_2026_01_01") == place
            assert [change async for change in database.changes()] == []
            assert await database.personal_data("s", "1") == {"buyer": {"buyerName": "MARK"}}
    assert "migrating the order tables" in caplog.text
    query = "SELECT order_id, status, amazon_status, channel, detail FROM orders ORDER BY order_id"
    assert await execute(new_database_url, query) == [
        ("1", "SHIPPED", "SHIPPED", "AMAZON", "whole"),
        ("2", "CANCELLED", "Canceled", "MERCHANT", "v0"),
    ]
    (payload,) = (await execute(new_database_url, "SELECT CAST(payload AS text) FROM orders WHERE order_id = '1'"))[0]
    assert "MARK" not in payload
    assert await execute(new_database_url, "SELECT seller, digest, size FROM unreadable") == [("s", "d", 7)]
    caplog.clear()
    async with OrderDatabase(new_database_url) as database:
        again = OrderPage(seller="s", rows=[V2026.row(msgspec.json.encode(WHOLE))], checkpoint=None, at=NOW)
        assert (await database.store(again)).unchanged == 1
        assert [change async for change in database.changes()] == []
    assert caplog.text == ""


def reflected(connection: Connection) -> dict[str, Any]:
    """Every table as the database describes it: columns in order, keys by name, indexes."""
    found = inspect(connection)
    columns, keys, indexes = found.get_multi_columns(), found.get_multi_pk_constraint(), found.get_multi_indexes()
    unique, checks = found.get_multi_unique_constraints(), found.get_multi_check_constraints()
    return {
        table: {
            "columns": [{**column, "type": repr(column["type"])} for column in columns[place]],
            "key": keys[place],
            "indexes": sorted(repr({**index, "dialect_options": _texts(index)}) for index in indexes[place]),
            "rules": [unique[place], checks[place]],
        }
        for place in columns
        for table in [place[1]]
    }


def _texts(index: ReflectedIndex) -> dict[str, str]:
    """The condition of an index as text, since its object equals no other."""
    return {name: str(value) for name, value in index.get("dialect_options", {}).items()}


async def schema_of(url: str) -> dict[str, Any]:
    """The tables of a database."""
    engine = create_async_engine(async_url(url))
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(reflected)
    finally:
        await engine.dispose()


async def test_a_migrated_database_has_the_tables_of_a_new_one(new_database_url: str) -> None:
    """Columns are equal, and keys and indexes by name; the first versions had fewer tables."""
    async with OrderDatabase(new_database_url):
        pass
    new = await schema_of(new_database_url)
    for missing in ((), ("unreadable",), ("unreadable", "quota_states", "checkpoints")):
        await execute(new_database_url, *(f"DROP TABLE {table}" for table in new))
        await made_by_an_earlier_version(new_database_url)
        if missing:
            await execute(new_database_url, *(f"DROP TABLE {table}" for table in missing))
        async with OrderDatabase(new_database_url) as database:
            assert await database.counts() == (2, 2)
        assert await schema_of(new_database_url) == new, missing


async def test_a_migration_creates_no_later_tables(new_database_url: str) -> None:
    """A table that was added since belongs to a migration of its own."""
    await made_by_an_earlier_version(new_database_url)
    later = Table("later", metadata, Column("x", Integer, primary_key=True))
    try:
        async with OrderDatabase(new_database_url):
            pass
    finally:
        metadata.remove(later)
    assert "later" not in await schema_of(new_database_url)


async def test_a_migration_that_fails_leaves_the_old_database(
    new_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unchanged even after the last step, and the next attempt begins anew."""
    await made_by_an_earlier_version(new_database_url)
    old = await schema_of(new_database_url)

    async def fail(*_: Any) -> int:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("spapi_async.workflows.orders._database.rebuild", fail)
        with pytest.raises(ConfigurationError, match="no space left"):
            await OrderDatabase(new_database_url).open()
    assert await schema_of(new_database_url) == old
    async with OrderDatabase(new_database_url) as database:
        assert await database.counts() == (2, 2)


async def test_a_database_of_a_later_version_is_refused(new_database_url: str) -> None:
    """The error has both versions, and nothing is changed."""
    async with OrderDatabase(new_database_url):
        pass
    await execute(new_database_url, "UPDATE spapi_orders_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match=r"version 9999.*versions up to 000"):
        await OrderDatabase(new_database_url).open()
    assert await execute(new_database_url, "SELECT version_num FROM spapi_orders_version") == [("9999",)]


async def test_a_database_of_a_later_version_is_refused_during_its_transaction(new_database_url: str) -> None:
    """The refusal waits for the commit, and removes nothing."""
    place = Checkpoint(seller="s", stream="o", last_updated_after=NOW)
    async with OrderDatabase(new_database_url) as later:
        await execute(new_database_url, "UPDATE spapi_orders_version SET version_num = '9999'")

        async def work() -> None:
            for number in range(20):
                row = V2026.row(b'{"orderId":"%d"}' % number)
                await later.store(OrderPage(seller="s", rows=(row,), checkpoint=place, at=NOW))

        async def open_it() -> None:
            with pytest.raises(ConfigurationError, match=r"version 9999.*use the newer spapi_async"):
                await OrderDatabase(new_database_url).open()

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            for _ in range(3):
                group.start_soon(open_it)
        assert await later.counts() == (20, 0)


OPENING = """
import asyncio, sys
from spapi_async.workflows.orders import OrderDatabase
async def main():
    async with OrderDatabase(sys.argv[1]) as database:
        assert await database.counts() == (0, 0)
asyncio.run(main())
"""


def test_processes_that_open_a_new_database_at_once_make_it_once(new_database_url: str) -> None:
    """None fails, and their cursors have the same database name."""
    processes = [
        warm_python.start(["-c", OPENING, new_database_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    results = [(process.communicate(timeout=120), process.returncode) for process in processes]
    assert results == [((b"", b""), 0)] * 3
    assert len(asyncio.run(execute(new_database_url, "SELECT database_id FROM change_feed"))) == 1
    assert len(asyncio.run(execute(new_database_url, "SELECT version_num FROM spapi_orders_version"))) == 1


async def test_other_tables_of_the_database_are_left_alone(new_database_url: str) -> None:
    """An application's own alembic table is one of them."""
    await execute(
        new_database_url,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('mine')",
    )
    async with OrderDatabase(new_database_url) as database:
        assert await database.counts() == (0, 0)
    assert await execute(new_database_url, "SELECT version_num FROM alembic_version") == [("mine",)]
