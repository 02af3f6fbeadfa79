"""Every event reaches observers with either limiter, and names the seller as the handle does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spapi_async import (
    Application,
    CallFinished,
    DocumentFinished,
    Event,
    RateChanged,
    RequestFinished,
    Throttled,
    TokenIssued,
    ViolationsFound,
    Waited,
)
from spapi_async._engine.retry import RetryPolicy
from spapi_async.emulator import Emulator
from spapi_async.ratelimit import LocalRateLimiter, RedisRateLimiter

pytest_plugins = ("sync_fixtures",)

EVERY_KIND = {
    CallFinished,
    DocumentFinished,
    RateChanged,
    RequestFinished,
    Throttled,
    TokenIssued,
    ViolationsFound,
    Waited,
}


@pytest.mark.parametrize("kind", ["local", "redis"])
async def test_every_event_is_sent(kind: str, request: pytest.FixtureRequest) -> None:
    """One seller's day has calls, a wait, a 429, a learned rate, a broken page and a document."""
    make: Callable[[], LocalRateLimiter | RedisRateLimiter] = LocalRateLimiter
    if kind == "redis":
        url = request.getfixturevalue("redis_url")
        make = lambda: RedisRateLimiter(url)  # noqa: E731
    heard: list[Event] = []
    retry = RetryPolicy(attempts=2, base=0.001, throttled_attempts=5)
    async with (
        Emulator(orders=200, rate_scale=400, processing=0.0) as emulator,
        Application(
            "app", "secret", endpoint=emulator.url, limiter=make(), observers=[heard.append], retry=retry
        ) as app,
    ):
        seller = app.selling_partner("Atzr|one", region="NA", seller_id="A1EXAMPLE")
        order = (await seller.orders_2026_01_01.search_orders(created_after="2020-01-01")).orders[0]
        await seller.orders_2026_01_01.get_order(order.order_id)  # the reply announces the emulator's rate
        emulator.faults({"operation": "orders_2026_01_01.get_order", "status": 429, "times": 1})
        for _ in range(40):  # more than the burst of 30
            await seller.orders_2026_01_01.get_order(order.order_id)
        await seller.orders_v0.get_orders(marketplace_ids=["US", "CA", "MX"], created_after="2020-01-01")
        async with seller.reports.download("GET_MERCHANT_LISTINGS_ALL_DATA", marketplaces=["US"]) as document:
            await document.read()
        assert {type(event) for event in heard} == EVERY_KIND
        assert {event.account for event in heard} == {seller.name}
        assert {limit.account for limit in app.limits()} <= {seller.name, ""}
