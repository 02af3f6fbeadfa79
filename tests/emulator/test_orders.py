"""The seeded orders, through both versions of the Orders API."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from direct import CA, EVERYWHERE, US, Direct, HandClock, running

from spapi_async.emulator.data.orders import StoredOrder
from spapi_async.marketplaces import Marketplace
from spapi_async.models import orders_2026_01_01, orders_v0

V0, V2026 = "/orders/v0/orders", "/orders/2026-01-01/orders"
SECTIONS = "BUYER,RECIPIENT,PROCEEDS,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES,TAX,PAYMENT"


async def _search(api: Direct, **query: Any) -> list[dict[str, Any]]:
    """All orders by searchOrders, page after page."""
    found: list[dict[str, Any]] = []
    query = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", **query}
    while True:
        page = (await api.get(V2026, **query)).json
        found += page["orders"]
        if "pagination" not in page:
            return found
        query["paginationToken"] = page["pagination"]["nextToken"]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_both_versions_show_the_same_orders() -> None:
    """v0 and 2026-01-01 list the same orders, each once, in the order of their last update."""
    async with running(orders=250, throttle=False) as api:
        old = [order["AmazonOrderId"] for order in await api.orders()]
        new = [order["orderId"] for order in await _search(api, maxResultsPerPage=60)]
        assert old == new
        assert len(set(new)) == 250
        assert all(re.fullmatch(r"\d{3}-\d{7}-\d{7}", order_id) for order_id in new)


async def test_orders_lie_in_the_sixty_days_before_the_anchor() -> None:
    """Updates are spread over the days before midnight UTC, and no order is updated before it was created."""
    anchor = datetime(2026, 9, 20, tzinfo=UTC)
    async with running(orders=300, anchor=anchor, clock=HandClock(), throttle=False) as api:
        orders = await api.orders()
        updates = [_moment(order["LastUpdateDate"]) for order in orders]
        assert updates == sorted(updates)
        ages = [(anchor - update).total_seconds() / 86400 for update in updates]
        assert min(ages) > 0
        assert 55 < max(ages) <= 60
        assert all(_moment(o["PurchaseDate"]) <= _moment(o["LastUpdateDate"]) for o in orders)


async def test_one_seed_one_data_set() -> None:
    """Equal seeds give equal orders on one day; another seed gives others."""
    sets = []
    for seed in (1, 1, 2):
        async with running(seed=seed, clock=HandClock()) as api:
            sets.append(await api.orders())
    assert sets[0] == sets[1]
    assert not {o["AmazonOrderId"] for o in sets[0]} & {o["AmazonOrderId"] for o in sets[2]}


async def test_filters_of_v0() -> None:
    """Marketplaces, statuses, channels and ids each narrow the list."""
    async with running(orders=200, throttle=False, violations=False) as api:
        everything = await api.orders()
        for name, value, key in (
            ("MarketplaceIds", CA, "MarketplaceId"),
            ("OrderStatuses", "Shipped", "OrderStatus"),
            ("FulfillmentChannels", "MFN", "FulfillmentChannel"),
            ("AmazonOrderIds", everything[5]["AmazonOrderId"], "AmazonOrderId"),
            ("SellerOrderId", everything[6]["AmazonOrderId"], "AmazonOrderId"),
        ):
            expected = [order for order in everything if order[key] == value]
            if name == "SellerOrderId":
                expected = [everything[6]]
            assert await api.orders(**{name: value}) == expected, name
            assert 0 < len(expected) < 200


async def test_time_window() -> None:
    """After and before are inclusive, for updates and for creations."""
    async with running(orders=100, throttle=False, violations=False) as api:
        orders = await api.orders()
        start, end = orders[20]["LastUpdateDate"], orders[60]["LastUpdateDate"]
        assert await api.orders(LastUpdatedAfter=start, LastUpdatedBefore=end) == orders[20:61]
        created = sorted(orders, key=lambda order: (order["PurchaseDate"], order["AmazonOrderId"]))
        middle = created[30]["PurchaseDate"]
        query = {"MarketplaceIds": EVERYWHERE, "CreatedAfter": middle}
        payload = (await api.get(V0, **query)).json["payload"]
        assert payload["Orders"] == created[30:]
        assert "CreatedBefore" in payload


async def test_the_window_is_checked() -> None:
    """By Amazon's rules there is one start, no mixing, and an end that is two minutes old and after the start."""
    async with running(clock=HandClock()) as api:
        for query in (
            {},
            {"CreatedAfter": "2020-01-01", "LastUpdatedAfter": "2020-01-01"},
            {"CreatedAfter": "2020-01-01", "LastUpdatedBefore": "2021-01-01"},
            {"LastUpdatedAfter": "2020-01-01", "LastUpdatedBefore": "2019-01-01"},
            {"LastUpdatedAfter": "2020-01-01", "LastUpdatedBefore": "2099-01-01"},
            {"LastUpdatedAfter": "yesterday"},
        ):
            answer = await api.get(V0, MarketplaceIds=US, **query)
            assert (answer.status, answer.error["code"]) == (400, "InvalidInput"), query


