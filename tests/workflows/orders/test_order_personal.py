"""Personal data: cut out of what is kept, encrypted, and gone when its time is over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders import OrderDatabase, OrderPage, OrderRow, PersonalKeys
from spapi_async.workflows.orders._personal import PERSONAL_2026, cut, holds_personal
from spapi_async.workflows.orders._rows import V0, V2026
from spapi_async.workflows.orders._tables import order_changes
from spapi_async.workflows.orders._vault import PersonalData

pytest_plugins = ("sync_fixtures",)

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SHIPPED = "2026-01-20T00:00:00Z"
MARK = "MARK-personal"
ORDER = {
    "orderId": "1",
    "lastUpdatedTime": "2026-01-20T00:00:00Z",
    "fulfillment": {"fulfillmentStatus": "SHIPPED"},
    "proceeds": {"grandTotal": {"amount": "9.90", "currencyCode": "EUR"}},
    "buyer": {"buyerName": MARK},
    "recipient": {"deliveryAddress": {"name": MARK}},
    "payment": {"paymentExecutions": [{"cardBrand": MARK}]},
    "tax": {"taxRegistrations": [{"legalName": MARK}]},
    "packages": [{"packageReferenceId": "p", "shipTime": SHIPPED}],
    "orderItems": [
        {
            "orderItemId": "i1",
            "quantityOrdered": 2,
            "product": {"asin": "B1", "customization": {"customizedUrl": MARK}},
            "fulfillment": {"packing": {"giftOption": {"giftMessage": MARK, "giftWrapLevel": "GIFT"}}},
            "tax": {"taxCollections": [{"model": MARK}]},
        }
    ],
}


KEYS = st.sampled_from(sorted({key for path in PERSONAL_2026 for key in path} | {"orderItemId", "x"}))
JSON = st.recursive(
    st.none() | st.integers(0, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def row(**fields: Any) -> OrderRow:
    """The order, with other members."""
    return V2026.row(msgspec.json.encode({**ORDER, **fields}))


def page(*rows: OrderRow, at: datetime = NOW) -> OrderPage:
    """A page without a place."""
    return OrderPage(seller="s", rows=rows, checkpoint=None, at=at)


def test_every_personal_place_is_cut_out() -> None:
    """What the data sets bring, and what customers wrote; the rest stays, to the last digit."""
    order = row(number=1.10, big=12345678901234567890)
    assert MARK not in order.payload
    assert not any(MARK in item.payload for item in order.items)
    assert '"amount":"9.90"' in order.payload
    assert '"big":12345678901234567890' in order.payload
    assert '"giftWrapLevel":"GIFT"' in order.payload
    assert set(order.personal) == {
        "buyer",
        "recipient",
        "payment",
        "tax",
        "orderItems.i1.tax",
        "orderItems.i1.product.customization",
        "orderItems.i1.fulfillment.packing.giftOption.giftMessage",
    }
    assert MARK not in repr(order)


def test_of_v0_what_stands_in_orders_and_items() -> None:
    """Items come apart from the order, and bring buyers of their own."""
    order = V0.row(
        msgspec.json.encode(
            {"AmazonOrderId": "1", "BuyerInfo": {"BuyerEmail": MARK}, "ShippingAddress": {"Name": MARK}}
        ),
        items=[msgspec.json.encode({"OrderItemId": "9", "BuyerInfo": {"GiftMessageText": MARK}})],
    )
    assert MARK not in order.payload + order.items[0].payload
    assert set(order.personal) == {"BuyerInfo", "ShippingAddress", "items.9.BuyerInfo"}


@pytest.mark.parametrize(
    "odd",
    [{"orderItems": {"orderItemId": "x", "product": {"customization": MARK}}}, {"buyer": MARK}, {"buyer": [MARK]}],
)
def test_odd_shapes_hide_nothing(odd: dict[str, Any]) -> None:
    """An item without its list, text where an object should be."""
    assert MARK not in V2026.row(msgspec.json.encode({"orderId": "1", **odd})).payload


def test_an_order_without_personal_data_keeps_its_bytes() -> None:
    """It is not written anew."""
    payload = b'{ "orderId": "1",  "x": 1.50 }'
    assert V2026.row(payload).payload == payload.decode()


async def test_it_is_stored_only_encrypted_and_read_with_the_key(database_url: str) -> None:
    """Without the key nobody can read it, and without personal= it is not kept."""
    keys = PersonalKeys([PersonalKeys.new()])
    async with OrderDatabase(database_url) as database:
        await database.store(page(row(orderId="before")))
        assert await database.personal_data("s", "before") is None
    async with OrderDatabase(database_url, personal=keys) as database:
        await database.store(page(row()))
        found = await database.personal_data("s", "1")
        assert found is not None
        assert found["buyer"] == {"buyerName": MARK}
        assert await database.personal_data("s", "other") is None
    async with OrderDatabase(database_url, personal=PersonalKeys([PersonalKeys.new()])) as database:
        with pytest.raises(ConfigurationError, match="SP_API_PERSONAL_KEYS"):
            await database.personal_data("s", "1")


async def test_a_new_key_still_reads_what_the_old_one_wrote(sqlite_url: str) -> None:
    """Keys are changed by putting the new one first."""
    old, new = PersonalKeys.new(), PersonalKeys.new()
    async with OrderDatabase(sqlite_url, personal=PersonalKeys([old])) as database:
        await database.store(page(row()))
    async with OrderDatabase(sqlite_url, personal=PersonalKeys([new, old])) as database:
        assert await database.personal_data("s", "1") is not None


async def test_it_goes_thirty_days_after_shipment_and_makes_no_change(sqlite_url: str) -> None:
    """Not a day earlier; its bytes are gone from the file; the change feed says nothing."""
    path = sqlite_url.removeprefix("sqlite:///")
    async with OrderDatabase(sqlite_url, personal="plain") as database:
        await database.store(page(row()))
        assert await database.sweep(now=datetime(2026, 2, 18, tzinfo=UTC)) == 0
        assert await database.personal_data("s", "1") is not None
        assert await database.sweep(now=datetime(2026, 2, 19, tzinfo=UTC)) == 1
        assert await database.personal_data("s", "1") is None
        assert len([change async for change in database.changes()]) == 1
        for name in (path, f"{path}-wal"):
            with open(name, "rb") as file:  # noqa: ASYNC230, PTH123 - small
                assert MARK.encode() not in file.read()


async def test_an_order_that_is_shipped_later_is_swept_later(sqlite_url: str) -> None:
    """Before shipment nothing counts; a shipped order's last update does where no package says more."""
    unshipped = {"fulfillment": {"fulfillmentStatus": "UNSHIPPED"}, "packages": []}
    async with OrderDatabase(sqlite_url, personal="plain") as database:
        await database.store(page(row(**unshipped)))
        assert await database.sweep(now=NOW + timedelta(days=300)) == 0
        shipped = row(packages=[], lastUpdatedTime="2026-03-01T00:00:00Z", buyer=None, recipient=None)
        bare = msgspec.json.decode(shipped.payload)
        await database.store(page(V2026.row(msgspec.json.encode(bare)), at=NOW + timedelta(days=40)))
        assert await database.sweep(now=datetime(2026, 3, 30, tzinfo=UTC)) == 0
        assert await database.sweep(now=datetime(2026, 4, 1, tzinfo=UTC)) == 1


