"""What a page does to the database, SQLite and PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest
from insides import database_engine
from sqlalchemy import Table, select
from sqlalchemy.exc import SQLAlchemyError

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders import Checkpoint, OrderDatabase, OrderPage, Stored, Unreadable
from spapi_async.workflows.orders._database import async_url
from spapi_async.workflows.orders._rows import V2026, ItemRow, OrderRow
from spapi_async.workflows.orders._tables import order_items, orders, unreadable

pytest_plugins = ("sync_fixtures",)

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
CHECKPOINT = Checkpoint(seller="s", stream="o", last_updated_after=NOW, cursor="page-2", cursor_at=NOW)


def order(
    order_id: str, *, day: int = 1, items: Sequence[str] = ("1",), amount: str = "10.00", **fields: Any
) -> OrderRow:
    """An order updated on a day of January."""
    return V2026.row(
        msgspec.json.encode(
            {
                "orderId": order_id,
                "lastUpdatedTime": f"2026-01-{day:02d}T00:00:00Z",
                "proceeds": {"grandTotal": {"amount": amount, "currencyCode": "USD"}},
                "orderItems": [{"orderItemId": item, "quantityOrdered": 1} for item in items],
                **fields,
            }
        )
    )


async def rows(database: OrderDatabase, table: Table) -> list[Any]:
    """Every row of a table, by its key."""
    async with database_engine(database).connect() as connection:
        return list((await connection.execute(select(table).order_by(*table.primary_key))).all())


async def store(database: OrderDatabase, *found: OrderRow, checkpoint: Checkpoint = CHECKPOINT) -> Stored:
    """Commit one page."""
    return await database.store(page(*found, checkpoint=checkpoint))


def page(*found: OrderRow, checkpoint: Checkpoint = CHECKPOINT, **parts: Any) -> OrderPage:
    """A page of the checkpoint's seller."""
    return OrderPage(seller=checkpoint.seller, rows=found, checkpoint=checkpoint, at=NOW, **parts)


async def test_page_and_checkpoint_are_stored_together(database_url: str) -> None:
    """Amounts, times and cursor are read back exactly."""
    async with OrderDatabase(database_url) as database:
        stored = await store(database, order("a", amount="0.1000"), order("b", items=("1", "2")))
        assert stored == Stored(inserted=2, items=3, changed=frozenset("ab"))
        first, _ = await rows(database, orders)
        assert (first.order_id, first.total_amount, str(first.total_amount)) == ("a", Decimal("0.1"), "0.1000")
        assert first.last_updated_at == datetime(2026, 1, 1, tzinfo=UTC)
        assert await database.checkpoint("s", "o") == CHECKPOINT
        assert await database.counts() == (2, 3)


async def test_later_version_replaces_an_order_and_its_items(database_url: str) -> None:
    """Items that the order no longer has are deleted."""
    async with OrderDatabase(database_url) as database:
        await store(database, order("a", items=("1", "2")))
        assert await store(database, order("a", day=2, items=("3",))) == Stored(
            updated=1, items=1, changed=frozenset("a")
        )
        assert [row.order_item_id for row in await rows(database, order_items)] == ["3"]


async def test_values_arrive_as_they_are(database_url: str) -> None:
    """In new and in replaced orders they may be any text, digits, fractions of a second, bytes or null."""
    odd = 'a "b" \\ \\n \\u0041 {1,2} NULL null \t\n é ß 😀 \u2028'
    price = {"unitPrice": {"amount": "-0.00000000010", "currencyCode": odd}}
    product = {"title": odd, "sellerSku": "", "price": price}
    item = {"orderItemId": "1", "quantityOrdered": 2**31 - 1, "product": product}
    channel = {"channelName": odd, "marketplaceId": "NULL"}
    fields: dict[str, Any] = {"salesChannel": channel, "orderItems": [item, {"orderItemId": odd}], odd: odd}
    fields["createdTime"] = "2026-01-01T00:00:00.123456+05:30"
    async with OrderDatabase(database_url) as database:
        for day in (1, 2):
            sent = order("a", day=day, amount="1E+3", note=day, **fields)
            await store(database, sent)
            (found,) = await rows(database, orders)
            for name in set(found._fields) & set(sent.__struct_fields__) - {"payload", "items", "detail"}:
                assert getattr(found, name) == getattr(sent, name), name
            assert (found.detail, found.items, len(found.digest)) == ("whole", 2, 16)
            assert content(found.payload) == content(sent.payload)
            for row, part in zip(await rows(database, order_items), sorted(sent.items, key=by_id), strict=True):
                assert {name: getattr(row, name) for name in part.__struct_fields__ if name != "payload"} == {
                    name: getattr(part, name) for name in part.__struct_fields__ if name != "payload"
                }
                assert str(row.price_amount) == str(part.price_amount)


