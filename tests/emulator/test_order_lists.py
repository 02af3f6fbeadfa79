"""Irregularities of order lists that a sync must survive: each is off by default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from direct import EVERYWHERE, Direct, HandClock, running

V0, V2026 = "/orders/v0/orders", "/orders/2026-01-01/orders"
NOW = datetime.fromtimestamp(HandClock().time(), UTC)


async def first_page(api: Direct, path: str, **query: Any) -> tuple[list[str], str, str]:
    """The ids of a first page of ten, its token, and the end of its window."""
    if path == V2026:
        page = (await api.get(path, lastUpdatedAfter="2020-01-01T00:00:00Z", maxResultsPerPage=10, **query)).json
        token = page.get("pagination", {}).get("nextToken", "")
        return [order["orderId"] for order in page["orders"]], token, page["lastUpdatedBefore"]
    names: dict[str, Any] = {
        "LastUpdatedAfter": "2020-01-01T00:00:00Z",
        "MarketplaceIds": EVERYWHERE,
        "MaxResultsPerPage": 10,
    }
    page = (await api.get(path, **names, **query)).json["payload"]
    return [order["AmazonOrderId"] for order in page["Orders"]], page.get("NextToken", ""), page["LastUpdatedBefore"]


async def second_page(api: Direct, path: str, token: str) -> list[str]:
    """The ids of the page after it."""
    query = {"paginationToken" if path == V2026 else "NextToken": token}
    return (await first_page(api, path, **query))[0]


def change(api: Direct, order_id: str, at: datetime) -> None:
    """Change one order, and its status if possible."""
    (seller,) = api.emulator.world.sellers
    order = seller.orders.get(order_id)
    assert order is not None
    seller.orders.touch(order, at.timestamp())


def of_status(api: Direct, *statuses: str) -> str:
    """An order that has one of these statuses."""
    (seller,) = api.emulator.world.sellers
    return next(order.order_id for order in seller.orders.since(0) if order.status in statuses)


@pytest.mark.parametrize("path", [V0, V2026])
@pytest.mark.parametrize(("page_shift", "lost"), [(False, 0), (True, 1)])
async def test_an_order_that_leaves_a_page_moves_the_next_one_onto_it(path: str, page_shift: bool, lost: int) -> None:
    """With page shift an order that did not change is on neither page; without it each order keeps its place."""
    async with running(orders=30, throttle=False, clock=HandClock(), page_shift=page_shift) as api:
        first, token, bound = await first_page(api, path)
        change(api, first[3], datetime.fromisoformat(bound) + timedelta(seconds=30))
        seen = {*first, *await second_page(api, path, token)}
        (seller,) = api.emulator.world.sellers
        oldest = [order.order_id for order in seller.orders.since(0)][:19]  # one of the twenty has left
        assert len(set(oldest) - seen) == lost


async def test_with_page_shift_the_last_page_has_no_token() -> None:
    """Neither has a page that was the second to last before orders left."""
    async with running(orders=20, throttle=False, clock=HandClock(), page_shift=True) as api:
        first, token, bound = await first_page(api, V2026)
        last, end, _ = await first_page(api, V2026, paginationToken=token)
        assert (len({*first, *last}), end) == (20, "")
        for order_id in first:
            change(api, order_id, datetime.fromisoformat(bound) + timedelta(seconds=30))
        assert await second_page(api, V2026, token) == []


async def test_a_change_is_listed_late_and_found_by_id_at_once() -> None:
    """Each change has a random delay within the lag; searches by creation time have none."""
    clock = HandClock()
    async with running(orders=30, throttle=False, clock=clock, list_lag=300.0, search_delay=0.0, anchor=NOW) as api:
        clock.now = 400.0
        assert len((await search(api))["orders"]) == 30
        added = set(api.emulator.change_orders(add=20)["added"])
        for order_id in added:
            assert (await api.get(f"{V2026}/{order_id}")).status == 200
        listed = []
        for seconds in (0, 100, 200, 301):
            clock.now = 400.0 + seconds
            listed.append(len(added & {order["orderId"] for order in (await search(api))["orders"]}))
        assert listed[0] <= listed[1] <= listed[2] < listed[3] == 20
        assert listed[0] < listed[2]
        clock.now = 400.0
        created = (await api.get(V2026, createdAfter="2020-01-01T00:00:00Z")).json["orders"]
        assert added <= {order["orderId"] for order in created}


async def search(api: Direct) -> Any:
    """All orders by their update, on one page."""
    return (await api.get(V2026, lastUpdatedAfter="2020-01-01T00:00:00Z")).json


@pytest.mark.parametrize("path", [V0, V2026])
async def test_the_orders_of_a_page_come_in_no_order(path: str) -> None:
    """Each page holds the same orders as when sorted."""
    pages = []
    for shuffled in (False, True):
        async with running(orders=20, throttle=False, clock=HandClock(), shuffled_pages=shuffled) as api:
            first, token, _ = await first_page(api, path)
            pages.append((first, await second_page(api, path, token)))
    for in_order, shuffled_page in zip(*pages, strict=True):
        assert set(in_order) == set(shuffled_page)
        assert in_order != shuffled_page


@pytest.mark.parametrize("path", [V0, V2026])
async def test_pages_may_come_in_no_order(path: str) -> None:
    """The first page may have none of the oldest orders; both pages together have them all."""
    pages = []
    for unsorted in (False, True):
        async with running(orders=20, throttle=False, clock=HandClock(), unsorted_lists=unsorted) as api:
            first, token, _ = await first_page(api, path)
            pages.append((set(first), set(await second_page(api, path, token))))
    (oldest, newest), (some, others) = pages
    assert some != oldest
    assert some | others == oldest | newest


@pytest.mark.parametrize(("statuses", "moves"), [(("Shipped", "Canceled"), False), (("Unshipped", "Pending"), True)])
async def test_v0_dates_changes_of_status_alone(statuses: tuple[str, ...], moves: bool) -> None:
    """Another change moves neither the date in v0 nor the place in its list; 2026-01-01 shows any change."""
    at = NOW - timedelta(minutes=10)
    async with running(orders=200, throttle=False, clock=HandClock(), v0_status_dates=True) as api:
        await api.get(V2026, lastUpdatedAfter="2020-01-01T00:00:00Z")
        order_id = of_status(api, *statuses)
        before = (await api.get(f"{V0}/{order_id}")).json["payload"]["LastUpdateDate"]
        change(api, order_id, at)
        stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (await api.get(f"{V2026}/{order_id}")).json["order"]["lastUpdatedTime"] == stamp
        assert (await api.get(f"{V0}/{order_id}")).json["payload"]["LastUpdateDate"] == (stamp if moves else before)
        listed = (await api.get(V0, LastUpdatedAfter=stamp, MarketplaceIds=EVERYWHERE)).json["payload"]["Orders"]
        assert [order["AmazonOrderId"] for order in listed] == ([order_id] if moves else [])
        assert [order["orderId"] for order in (await api.get(V2026, lastUpdatedAfter=stamp)).json["orders"]] == [
            order_id
        ]
        listed = (await api.get(V0, LastUpdatedAfter=before, MarketplaceIds=EVERYWHERE)).json["payload"]["Orders"]
        dates = [order["LastUpdateDate"] for order in listed]
        assert dates == sorted(dates)
        assert order_id in [order["AmazonOrderId"] for order in listed]


async def test_v0_dates_any_change_by_default() -> None:
    """Both versions then agree."""
    at = NOW - timedelta(minutes=10)
    async with running(orders=200, throttle=False, clock=HandClock()) as api:
        await api.get(V2026, lastUpdatedAfter="2020-01-01T00:00:00Z")
        order_id = of_status(api, "Shipped")
        change(api, order_id, at)
        shown = (await api.get(f"{V0}/{order_id}")).json["payload"]["LastUpdateDate"]
        assert shown == at.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_orders_are_spread_over_the_given_days() -> None:
    """It may be two years, or one day."""
    for days in (1.0, 730.0):
        async with running(orders=300, throttle=False, days=days, anchor=NOW - timedelta(hours=1)) as api:
            await api.get(V2026, lastUpdatedAfter="2020-01-01T00:00:00Z")
            (seller,) = api.emulator.world.sellers
            updates = [order.updated for order in seller.orders.since(0)]
        assert days * 86400 * 0.9 < updates[-1] - updates[0] < days * 86400
