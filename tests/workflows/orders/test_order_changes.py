"""The change feed: every change once, in the order of commits, with concurrent writers and readers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from insides import database_engine
from sqlalchemy import event
from sqlalchemy.util import await_only

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders import Change, CursorError, OrderDatabase, OrderPage, OrderRow, Stored
from spapi_async.workflows.orders._report_rows import order_rows
from spapi_async.workflows.orders._rows import V0, V2026
from spapi_async.workflows.orders._tables import order_items

pytest_plugins = ("sync_fixtures",)

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def order(order_id: str, *, day: int = 1, items: tuple[str, ...] = ("1",), **fields: Any) -> OrderRow:
    """An order updated on a day of January."""
    content = {
        "orderId": order_id,
        "lastUpdatedTime": f"2026-01-{day:02d}T00:00:00Z",
        "orderItems": [{"orderItemId": item, "quantityOrdered": 1} for item in items],
        **fields,
    }
    return V2026.row(msgspec.json.encode(content))


async def store(database: OrderDatabase, *rows: OrderRow, seller: str = "s", at: datetime = NOW) -> Stored:
    """Commit one page."""
    return await database.store(OrderPage(seller=seller, rows=rows, checkpoint=None, at=at))


async def read(database: OrderDatabase, after: str | None = None, limit: int | None = 1000) -> list[Change]:
    """The changes after a cursor."""
    return [change async for change in database.changes(after=after, limit=limit)]


def of_seller(changes: list[Change], number: int) -> list[Change]:
    """The changes of the seller that is called so; a test gives each of its cases a seller of its own."""
    return [change for change in changes if change.seller == str(number)]


async def test_each_change_describes_what_happened_to_the_order(database_url: str) -> None:
    """It has new, updated or more detail, the status before and after, the paths that differ, and vanished items."""
    status: dict[str, Any] = {"fulfillment": {"fulfillmentStatus": "UNSHIPPED"}}
    shipped: dict[str, Any] = {"fulfillment": {"fulfillmentStatus": "SHIPPED"}}
    async with OrderDatabase(database_url) as database:
        await store(database, order("a", items=("1", "2"), **status))
        await store(database, order("a", day=2, items=("1",), **shipped))
        await store(database, order("a", day=2, items=("1",), programs=["PRIME"], **shipped))
        await store(database, order("a", day=2, items=("1",), programs=["PRIME"], **shipped))
        await store(database, order("a", day=1))
        changes = await read(database)
        found = [(change.kind, change.status_before, change.status_after, set(change.paths)) for change in changes]
        async with database_engine(database).connect() as connection:
            items = (await connection.execute(order_items.select())).all()
    assert found == [
        ("new", None, "UNSHIPPED", set()),
        ("updated", "UNSHIPPED", "SHIPPED", {"lastUpdatedTime", "orderItems.2", "fulfillment.fulfillmentStatus"}),
        ("detail", "SHIPPED", "SHIPPED", {"programs"}),
    ]
    assert {(change.seller, change.order_id, change.source) for change in changes} == {("s", "a", "orders_2026_01_01")}
    assert changes[0].updated_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert [change.stored_at for change in changes] == [NOW] * 3
    assert [item.order_item_id for item in items] == ["1"]


MEMBERS: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    ({"x": 1}, {"x": 1}, set()),
    ({"x": {"a": 1, "b": [1, 2]}}, {"x": {"b": [1, 2], "a": 1}}, set()),
    ({"x": {"a": 1, "b": 2}}, {"x": {"a": 1, "b": 3}}, {"x.b"}),
    ({"x": None}, {}, {"x"}),
    ({}, {"x": None}, {"x"}),
    ({"x": None}, {"x": 0}, {"x"}),
    ({"x": [1]}, {"x": [1, 1]}, {"x"}),
    ({"x": "ß€😀"}, {"x": "ß€"}, {"x"}),
]
"""Members of an order before and after, and the paths that differ."""


async def test_paths_are_compared_alike_in_every_database(database_url: str) -> None:
    """Members may be in another order, null or absent, or outside of the first plane of Unicode."""
    async with OrderDatabase(database_url) as database:
        for number, (before, after, _) in enumerate(MEMBERS):
            await store(database, order("a", **before), order("b", day=3), seller=str(number))
            await store(database, order("a", day=2, **after), order("b", day=3), seller=str(number))
        changes = await read(database)
    for number, (before, after, paths) in enumerate(MEMBERS):
        _, _, change = of_seller(changes, number)
        assert set(change.paths) == {"lastUpdatedTime", *paths}, (before, after)


V0_ORDER = {
    "AmazonOrderId": "a",
    "PurchaseDate": "2026-01-01T00:00:00Z",
    "LastUpdateDate": "2026-01-01T00:00:00Z",
    "OrderStatus": "Unshipped",
    "FulfillmentChannel": "MFN",
    "SalesChannel": "Amazon.de",
    "ShipmentServiceLevelCategory": "Expedited",
    "LatestShipDate": "2026-01-05T00:00:00Z",
    "OrderTotal": {"Amount": "20.00", "CurrencyCode": "EUR"},
}
V0_ITEM = {
    "OrderItemId": "1",
    "ASIN": "B1",
    "Title": "Tee",
    "QuantityOrdered": 2,
    "QuantityShipped": 0,
    "ItemPrice": {"Amount": "20.0", "CurrencyCode": "EUR"},
}
SAME: dict[str, Any] = {
    "createdTime": "2026-01-01T00:00:00.000Z",
    "salesChannel": {"channelName": "AMAZON", "marketplaceName": "Amazon.de"},
    "proceeds": {"grandTotal": {"amount": "20", "currencyCode": "EUR"}},
    "programs": [],
    "fulfillment": {
        "fulfillmentStatus": "UNSHIPPED",
        "fulfilledBy": "MERCHANT",
        "fulfillmentServiceLevel": "EXPEDITED",
        "shipByWindow": {"latestDateTime": "2026-01-05T00:00:00+00:00"},
    },
    "orderItems": [
        {
            "orderItemId": "1",
            "quantityOrdered": 2,
            "product": {
                "asin": "B1",
                "title": "Tee",
                "price": {"unitPrice": {"amount": "10.00", "currencyCode": "EUR"}},
            },
            "fulfillment": {"quantityFulfilled": 0},
        }
    ],
}


def v0(*items: dict[str, Any], **fields: Any) -> OrderRow:
    """An order of Orders v0, whose items come separately."""
    return V0.row(msgspec.json.encode(V0_ORDER | fields), items=[msgspec.json.encode(V0_ITEM | item) for item in items])


def whole(**fields: Any) -> OrderRow:
    """The same order from Orders 2026-01-01, updated a day later."""
    return order("a", day=2, **{**SAME, **fields})


def line(**columns: str) -> OrderRow:
    """The same order from a report."""
    facts = {"amazon-order-id": "a", "purchase-date": "2026-01-01T00:00:00Z", "order-status": "Unshipped"}
    more = {"fulfillment-channel": "Merchant", "sales-channel": "Amazon.de", "currency": "EUR", "item-price": "20.00"}
    return order_rows([facts | more | {name.replace("_", "-"): cell for name, cell in columns.items()}])[0]


SHIPPED: dict[str, Any] = {**SAME["fulfillment"], "fulfillmentStatus": "SHIPPED"}
NOT_IN_REPORTS = {"ShipmentServiceLevelCategory", "LatestShipDate"}
LATER = {"LastUpdateDate": "2026-01-03T00:00:00Z"}


VERSIONS: list[tuple[OrderRow, OrderRow, set[str]]] = [
    (v0({}), whole(), {"lastUpdatedTime"}),
    (v0({}), whole(fulfillment=SHIPPED), {"lastUpdatedTime", "fulfillment.fulfillmentStatus"}),
    (v0({}), whole(packages=[{"packageReferenceId": "1"}]), {"lastUpdatedTime", "packages"}),
    (v0({}, OrderTotal=None), whole(), {"lastUpdatedTime", "proceeds"}),
    (v0({}), whole(proceeds={}), {"lastUpdatedTime", "proceeds.grandTotal"}),
    (v0({"Title": "Old"}), whole(), {"lastUpdatedTime", "orderItems.1.product.title"}),
    (v0({}, {"OrderItemId": "2"}), whole(), {"lastUpdatedTime", "orderItems.2"}),
    (v0(), whole(), {"lastUpdatedTime", "orderItems.1"}),
    (whole(), v0({}, **LATER, OrderStatus="Shipped"), {"LastUpdateDate", "OrderStatus"}),
    (whole(), v0({"QuantityShipped": 1}, **LATER), {"LastUpdateDate", "items.1.QuantityShipped"}),
    (v0({}), v0({}, **LATER), {"LastUpdateDate"}),
    (v0({}), v0({"QuantityShipped": 1}, **LATER), {"LastUpdateDate", "items.1.QuantityShipped"}),
    (v0({}), v0({}, {"OrderItemId": "2"}), {"items.2"}),
    (v0({}), v0({"QuantityShipped": 1, "IsGift": True}), {"items.1.QuantityShipped", "items.1.IsGift"}),
    (
        line(last_updated_date="2026-01-01T00:00:00Z"),
        v0({}, **LATER),
        {"LastUpdateDate", "items.1", *NOT_IN_REPORTS},
    ),
    (
        v0({}),
        line(last_updated_date="2026-01-04T00:00:00Z", order_status="Shipped"),
        {"last-updated-date", "order-status"},
    ),
    (v0({}), line(last_updated_date="2026-01-04T00:00:00Z", currency="USD"), {"last-updated-date", "currency"}),
]
"""An order before and after, and the paths that differ."""


async def test_a_change_names_what_differs_between_versions_of_any_two_sources(database_url: str) -> None:
    """Paths have the new version's names; equal values in other words do not differ, and added ones are new."""
    async with OrderDatabase(database_url) as database:
        for number, (before, after, _) in enumerate(VERSIONS):
            await store(database, before, order("b"), seller=str(number))
            await store(database, after, order("b", day=2), seller=str(number))
        changes = await read(database)
    for number, (before, after, paths) in enumerate(VERSIONS):
        _, _, *later = of_seller(changes, number)
        found = {change.order_id: set(change.paths) for change in later}
        assert found == {"a": paths, "b": {"lastUpdatedTime"}}, (before, after)