async def test_the_search_lags_behind() -> None:
    """A change appears two minutes later; the reply says up to which time it looked."""
    clock = HandClock()
    async with running(clock=clock, throttle=False) as api:
        api.emulator.change_orders(add=1)
        assert len(await _search(api)) == 20
        clock.now += 121
        page = (await api.get(V2026, lastUpdatedAfter="2020-01-01T00:00:00Z")).json
        assert len(page["orders"]) == 21
        assert _moment(page["lastUpdatedBefore"]).timestamp() == clock.time() - 120


async def test_changes_while_paging_lose_nothing() -> None:
    """An order changed between two pages leaves the first page's window; all others keep their place."""
    clock = HandClock()
    async with running(clock=clock, orders=30, throttle=False, search_delay=0) as api:
        query: dict[str, Any] = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", "maxResultsPerPage": 10}
        first = (await api.get(V2026, **query)).json
        clock.now += 5
        changes = api.emulator.change_orders(update=10, add=3)
        query["paginationToken"] = first["pagination"]["nextToken"]
        rest: list[str] = []
        while True:
            page = (await api.get(V2026, **query)).json
            rest += [order["orderId"] for order in page["orders"]]
            assert page["lastUpdatedBefore"] == first["lastUpdatedBefore"]
            if "pagination" not in page:
                break
            query["paginationToken"] = page["pagination"]["nextToken"]
        before = [order["orderId"] for order in first["orders"]]
        assert not set(before) & set(rest)
        everything = {order["orderId"] for order in await _search(api)}
        assert len(everything) == 33
        # Orders missing from these pages have changed after the window's end, where the next search begins.
        assert everything - {*before, *rest} <= {*changes["updated"], *changes["added"]}


async def test_paging_tokens_belong_to_their_query() -> None:
    """Filters must be repeated, data sets and page size may change, and a search token expires after a day."""
    clock = HandClock()
    async with running(clock=clock, throttle=False) as api:
        query: dict[str, Any] = {"lastUpdatedAfter": "2020-01-01T00:00:00Z", "maxResultsPerPage": 5}
        token = (await api.get(V2026, **query)).json["pagination"]["nextToken"]
        assert set("+/=") <= set(token)
        other = {**query, "paginationToken": token, "maxResultsPerPage": 7, "includedData": "BUYER"}
        assert len((await api.get(V2026, **other)).json["orders"]) == 7
        changed = await api.get(V2026, **{**query, "paginationToken": token, "marketplaceIds": US})
        assert changed.error["message"] == "The paging token does not belong to this query."
        clock.now += 86400
        api.token = await api.log_in()
        assert (await api.get(V2026, **other)).error["message"] == "The paging token has expired."


async def test_orders_change_from_outside() -> None:
    """``POST /_emulator/orders`` adds and changes orders; changed ones have the new time."""
    async with running(throttle=False) as api:
        change = {"add": 2, "update": 3, "at": "2026-01-02T03:04:05Z"}
        changed = (await api.send("POST", "/_emulator/orders", body={**change})).json
        assert (len(changed["added"]), len(changed["updated"])) == (2, 3)
        orders = {order["AmazonOrderId"]: order for order in await api.orders()}
        assert len(orders) == 22
        touched = {i for i, order in orders.items() if order["LastUpdateDate"] == "2026-01-02T03:04:05Z"}
        assert touched == {*changed["added"], *changed["updated"]}


async def test_items_are_the_same_in_both_versions() -> None:
    """Items, quantities and prices agree, to the cent; a dozen items are two pages in v0."""
    async with running(orders=120, throttle=False, violations=False) as api:
        paged = 0
        for order in await _search(api, includedData="PROCEEDS"):
            items: list[dict[str, Any]] = []
            query: dict[str, str] = {}
            while True:
                payload = (await api.get(f"{V0}/{order['orderId']}/orderItems", **query)).json["payload"]
                items += payload["OrderItems"]
                if "NextToken" not in payload:
                    break
                query["NextToken"] = payload["NextToken"]
                paged += 1
            assert [i["OrderItemId"] for i in items] == [i["orderItemId"] for i in order["orderItems"]]
            assert [i["ASIN"] for i in items] == [i["product"]["asin"] for i in order["orderItems"]]
        assert paged == 2  # numbers 13 and 110


