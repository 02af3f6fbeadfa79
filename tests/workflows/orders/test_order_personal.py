"""Personal data: cut out of what is stored, encrypted, and deleted after its retention."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from insides import database_engine

from spapi_async.errors import ConfigurationError
from spapi_async.workflows.orders import OrderDatabase, OrderPage, OrderRow, PersonalKeys, Unreadable
from spapi_async.workflows.orders._personal import cut
from spapi_async.workflows.orders._report_rows import order_rows
from spapi_async.workflows.orders._rows import V0, V2026, Detail
from spapi_async.workflows.orders._tables import order_changes, order_personal, orders, unreadable
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
            "cancellation": {
                "cancellationRequest": {"requester": "BUYER", "cancelReason": MARK},
                "cancellationExecution": {"cancelledBy": "BUYER", "cancelReason": MARK},
            },
            "tax": {"taxCollections": [{"model": MARK}]},
        }
    ],
}


def row(**fields: Any) -> OrderRow:
    """The order, with some members changed."""
    return V2026.row(msgspec.json.encode({**ORDER, **fields}))


def page(*rows: OrderRow, at: datetime = NOW) -> OrderPage:
    """A page without a checkpoint."""
    return OrderPage(seller="s", rows=rows, checkpoint=None, at=at)


def test_every_personal_place_is_cut_out() -> None:
    """They are in the data sets and in texts of customers; everything else stays, to the last digit."""
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
        "orderItems.i1.cancellation.cancellationRequest.cancelReason",
        "orderItems.i1.cancellation.cancellationExecution.cancelReason",
    }
    assert '"requester":"BUYER"' in order.payload
    assert MARK not in repr(order)


def test_personal_data_of_v0_is_cut_out_of_orders_and_items() -> None:
    """Items come separately from the order, and have buyers too."""
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
    """An item may be outside of its list, or text be in the place of an object."""
    assert MARK not in V2026.row(msgspec.json.encode({"orderId": "1", **odd})).payload


@pytest.mark.parametrize(
    ("content", "places"),
    [
        (
            {"product": 7, "packing": "text", "orderItems": None, "fulfillment": True, "cancellation": ""},
            "product packing",
        ),
        ({"product": [None, 7, {"asin": "B1"}, "", "text", True]}, "product.1 product.4"),
        ({"product": [[{"asin": "B1"}, "text"], [[7]]]}, "product.0.1 product.1.0.0"),
        ({"giftOption": {"giftWrapLevel": "GIFT", "new": True, "other": {"x": 1}}}, "giftOption.new giftOption.other"),
        ({"giftOption": [[{"giftWrapLevel": 1, "new": None}], 7]}, "giftOption.0.0.new giftOption.1"),
        ({"new": [[{"buyer": None}], [], [["x", 7]]], "more": {"new": {"tax": 1}}}, "new.0.0.buyer more.new.tax"),
        ({"new": ' {"buyer": 1}', "giftWrapLevel": '\n[{"tax": 1}]', "other": ' {"new": 1}'}, "new giftWrapLevel"),
        ({"new": [' {"buyer": 1}', ['\t[[{"tax": 1}]]'], " buyer"]}, "new.0 new.1.0"),
        ({"product": ' {"asin": "B1"}', "shipFromAddress": {"name": "x"}}, "product"),
    ],
)
def test_exactly_the_values_that_may_be_personal_are_cut(content: dict[str, Any], places: str) -> None:
    """Values of any kind may stand in the place of objects, in lists of lists, or as JSON in a text after blanks."""
    _, taken = cut(content)
    assert sorted(taken) == sorted(places.split())


def test_an_order_without_personal_data_keeps_its_bytes() -> None:
    """It is not encoded anew."""
    payload = b'{ "orderId": "1",  "x": 1.50 }'
    assert V2026.row(payload).payload == payload.decode()


async def test_personal_data_is_stored_encrypted(database_url: str) -> None:
    """It can be read only with the key, and without personal= it is not stored."""
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


async def test_personal_data_of_an_old_key_stays_readable(sqlite_url: str) -> None:
    """Keys are rotated by putting the new one first."""
    old, new = PersonalKeys.new(), PersonalKeys.new()
    async with OrderDatabase(sqlite_url, personal=PersonalKeys([old])) as database:
        await database.store(page(row()))
    async with OrderDatabase(sqlite_url, personal=PersonalKeys([new, old])) as database:
        assert await database.personal_data("s", "1") is not None


async def test_personal_data_is_deleted_thirty_days_after_shipment(sqlite_url: str) -> None:
    """It is not deleted a day earlier; its bytes are gone from the file, and the change feed has no entry."""
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


UNSHIPPED = {"fulfillment": {"fulfillmentStatus": "UNSHIPPED"}, "packages": []}
BARE: dict[str, Any] = {"buyer": None, "recipient": None, "payment": None, "tax": None, "orderItems": []}


async def test_a_later_shipment_delays_the_deletion(database_url: str) -> None:
    """The retention counts from shipment, or from the last update if no package has a date."""
    async with OrderDatabase(database_url, personal="plain") as database:
        await database.store(page(row(**UNSHIPPED)))
        assert await database.sweep(now=NOW + timedelta(days=60)) == 0
    async with OrderDatabase(database_url) as database:  # which stores none itself
        shipped = row(packages=[], lastUpdatedTime="2026-03-01T00:00:00Z")
        await database.store(page(shipped, at=NOW + timedelta(days=40)))
        assert await database.sweep(now=datetime(2026, 3, 30, tzinfo=UTC)) == 0
        assert await database.sweep(now=datetime(2026, 4, 1, tzinfo=UTC)) == 1


async def test_personal_data_of_orders_that_never_end_is_deleted(database_url: str) -> None:
    """Ninety days without an update count as the end, and an update restarts them."""
    async with OrderDatabase(database_url, personal="plain") as database:
        await database.store(page(row(orderId="silent", **UNSHIPPED), row(orderId="other", **UNSHIPPED)))
        later = row(orderId="other", lastUpdatedTime="2026-05-01T00:00:00Z", **UNSHIPPED)
        await database.store(page(later, at=datetime(2026, 5, 2, tzinfo=UTC)))
        assert await database.sweep(now=datetime(2026, 5, 19, tzinfo=UTC)) == 0
        assert await database.sweep(now=datetime(2026, 5, 21, tzinfo=UTC)) == 1
        assert await database.sweep(now=datetime(2026, 8, 30, tzinfo=UTC)) == 1


async def test_personal_data_of_earlier_versions_is_deleted(database_url: str) -> None:
    """It has no end; the retention counts from when it was stored."""
    async with OrderDatabase(database_url, personal="plain") as database:
        await database.store(page(row(**UNSHIPPED)))
        async with database_engine(database).begin() as connection:
            await connection.execute(order_personal.update().values(delete_at=None))
        assert await database.sweep(now=NOW + timedelta(days=119)) == 0
        assert await database.sweep(now=NOW + timedelta(days=121)) == 1


async def test_an_order_that_has_ended_brings_its_deletion_forward(database_url: str) -> None:
    """The update need not contain personal data."""
    async with OrderDatabase(database_url, personal="plain") as database:
        await database.store(page(row(**UNSHIPPED), row(orderId="2", **UNSHIPPED)))
        gone = {"packages": [{"packageReferenceId": "p", "shipTime": SHIPPED}], **BARE}
        bare = msgspec.json.decode(row(lastUpdatedTime="2026-02-10T00:00:00Z", **gone).payload)
        await database.store(page(V2026.row(msgspec.json.encode(bare)), at=datetime(2026, 2, 10, tzinfo=UTC)))
        assert await database.sweep(now=datetime(2026, 2, 18, tzinfo=UTC)) == 0
        assert await database.sweep(now=datetime(2026, 2, 20, tzinfo=UTC)) == 1
        assert await database.personal_data("s", "2") is not None


@pytest.mark.parametrize(
    "date", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "2030-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
)
async def test_an_impossible_date_does_not_prevent_the_deletion(sqlite_url: str, date: str) -> None:
    """It costs no page, either."""
    async with OrderDatabase(sqlite_url, personal="plain") as database:
        odd = row(lastUpdatedTime=date, packages=[{"shipTime": date}])
        await database.store(page(odd, row(orderId="2", lastUpdatedTime=date, **UNSHIPPED)))
        await database.sweep(now=NOW + timedelta(days=121))
        assert [await database.personal_data("s", order_id) for order_id in ("1", "2")] == [None, None]


async def test_unreadable_entries_are_emptied_after_the_retention(sqlite_url: str) -> None:
    """It counts from the first time that Amazon sent them; the other facts about them stay."""
    entry = Unreadable(reason="no JSON object", request_id="r", raw=MARK.encode())
    async with OrderDatabase(sqlite_url, personal=PersonalKeys([PersonalKeys.new()])) as database:
        for day in range(40):
            moment = NOW + timedelta(days=day)
            await database.store(OrderPage(seller="s", rows=(), checkpoint=None, at=moment, unreadable=[entry]))
            if day in (29, 31):
                await database.sweep(now=moment)
                async with database_engine(database).connect() as connection:
                    (found,) = (await connection.execute(unreadable.select())).all()
                assert (found.raw is None, found.size) == (day == 31, len(MARK))


async def test_rebuilding_moves_personal_data_out_of_payloads(database_url: str) -> None:
    """They are of whole orders, of lists of v0, and of lines of reports, whose items do not change."""
    async with OrderDatabase(database_url) as database:
        coarse = msgspec.structs.replace(V0.row(b'{"AmazonOrderId":"2"}', items=()), detail=Detail.REPORT)
        (line,) = order_rows([{"amazon-order-id": "3", "sku": "S"}])
        left = {
            "1": {**ORDER, "buyerPhone": MARK},
            "2": {"AmazonOrderId": "2", "OtherBuyer": {"BuyerName": MARK}},
            "3": {"lines": [{"amazon-order-id": "3", "sku": "S", "Ship-City": MARK}]},
        }
        await database.store(page(row(), coarse, line))
        async with database_engine(database).begin() as connection:
            for order_id, content in left.items():
                payload = msgspec.json.encode(content).decode()
                await connection.exec_driver_sql(
                    f"UPDATE orders SET payload = '{payload}' WHERE order_id = '{order_id}'"
                )
        assert await database.rebuild() == 3
        async with database_engine(database).connect() as connection:
            found = {each.order_id: each for each in await connection.execute(orders.select())}
    assert MARK not in repr(found)
    assert [found[order_id].detail for order_id in "123"] == ["whole", "report", "report"]
    assert "sku" in repr(found["3"].payload)


async def test_personal_data_past_its_retention_is_not_written(sqlite_url: str) -> None:
    """A history has orders of two years."""
    async with OrderDatabase(sqlite_url, personal="plain") as database:
        await database.store(page(row(), at=datetime(2027, 1, 1, tzinfo=UTC)))
        assert await database.personal_data("s", "1") is None


@pytest.mark.parametrize("keys", [[], ["short"], "one text"])
def test_invalid_keys_are_refused_with_the_command_that_makes_one(keys: Any) -> None:
    """The error shows none of them."""
    with pytest.raises(ConfigurationError, match="spapi-async keys new") as refusal:
        PersonalKeys(keys)
    assert "short" not in str(refusal.value)


def test_keys_come_from_the_environment() -> None:
    """They are separated by commas or spaces; without the variable there are none."""
    one, two = PersonalKeys.new().reveal(), PersonalKeys.new().reveal()
    assert PersonalKeys.from_env({}) is None
    keys = PersonalKeys.from_env({"SP_API_PERSONAL_KEYS": f"{one}, {two}"})
    assert keys is not None
    assert keys.decrypt(PersonalKeys([two]).encrypt(b"x")) == b"x"
    assert one not in repr(keys)


def test_a_retention_of_zero_is_refused() -> None:
    """It would delete data as soon as it is written."""
    with pytest.raises(ConfigurationError, match="retention"):
        PersonalData.wanted("plain", timedelta(0))


async def test_the_change_feed_and_the_file_hold_no_personal_data(sqlite_url: str) -> None:
    """The order had some, and was changed in every way."""
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