ITEMS: list[tuple[dict[str, int], ...]] = [
    ({"a": 1, "b": 2}, {"a": 1, "b": 3}),
    ({"a": 1, "b": 2}, {"b": 2, "c": 1, "a": 5}),
    ({"a": 1, "b": 2}, {"b": 2}, {"b": 2, "a": 4}),
    ({"a\0": 1, "b": 1}, {"a\0": 2, "b": 1}),
    ({"a": 1}, {}),
]
"""The items of each version of an order, with their numbers."""


async def test_the_table_of_items_holds_those_of_the_latest_version(database_url: str) -> None:
    """Any number of them changed, came or went; an id may be written differently in its column."""
    async with OrderDatabase(database_url) as database:
        for number, versions in enumerate(ITEMS):
            for day, version in enumerate(versions, 1):
                listed = [{"orderItemId": item, "quantityOrdered": count} for item, count in version.items()]
                rows = order("a", day=day, orderItems=listed), order("b", day=day)
                await store(database, *rows, seller=str(number))
        async with database_engine(database).connect() as connection:
            stored = (await connection.execute(order_items.select().where(order_items.c.order_id == "a"))).all()
    for number, versions in enumerate(ITEMS):
        items = [item for item in stored if item.seller == str(number)]
        latest = {item.replace("\0", ""): count for item, count in versions[-1].items()}
        assert {item.order_item_id: item.quantity_ordered for item in items} == latest, versions
        payloads = [
            msgspec.json.decode(each.payload) if isinstance(each.payload, str) else each.payload for each in items
        ]
        assert sorted(payload["quantityOrdered"] for payload in payloads) == sorted(latest.values()), versions