async def test_every_order_decodes_strictly_without_violations() -> None:
    """With ``violations=False`` every body of both versions fits its model."""
    async with running(orders=300, throttle=False, violations=False) as api:
        for order in await api.orders():
            msgspec.convert(order, orders_v0.Order)
            items = await api.get(f"{V0}/{order['AmazonOrderId']}/orderItems")
            msgspec.json.decode(items.body, type=orders_v0.GetOrderItemsResponse)
        for order in await _search(api, includedData=SECTIONS):
            msgspec.convert(order, orders_2026_01_01.Order)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("FulfillmentChannel", "SellerFulfilled"),
        ("PurchaseDate", "without seconds"),
        ("OrderTotal", "number"),
    ],
)
async def test_known_violations_of_v0_occur(path: str, expected: str) -> None:
    """A few percent of the orders break the model, as real ones do."""
    async with running(orders=200, throttle=False) as api:
        orders = await api.orders()
    seen = {
        "SellerFulfilled": [o for o in orders if o["FulfillmentChannel"] == "SellerFulfilled"],
        "without seconds": [o for o in orders if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", o["PurchaseDate"])],
        "number": [o for o in orders if not isinstance(o.get("OrderTotal", {}).get("Amount", ""), str)],
    }[expected]
    assert 0 < len(seen) < 12, path


async def test_the_data_set_moves_on_when_searches_have_caught_up_with_the_day() -> None:
    """It does so two minutes after midnight UTC: until then the day's last orders could not be found."""
    newest = []
    for seconds in (-1, 119, 121):
        clock = HandClock()
        clock.now = datetime(2026, 9, 20, tzinfo=UTC).timestamp() + seconds - clock.time()
        async with running(orders=20, clock=clock, throttle=False) as api:
            newest.append(datetime.fromisoformat((await api.orders())[-1]["LastUpdateDate"]))
    assert newest[1] == newest[0]
    assert newest[2] == newest[0] + timedelta(days=1)


async def test_known_violations_of_items_and_2026_occur() -> None:
    """They are missing ASINs, unknown reseller categories, dates without seconds, and an unknown program."""
    async with running(orders=120, throttle=False) as api:
        items: list[dict[str, Any]] = []
        for order in await api.orders():
            items += (await api.get(f"{V0}/{order['AmazonOrderId']}/orderItems")).json["payload"]["OrderItems"]
        assert any("ASIN" not in item for item in items)
        assert any(item.get("DeemedResellerCategory", "IOSS") not in ("IOSS", "UOSS") for item in items)
        new = await _search(api)
        assert any("INVOICE_BY_AMAZON" in order["programs"] for order in new)
        assert any(len(order["createdTime"]) == len("2026-01-01T00:00Z") for order in new)


async def test_wrong_order_ids() -> None:
    """An invalid order id gets 400, an unknown one 404 without an error type."""
    async with running() as api:
        assert (await api.get(f"{V0}/12345")).status == 400
        unknown = await api.get(f"{V0}/111-1111111-1111111")
        assert (unknown.status, unknown.error["code"]) == (404, "NotFound")
        assert "X-Amzn-ErrorType" not in unknown.headers


async def test_confirming_a_shipment_changes_the_order() -> None:
    """The reply is 204 without a body, and the order is shipped and newly updated."""
    async with running(orders=100, throttle=False, search_delay=0) as api:
        order = next(o for o in await api.orders() if o["OrderStatus"] == "Unshipped")
        detail = {
            "packageReferenceId": "1",
            "carrierCode": "UPS",
            "trackingNumber": "1Z",
            "shipDate": "2026-01-01T00:00:00Z",
            "orderItems": [{"orderItemId": "1", "quantity": 1}],
        }
        path = f"{V0}/{order['AmazonOrderId']}/shipmentConfirmation"
        answer = await api.send("POST", path, body={"packageDetail": detail, "marketplaceId": US})
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["Content-Type"] == "application/json"
        assert "Content-Length" not in answer.headers
        assert (await api.orders())[-1]["OrderStatus"] == "Shipped"


@pytest.mark.parametrize(
    ("place", "amount", "written"),
    [("US", 1234, "12.34"), ("US", 5, "0.05"), ("US", 120_000, "1200.00"), ("JP", 1234, "1234")],
)
def test_an_amount_has_the_decimals_of_its_currency(place: str, amount: int, written: str) -> None:
    """Yen have none."""
    order = StoredOrder(1, "seller", 0, [Marketplace[place]], 1_790_000_000.0, spread=86400.0)
    assert order.money(amount) == written


def test_a_discount_is_a_tenth_of_the_price() -> None:
    """One line in ten has one; the tax is eight percent, and the total is what all of them come to."""
    orders = [
        StoredOrder(1, "seller", number, [Marketplace.US], 1_790_000_000.0, spread=86400.0) for number in range(99)
    ]
    lines = [line for order in orders for line in order.lines]
    assert all(line.discount in (0, line.price // 10) for line in lines)
    assert 0.05 < sum(line.discount > 0 for line in lines) / len(lines) < 0.15
    assert [line.tax for line in lines] == [line.price * 8 // 100 for line in lines]
    assert orders[0].total == sum(each.price + each.tax + each.shipping - each.discount for each in orders[0].lines)