def content(payload: Any) -> Any:
    """A payload as decoded from either database."""
    return msgspec.json.decode(payload) if isinstance(payload, str) else payload


def by_id(item: ItemRow) -> str:
    """The item's id, by which a table is sorted."""
    return item.order_item_id


def with_item(amount: str, *, day: int, **fields: Any) -> OrderRow:
    """An order of one item, whose price is a number in JSON."""
    item = f'{{"orderItemId":"1","product":{{"price":{{"unitPrice":{{"amount":{amount}}}}}}}}}'
    return order("a", day=day, orderItems=[msgspec.Raw(item.encode())], **fields)


async def test_items_that_an_update_leaves_alone_are_not_written(database_url: str) -> None:
    """They are counted; the same number in other digits counts as another price."""
    async with OrderDatabase(database_url) as database:
        await store(database, with_item("1.0", day=1))
        async with database_engine(database).begin() as connection:
            await connection.exec_driver_sql("UPDATE order_items SET title = 'untouched'")
        assert await store(database, with_item("1.0", day=2, programs=["PRIME"])) == Stored(
            updated=1, items=1, changed=frozenset("a")
        )
        (item,) = await rows(database, order_items)
        assert (item.title, str(item.price_amount)) == ("untouched", "1.0")
        await store(database, with_item("1.00", day=3))
        (item,) = await rows(database, order_items)
        assert (item.title, str(item.price_amount)) == (None, "1.00")


async def test_older_version_never_overwrites_a_newer_one(database_url: str) -> None:
    """A late page changes neither the order nor its items, but its checkpoint counts."""
    async with OrderDatabase(database_url) as database:
        await store(database, order("a", day=9, items=("new",)))
        done = msgspec.structs.replace(CHECKPOINT, cursor=None, cursor_at=None)
        assert await store(database, order("a", day=2, items=("old",)), checkpoint=done) == Stored(stale=1)
        assert [row.order_item_id for row in await rows(database, order_items)] == ["new"]
        assert await database.checkpoint("s", "o") == done


async def test_storing_a_page_again_changes_nothing(database_url: str) -> None:
    """A window that is read again has rows that are stored already."""
    async with OrderDatabase(database_url) as database:
        found = [order("a"), order("b", items=("1", "2"))]
        await store(database, *found)
        before = await rows(database, orders), await rows(database, order_items)
        assert await store(database, *found) == Stored(unchanged=2)
        assert (await rows(database, orders), await rows(database, order_items)) == before


async def test_an_order_twice_on_a_page_is_one_row(database_url: str) -> None:
    """The later version is stored, whatever their order."""
    async with OrderDatabase(database_url) as database:
        assert await store(database, order("a", day=3, items=("3",)), order("a", day=1)) == Stored(
            inserted=1, items=1, changed=frozenset("a")
        )
        assert [row.order_item_id for row in await rows(database, order_items)] == ["3"]


async def test_an_order_without_a_date_is_stored(database_url: str) -> None:
    """It may be newer than the stored version."""
    async with OrderDatabase(database_url) as database:
        await store(database, order("a"))
        assert (await store(database, order("a", lastUpdatedTime=None))).updated == 1


async def test_failed_page_leaves_the_old_checkpoint(database_url: str) -> None:
    """Rows and checkpoint are one transaction: a row that the database refuses rolls both back."""
    async with OrderDatabase(database_url) as database:
        await store(database, order("a"))
        broken = msgspec.structs.replace(order("b"), source=None)
        moved = msgspec.structs.replace(CHECKPOINT, cursor="page-3")
        with pytest.raises(Exception, match=r"(?i)not.null"):
            await store(database, order("c"), broken, checkpoint=moved)
        assert [row.order_id for row in await rows(database, orders)] == ["a"]
        assert await database.checkpoint("s", "o") == CHECKPOINT


async def test_many_sellers_store_at_once(database_url: str) -> None:
    """All concurrent pages are stored, in either database."""
    async with OrderDatabase(database_url) as database:
        async with anyio.create_task_group() as group:
            for number in range(20):
                place = msgspec.structs.replace(CHECKPOINT, seller=f"s{number}")
                found = [order(f"{number}-{n}") for n in range(10)]
                group.start_soon(database.store, page(*found, checkpoint=place))
        assert await database.counts() == (200, 200)


async def test_many_processes_may_create_the_tables_at_once(new_database_url: str) -> None:
    """They start with an empty database, and none fails."""
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(_open_and_close, new_database_url)


async def _open_and_close(url: str) -> None:
    async with OrderDatabase(url) as database:
        assert await database.counts() == (0, 0)