async def test_sellers_with_one_order_id_have_an_order_each(database_url: str) -> None:
    """Seller and order id are the key."""
    async with OrderDatabase(database_url) as database:
        for seller in ("s", "t"):
            assert (await store(database, order("a"), seller=seller)).inserted == 1
        assert await database.counts() == (2, 2)
        assert {change.seller for change in await read(database)} == {"s", "t"}


async def test_an_order_is_compared_with_its_own_sellers(database_url: str) -> None:
    """Another seller's order of the same id differs in other places, and has other items."""
    async with OrderDatabase(database_url) as database:
        for day in (1, 2):
            for seller in ("s", "t"):
                await store(database, order("a", day=day, items=(seller,), note=seller), seller=seller)
        assert [change.paths for change in await read(database) if change.kind == "updated"] == [
            ("lastUpdatedTime",)
        ] * 2


async def test_a_reader_continues_after_its_cursor(database_url: str) -> None:
    """Reading in pieces of any size gives the same changes as reading all at once."""
    async with OrderDatabase(database_url) as database:
        await store(database, *(order(f"{n:02}") for n in range(25)))
        whole = await read(database, limit=None)
        pieces: list[Change] = []
        while batch := await read(database, pieces[-1].cursor if pieces else None, limit=4):
            assert len(batch) <= 4
            pieces += batch
    assert pieces == whole
    assert [change.order_id for change in whole] == [f"{n:02}" for n in range(25)]


