"""Rows made from Amazon's JSON, whatever it contains."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spapi_async.workflows.orders._rows import V0, V2026, OrderRow, newest, read_time

ORDER: dict[str, Any] = {
    "orderId": "111-0000001-0000001",
    "createdTime": "2026-01-01T10:00:00Z",
    "lastUpdatedTime": "2026-01-02T10:00:00.5+01:00",
    "salesChannel": {"channelName": "AMAZON", "marketplaceId": "ATVPDKIKX0DER"},
    "fulfillment": {"fulfillmentStatus": "SHIPPED", "fulfilledBy": "AMAZON"},
    "proceeds": {"grandTotal": {"amount": "19.990", "currencyCode": "USD"}},
    "orderItems": [
        {
            "orderItemId": "7",
            "quantityOrdered": 2,
            "product": {
                "asin": "B01",
                "sellerSku": "a/b",
                "price": {"unitPrice": {"amount": "9.995", "currencyCode": "USD"}},
            },
            "fulfillment": {"quantityFulfilled": 1},
        }
    ],
}


def row(**changes: Any) -> OrderRow:
    """The rows of the order with some of its fields changed."""
    return V2026.row(msgspec.json.encode({**ORDER, **changes}))


def test_columns_are_filled_from_their_fields() -> None:
    """Times are in UTC and amounts exact."""
    order = row()
    assert (order.order_id, order.marketplace_id, order.status) == (ORDER["orderId"], "ATVPDKIKX0DER", "SHIPPED")
    assert order.last_updated_at == datetime(2026, 1, 2, 9, 0, 0, 500000, tzinfo=UTC)
    assert (order.total_amount, order.total_currency) == (Decimal("19.990"), "USD")
    item = order.items[0]
    assert (item.order_item_id, item.quantity_ordered, item.quantity_shipped) == ("7", 2, 1)
    assert (item.asin, item.seller_sku, item.price_amount) == ("B01", "a/b", Decimal("9.995"))


def test_payload_is_what_amazon_sent_to_the_byte() -> None:
    """Spaces, order of keys, numbers and unknown fields are kept."""
    sent = b'{ "news":1.10,"orderId" : "1", "orderItems":[ {"x":1e2} ] }'
    order = V2026.row(sent)
    assert order.payload == sent.decode()
    assert order.items[0].payload == '{"x":1e2}'


def test_v0_takes_its_items_from_beside_the_order() -> None:
    """Orders v0 sends items separately and has other names."""
    order = V0.row(
        b'{"AmazonOrderId":"1","OrderStatus":"Shipped","OrderTotal":{"Amount":"5.00","CurrencyCode":"EUR"}}',
        items=[b'{"OrderItemId":"9","ASIN":"B02","QuantityOrdered":"3","ItemPrice":{"Amount":5.10}}'],
    )
    assert (order.status, order.amazon_status) == ("SHIPPED", "Shipped")
    assert (order.total_amount, order.total_currency) == (Decimal("5.00"), "EUR")
    assert (order.items[0].quantity_ordered, order.items[0].price_amount) == (3, Decimal("5.10"))


@pytest.mark.parametrize("broken", [None, "", 5, [], "soon", {"a": 1}])
def test_broken_fields_are_null_and_the_order_stays(broken: object) -> None:
    """A field that breaks its model affects only its own column."""
    order = row(lastUpdatedTime=broken, fulfillment=broken, proceeds=broken, orderItems=broken)
    assert order.order_id == ORDER["orderId"]
    assert (order.last_updated_at, order.status, order.total_amount, order.items) == (None, None, None, ())


def test_unknown_status_is_stored_as_it_is() -> None:
    """Amazon adds values without notice."""
    assert row(fulfillment={"fulfillmentStatus": "TELEPORTED"}).status == "TELEPORTED"


def test_order_without_an_id_is_still_a_row() -> None:
    """Its key is made from its content, so that it is not doubled when it comes again."""
    first, second = row(orderId=None), row(orderId=None)
    assert not first.identified
    assert first.order_id == second.order_id
    assert first.order_id != row(orderId=None, programs=["x"]).order_id


def test_items_without_an_id_are_distinguished() -> None:
    """Amazon has sent items without an id; each has a row of its own."""
    order = row(orderItems=[{"quantityOrdered": 1}, {"quantityOrdered": 2}])
    assert [item.quantity_ordered for item in order.items] == [1, 2]


def test_money_as_a_json_number_is_exact() -> None:
    """No amount is converted to a binary float."""
    order = V2026.row(b'{"orderId":"1","proceeds":{"grandTotal":{"amount":0.1234567890123456789}}}')
    assert order.total_amount == Decimal("0.1234567890123456789")


def test_newest_version_of_an_order_wins_within_a_page() -> None:
    """The order of the page does not matter."""
    old, new = row(lastUpdatedTime="2026-01-01T00:00:00Z"), row(lastUpdatedTime="2026-01-03T00:00:00Z")
    assert newest([new, old]) == newest([old, new]) == [new]


def test_an_undated_version_counts_as_the_newest() -> None:
    """It may be newer, and a stored version with a later date would hide it for ever."""
    dated, undated = row(lastUpdatedTime="2026-01-03T00:00:00Z"), row(lastUpdatedTime="soon")
    assert newest([dated, undated]) == newest([undated, dated]) == [undated]


def test_rows_are_in_the_order_of_their_ids() -> None:
    """Two processes that write the same orders lock them in the same order, and never deadlock."""
    rows = [row(orderId=name) for name in ("3", "1", "2")]
    assert [each.order_id for each in newest(rows)] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("text", "hour"), [("2026-01-01", 0), ("2026-01-01T05:00", 5), ("2026-01-01T05:00:00.1234567Z", 5)]
)
def test_dates_without_zone_or_seconds_are_read_as_utc(text: str, hour: int) -> None:
    """Amazon leaves out zones and seconds, and sends fractions of any length."""
    moment = read_time(text)
    assert moment is not None
    assert (moment.hour, moment.tzinfo) == (hour, UTC)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ORDER, "amount"]), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_makes_a_row(value: Any) -> None:
    """No JSON value makes the extraction fail; its text is kept whole unless something in it may be personal."""
    payload = msgspec.json.encode(value)
    order, of_v0 = V2026.row(payload), V0.row(payload, items=[payload])
    assert order.personal or order.payload == payload.decode()
    assert of_v0.personal or of_v0.items[0].payload == payload.decode()


def test_of_two_versions_of_one_date_the_later_listed_is_kept() -> None:
    """Amazon's list is sorted by the time of changes."""
    first, second = row(fulfillment={"fulfillmentStatus": "A"}), row(fulfillment={"fulfillmentStatus": "B"})
    assert [each.status for each in newest([first, second])] == ["B"]


@pytest.mark.parametrize(
    ("value", "kept"), [(2**31 - 1, 2**31 - 1), (2**31, None), (1.5, None), ("7", 7), (True, None)]
)
def test_a_quantity_fits_its_column(value: object, kept: int | None) -> None:
    """A larger one is only in the payload, and affects no other column."""
    (item,) = row(orderItems=[{"orderItemId": "1", "quantityOrdered": value}]).items
    assert item.quantity_ordered == kept


@pytest.mark.parametrize(("amount", "kept"), [("1e29", True), ("1e30", False), ("1e-30", False), ("NaN", False)])
def test_an_amount_fits_its_column(amount: str, kept: bool) -> None:
    """No order costs a one with thirty zeros."""
    found = row(proceeds={"grandTotal": {"amount": amount, "currencyCode": "EUR"}})
    assert (found.total_amount is not None) is kept
    assert found.total_currency == "EUR"