async def test_a_cancellation_waits_for_the_statement(database_url: str) -> None:
    """No task of the driver is left for the loop to wait for."""
    async with OrderDatabase(database_url) as database:
        for work in (partial(store, database, order("a")), partial(database.checkpoint, "s", "o"), database.counts):
            async with anyio.create_task_group() as group:
                group.start_soon(work)
                await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        assert await database.counts() == (1, 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_quota_is_saved_with_the_page(database_url: str) -> None:
    """The limiter's state is saved by application and account; writing one part does not change the others."""
    async with OrderDatabase(database_url) as database:
        assert await database.quota("app") == {}
        for account, state in (("a", "one"), ("b", "two"), ("a", "three")):
            await database.store(page(quota={("app", account): state}))
        await database.store_quota({("app", "c"): "four", ("another", "a"): "five"}, now=NOW)
        assert await database.quota("app") == {"a": "three", "b": "two", "c": "four"}


async def test_text_that_postgresql_cannot_hold_is_kept_in_the_payload(database_url: str) -> None:
    """A NUL in a title does not stop a page."""
    async with OrderDatabase(database_url) as database:
        title = {"product": {"title": "a\0b"}, "orderItemId": "1"}
        await store(database, order("a", orderItems=[title]))
        (item,) = await rows(database, order_items)
        assert item.title == "ab"
        text = item.payload if isinstance(item.payload, str) else msgspec.json.encode(item.payload).decode()
        assert ("a\\u0000b" in text) or ("a\ufffdb" in text)  # PostgreSQL's jsonb holds no NUL either


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///x.db", "sqlite+aiosqlite"),
        ("postgresql://h/d", "postgresql+asyncpg"),
        ("postgres://h/d", "postgresql+asyncpg"),
        ("postgresql+psycopg2://h/d", "postgresql+asyncpg"),
    ],
)
def test_urls_get_an_asyncio_driver(url: str, driver: str) -> None:
    """Users need not name it."""
    assert async_url(url).drivername == driver


@pytest.mark.parametrize("url", ["orders.db", "", "mysql://h/d"])
def test_other_databases_are_refused(url: str) -> None:
    """The error says which are supported."""
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        async_url(url)


async def test_database_that_cannot_be_opened_says_so_without_the_password(tmp_path: Path) -> None:
    """A folder may be missing, or a server away."""
    for url in (f"sqlite:///{tmp_path}/no/such/folder/x.db", "postgresql://user:hush@127.0.0.1:1/orders"):
        with pytest.raises(ConfigurationError, match="cannot open database") as caught:
            await OrderDatabase(url).open()
        assert "hush" not in str(caught.value)
        assert "\n" not in str(caught.value)


async def test_a_database_that_was_not_opened_says_how() -> None:
    """Using the object outside of its block is an error that says so."""
    with pytest.raises(ConfigurationError, match="async with OrderDatabase"):
        await OrderDatabase("sqlite:///x.db").counts()


async def test_unreadable_entries_are_listed_once_without_their_bytes(database_url: str) -> None:
    """The reason, the reply and the size are stored; a page that is read twice adds nothing."""
    entry = Unreadable(reason="no JSON object", request_id="r-1", raw=b'"Jane Doe, 1 Main Street"')
    async with OrderDatabase(database_url) as database:
        for _ in range(2):
            await database.store(page(order("1"), unreadable=[entry, entry]))
        (row,) = await rows(database, unreadable)
        # A page that moves no checkpoint belongs to no stream, and finds the same entry.
        await database.store(OrderPage(seller="s", rows=(), checkpoint=None, at=NOW, unreadable=[entry]))
        assert len(await rows(database, unreadable)) == 1
    assert (row.seller, row.stream, row.reason, row.request_id, row.size) == ("s", "o", "no JSON object", "r-1", 25)
    assert "Jane" not in repr(row)


async def test_an_error_of_the_database_shows_no_row(sqlite_url: str) -> None:
    """SQLAlchemy would show the parameters of the statement."""
    async with OrderDatabase(sqlite_url) as database:
        async with database_engine(database).begin() as connection:
            await connection.exec_driver_sql("DROP TABLE order_items")
        with pytest.raises(SQLAlchemyError) as caught:
            await store(database, order("1", buyer={"buyerName": "Jane Doe"}))
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize("number", ["1e999999", "-1e-999999", "1" + "0" * 140_000, "0." + "1" * 20_000])
async def test_a_number_beyond_any_type_costs_no_page(database_url: str, number: str) -> None:
    """A number beyond PostgreSQL's range is stored as text, and the other orders as usual."""
    payload = f'{{"orderId":"odd","x":[{number}],"y":1.50,"orderItems":[{{"orderItemId":"1","x":{number}}}]}}'
    rows = [V2026.row(payload.encode()), V2026.row(b'{"orderId":"plain","x":1.50}')]
    async with OrderDatabase(database_url) as database:
        for _ in range(2):
            stored = await database.store(OrderPage(seller="s", rows=rows, checkpoint=None, at=NOW))
        assert (stored.unchanged, await database.counts()) == (2, (2, 1))