@pytest.mark.parametrize("after", ["", "nonsense", "bm9uZTox", "é"])
async def test_a_cursor_of_another_database_is_refused(sqlite_url: str, after: str) -> None:
    """So is an invalid one."""
    async with OrderDatabase(sqlite_url) as database:
        await store(database, order("a"))
        with pytest.raises(CursorError):
            await read(database, after)


async def test_a_cursor_from_before_a_pruning_is_refused(database_url: str) -> None:
    """One that has read all deleted changes continues."""
    async with OrderDatabase(database_url) as database:
        for day in range(1, 5):
            await store(database, order(f"{day}"), at=NOW + timedelta(days=day))
        first, second, third, fourth = await read(database)
        assert await database.prune(before=NOW + timedelta(days=2, hours=12)) == 2
        with pytest.raises(CursorError, match="pruned"):
            await read(database, first.cursor)
        assert await read(database, second.cursor) == [third, fourth]
        assert await read(database) == [third, fourth]
        assert await database.prune(before=NOW) == 0
        with pytest.raises(ConfigurationError, match="time zone"):  # what is deleted must not depend on where
            await database.prune(before=NOW.replace(tzinfo=None))
        await store(database, order("9"))
        assert [change.order_id for change in await read(database, fourth.cursor)] == ["9"]


@contextmanager
def pruned_during_a_read(database: OrderDatabase, pruner: OrderDatabase, before: datetime) -> Iterator[None]:
    """The changes before a time are pruned when the next read has read its changes, but not yet what was pruned."""
    engine = database_engine(database).sync_engine
    pruned: list[int] = []

    def prune(*execution: Any) -> None:
        if "FROM change_feed" in execution[2]:
            pruned.append(await_only(pruner.prune(before)))

    event.listen(engine, "before_cursor_execute", prune)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", prune)
    assert any(pruned)


async def test_changes_that_are_pruned_once_they_are_read_are_not_missing(database_url: str) -> None:
    """Only a reader whose next change is gone has lost something."""
    async with OrderDatabase(database_url) as database, OrderDatabase(database_url) as pruner:
        for day in range(5):
            await store(database, order(f"{day}"), at=NOW + timedelta(days=day))
        first, *later = await read(database)
        with pruned_during_a_read(database, pruner, NOW + timedelta(days=1.5)):
            assert await read(database, first.cursor) == later
        with pytest.raises(CursorError, match="pruned"):
            await read(database, first.cursor)
        another_day = pruned_during_a_read(database, pruner, NOW + timedelta(days=2.5))
        with another_day, pytest.raises(CursorError, match="pruned"):
            await read(database, first.cursor)
        with pruned_during_a_read(database, pruner, NOW + timedelta(days=9)):
            assert await read(database, later[1].cursor, limit=1) == [later[2]]
        with pytest.raises(CursorError, match="pruned"):  # there are no changes left
            await read(database, later[2].cursor)
        assert await read(database, later[3].cursor) == []