async def test_what_would_be_deleted_at_once_is_not_written(sqlite_url: str) -> None:
    """A backfill brings orders of two years."""
    async with OrderDatabase(sqlite_url, personal="plain") as database:
        await database.store(page(row(), at=datetime(2027, 1, 1, tzinfo=UTC)))
        assert await database.personal_data("s", "1") is None


@pytest.mark.parametrize("keys", [[], ["short"], "one text"])
def test_keys_that_are_none_are_refused_with_the_command_that_makes_one(keys: Any) -> None:
    """And none of them is shown."""
    with pytest.raises(ConfigurationError, match="spapi-async keys new") as refusal:
        PersonalKeys(keys)
    assert "short" not in str(refusal.value)


def test_keys_come_from_the_environment() -> None:
    """Separated by commas or spaces; no variable, no keys."""
    one, two = PersonalKeys.new().reveal(), PersonalKeys.new().reveal()
    assert PersonalKeys.from_env({}) is None
    keys = PersonalKeys.from_env({"SP_API_PERSONAL_KEYS": f"{one}, {two}"})
    assert keys is not None
    assert keys.decrypt(PersonalKeys([two]).encrypt(b"x")) == b"x"
    assert one not in repr(keys)


def test_a_retention_of_nothing_is_refused() -> None:
    """It would delete what it has just written."""
    with pytest.raises(ConfigurationError, match="retention"):
        PersonalData.wanted("plain", timedelta(0))


async def test_the_change_feed_and_the_file_hold_none(sqlite_url: str) -> None:
    """Whatever happens to an order that had some."""
    path = sqlite_url.removeprefix("sqlite:///")
    async with OrderDatabase(sqlite_url) as database:
        await database.store(page(row()))
        await database.store(page(row(lastUpdatedTime="2026-01-21T00:00:00Z", buyer={"buyerName": MARK + "2"})))
        changes = [change async for change in database.changes()]
    assert [change.paths for change in changes] == [(), ("lastUpdatedTime",)]
    with closing(sqlite3.connect(path)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            assert MARK not in repr(connection.execute(f"SELECT * FROM {name}").fetchall()), name
    assert order_changes.name == "order_changes"


@given(JSON)
def test_what_is_looked_for_is_what_is_cut(content: Any) -> None:
    """An order in which nothing is found loses nothing, and one in which something is found loses it."""
    there = holds_personal(content, PERSONAL_2026)
    _, taken = cut(content, PERSONAL_2026, ids="orderItemId")
    assert bool(taken) == there
    assert not holds_personal(content, PERSONAL_2026)