async def test_a_database_from_a_backup_refuses_a_later_cursor(sqlite_url: str) -> None:
    """Its numbers will be used again, for other changes."""
    async with OrderDatabase(sqlite_url) as database:
        await store(database, order("a"), order("b"))
        *_, last = await read(database)
        async with database_engine(database).begin() as connection:
            await connection.exec_driver_sql("DELETE FROM order_changes WHERE number = 2")
            await connection.exec_driver_sql("UPDATE change_feed SET last = 1")
        with pytest.raises(CursorError, match="backup"):
            await read(database, last.cursor)


WRITERS, PAGES, SIZE = 4, 5, 10


async def test_a_reader_sees_every_change_once_while_four_write(database_url: str) -> None:
    """They come in the order of commits, with a long-running reader's transaction open all the while.

    Two of the writers have leases, as syncs do, so that their transactions begin at the same time.
    """
    seen: list[Change] = []
    async with OrderDatabase(database_url) as database, OrderDatabase(database_url) as other:
        async with database_engine(other).connect() as dump:
            await dump.exec_driver_sql("SELECT count(*) FROM orders")

            async def write(writer: int) -> None:
                seller = f"s{writer}"
                lease = await database.hold(seller, "orders", seller, now=NOW) if writer % 2 else None
                for page in range(PAGES):
                    rows = [order(f"{writer}-{page}-{n}") for n in range(SIZE)]
                    await database.store(OrderPage(seller=seller, rows=rows, checkpoint=None, at=NOW, lease=lease))

            writing = asyncio.gather(*(write(writer) for writer in range(WRITERS)))
            while len(seen) < WRITERS * PAGES * SIZE:
                all_written = writing.done()
                batch = await read(other, seen[-1].cursor if seen else None, limit=37)
                assert batch or not all_written, "changes are missing"
                seen += batch
                await asyncio.sleep(0 if batch else 0.002)
            await writing
        assert await read(other, seen[-1].cursor) == []
        assert [change.cursor for change in seen] == [change.cursor for change in await read(database, limit=None)]
    assert len({(change.seller, change.order_id) for change in seen}) == len(seen) == WRITERS * PAGES * SIZE
    for writer in range(WRITERS):
        own = [change.order_id for change in seen if change.seller == f"s{writer}"]
        assert own == [f"{writer}-{page}-{n}" for page in range(PAGES) for n in range(SIZE)]


@pytest.mark.parametrize("leased", [True, False])
async def test_two_sources_with_the_same_new_order_report_it_once(database_url: str, leased: bool) -> None:
    """They are two connections, as of two processes, which may commit pages of one seller at the same moment."""
    ids = [str(number) for number in range(20)]
    async with OrderDatabase(database_url) as searches, OrderDatabase(database_url) as reports:

        async def write(database: OrderDatabase, stream: str) -> None:
            lease = await database.hold("s", stream, stream, now=NOW) if leased else None
            for each in ids:
                await together.wait()
                await database.store(OrderPage(seller="s", rows=[order(each)], checkpoint=None, at=NOW, lease=lease))

        together = asyncio.Barrier(2)
        await asyncio.gather(write(searches, "orders"), write(reports, "history"))
        assert [(change.kind, change.order_id) for change in await read(searches)] == [("new", each) for each in ids]


async def test_rebuilding_fills_columns_again_without_a_change(database_url: str) -> None:
    """Their earlier values do not matter, and the feed has no entry."""
    async with OrderDatabase(database_url) as database:
        await store(database, order("a", fulfillment={"fulfillmentStatus": "SHIPPED"}), order("b", items=("1", "2")))
        async with database_engine(database).begin() as connection:
            await connection.exec_driver_sql("UPDATE orders SET status = 'wrong', items = 77")
            await connection.exec_driver_sql("DELETE FROM order_items")
        assert await database.rebuild() == 2
        assert await database.counts() == (2, 3)
        async with database_engine(database).connect() as connection:
            rows = (await connection.exec_driver_sql("SELECT order_id, status, items FROM orders ORDER BY 1")).all()
        assert [tuple(row) for row in rows] == [("a", "SHIPPED", 1), ("b", None, 2)]
        assert len(await read(database)) == 2
        assert (await store(database, order("a", fulfillment={"fulfillmentStatus": "SHIPPED"}))).unchanged == 1
