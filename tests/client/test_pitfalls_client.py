"""Known failures of other clients, tested with the whole of this one: quota, tokens, requests over real HTTP."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from spapi_async import (
    Application,
    Marketplace,
    OutcomeUnknownError,
    RateLimitWaitError,
    RetryPolicy,
    SellingPartner,
    SPAPIError,
    call_options,
)
from spapi_async._core.clock import Clock, SystemClock
from spapi_async.api.orders_v0 import GET_ORDERS
from spapi_async.emulator import Emulator

ORDERS: dict[str, Any] = {"marketplace_ids": [Marketplace.US], "created_after": "2020-01-01T00:00:00Z"}
RDT = "tokens_2021_03_01.create_restricted_data_token"
PURCHASE = {"requestToken": "t", "rateId": "r", "requestedDocumentSpecification": {}}
QUICK = RetryPolicy(base=0.001)


class Calendar(SystemClock):
    """A clock in real time whose date, by which tokens expire, a test can move."""

    def __init__(self) -> None:
        self.date = 1_790_000_000.0

    def time(self) -> float:
        return self.date


@asynccontextmanager
async def running(
    *, retry: RetryPolicy = QUICK, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[tuple[Emulator, Application]]:
    """An emulator, and an application that talks to it and wastes no time between attempts."""
    async with (
        Emulator(**{"orders": 20, "rate_scale": 1000, "clock": clock, **settings}) as emulator,
        Application("app", "secret", endpoint=emulator.url, retry=retry, clock=clock) as app,
    ):
        yield emulator, app


def seen(emulator: Emulator, operation: str) -> int:
    """Requests that reached an operation."""
    return sum(request.operation == operation for request in emulator.received)


async def test_pages_within_the_burst_are_not_paced() -> None:
    """Pages of a plan of one request a minute are fetched at once, since its burst is twenty."""
    async with running(rate_scale=1, orders=100) as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        pages = seller.orders_v0.iter_orders(**ORDERS, max_results_per_page=5)
        async with asyncio.timeout(50):
            ids = [order.amazon_order_id async for order in pages]
    assert len(ids) == len(set(ids))
    assert seen(emulator, "orders_v0.get_orders") > 5


async def test_a_plan_that_the_header_raises_is_used_at_once() -> None:
    """Thirty calls pass where the published plan admits twenty and then one a minute."""
    async with running(rate_scale=5000) as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        async with asyncio.timeout(120):
            for _ in range(30):
                await seller.orders_v0.get_orders(**ORDERS, max_results_per_page=1)
    assert emulator.stats()["operations"]["orders_v0.get_orders"]["throttled"] == 0


async def test_invalid_rate_headers_are_ignored() -> None:
    """After `string`, an empty one, zero and none at all, the last number counts."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        for spoiled in ("string", "", "0", "-1", "nan", "inf", None):
            emulator.faults({"headers": {"x-amzn-RateLimit-Limit": spoiled}})
            await seller.orders_v0.get_orders(**ORDERS)
            (limit,) = app.limits()
            assert limit.rate == pytest.approx(0.0167)
        assert (await seller.call(GET_ORDERS, **ORDERS)).rate_limit == pytest.approx(16.7)
        assert app.limits()[0].rate == pytest.approx(16.7)


async def test_retries_are_counted_for_each_call_alone() -> None:
    """Of concurrent calls through one handle, none has more attempts than its four."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        emulator.faults({"operation": "orders_v0.get_orders", "status": 503, "body": "html", "times": 10})
        async with asyncio.timeout(120):
            calls = [seller.call(GET_ORDERS, **ORDERS) for _ in range(5)]
            done = await asyncio.gather(*calls, return_exceptions=True)
    attempts = [end.attempts for end in done if not isinstance(end, BaseException)]
    failed = [end.attempts or 0 for end in done if isinstance(end, SPAPIError)]
    assert sum(attempts) + sum(failed) == seen(emulator, "orders_v0.get_orders")
    assert set(failed) <= {4}
    assert max(attempts, default=0) <= 4


async def test_cancelled_calls_leave_the_next_caller_its_quota() -> None:
    """After sixty cancelled searches of a plan of one a minute, the next one waits for a minute, not for forty."""
    async with running(rate_scale=1) as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        calls = [asyncio.create_task(seller.orders_v0.get_orders(**ORDERS)) for _ in range(60)]
        while seen(emulator, "orders_v0.get_orders") < 20:
            await asyncio.sleep(0.001)
        assert app.limits()[0].waiting == 40
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        with call_options(max_wait=1), pytest.raises(RateLimitWaitError) as refusal:
            await seller.orders_v0.get_orders(**ORDERS)
        (limit,) = app.limits()
    assert refusal.value.retry_after is not None
    assert refusal.value.retry_after < 1.5 * 60
    assert (limit.admitted, limit.waiting) == (20, 0)


async def test_calls_cancelled_before_they_begin_leave_the_next_caller_the_burst() -> None:
    """Sixty tasks that never ran have taken nothing."""
    async with running(rate_scale=1) as (_, app):
        seller = app.selling_partner("Atzr|a", region="na")
        calls = [asyncio.create_task(seller.orders_v0.get_orders(**ORDERS)) for _ in range(60)]
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        async with asyncio.timeout(50):
            await seller.orders_v0.get_orders(**ORDERS)
        (limit,) = app.limits()
    assert (limit.admitted, limit.waiting) == (1, 0)


async def test_calls_cancelled_at_random_lose_no_quota_and_break_no_other() -> None:
    """They may wait for quota, a token, a reply or a retry."""
    patient = RetryPolicy(base=0.001, attempts=50)  # one in 10 fails, and no call may use up all attempts
    calendar = Calendar()
    async with running(retry=patient, clock=calendar, latency=(0.0, 0.01)) as (emulator, app):
        emulator.faults({"probability": 0.1, "times": None, "status": 503}, {"operation": "lwa", "status": 500})
        sellers = [app.selling_partner(f"Atzr|{number}", region="na") for number in range(5)]
        calls = [asyncio.create_task(each.orders_v0.get_orders(**ORDERS)) for each in sellers for _ in range(40)]
        chance = random.Random(7)
        for _ in range(60):
            await asyncio.sleep(0.002)
            chance.choice(calls).cancel()
        while any(limit.rate < 1 for limit in app.limits()):  # a refused token's reply does not tell the rate, 16.7/s
            await asyncio.sleep(0.002)
        calendar.date += 3600  # every token expires, once: a call whose token is refused twice may fail
        for _ in range(30):
            await asyncio.sleep(0.002)
            chance.choice(calls).cancel()
        async with asyncio.timeout(120):
            ends = await asyncio.gather(*calls, return_exceptions=True)
        waiting = [limit.waiting for limit in app.limits()]
    assert {type(end) for end in ends if isinstance(end, BaseException)} == {asyncio.CancelledError}
    assert waiting == [0] * 5


async def test_many_sellers_in_turns_cost_one_token_each() -> None:
    """In five rounds of thirty sellers, no token is fetched twice."""
    async with running(throttle=False) as (emulator, app):
        for _ in range(5):
            for number in range(30):
                seller = app.selling_partner(f"Atzr|{number}", region="na")
                await seller.sellers_v1.get_marketplace_participations()
        assert emulator.stats()["tokens"]["lwa_requests"] == 30


async def test_a_token_that_expires_during_a_run_is_renewed_without_an_error() -> None:
    """It happens several times, with few calls to the token endpoint."""
    calendar = Calendar()
    async with running(clock=calendar, rate_scale=100_000) as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        for _ in range(40):
            calls = [asyncio.create_task(seller.sellers_v1.get_marketplace_participations()) for _ in range(5)]
            await asyncio.sleep(0)
            calendar.date += 400  # during the calls: a token may be valid when it is sent and not when it arrives
            await asyncio.gather(*calls)
        assert 3 < emulator.stats()["tokens"]["lwa_requests"] < 40


async def test_a_withdrawn_grant_is_requested_once() -> None:
    """`invalid_grant` is not a server error, so it is not repeated."""
    async with running() as (emulator, app):
        with pytest.raises(SPAPIError, match="invalid_grant"):
            await app.selling_partner("no such token", region="na").sellers_v1.get_marketplace_participations()
        assert emulator.stats()["tokens"]["lwa_requests"] == 1


async def test_a_throttled_tokens_call_is_a_call_like_any_other() -> None:
    """It is limited and repeated: a 429 does not become an authentication error."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        order = (await seller.orders_v0.get_orders(**ORDERS)).orders[0].amazon_order_id
        await seller.tokens_2021_03_01.create_restricted_data_token(
            body={"restrictedResources": [{"method": "GET", "path": f"/orders/v0/orders/{order}/buyerInfo"}]}
        )  # its reply announces the emulator's faster plan
        emulator.faults({"operation": RDT, "status": 429}, {"operation": RDT, "status": 503})
        assert (await seller.orders_v0.get_order_address(order)).amazon_order_id == order
        assert seen(emulator, RDT) == 4
        assert RDT in {limit.operation for limit in app.limits()}


async def test_no_restricted_token_is_requested_where_none_is_needed() -> None:
    """Orders 2026-01-01 and lists of reports need none (Amazon would refuse one)."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        await seller.orders_2026_01_01.search_orders(**ORDERS)
        await seller.reports_2021_06_30.get_reports(report_types=["GET_FLAT_FILE_ORDERS_DATA"])
        assert emulator.stats()["tokens"]["rdt"] == 0


def purchase_shipment(seller: SellingPartner) -> Awaitable[Any]:
    return seller.shipping_v2.purchase_shipment(body=PURCHASE)


def create_feed(seller: SellingPartner) -> Awaitable[Any]:
    body = {"feedType": "JSON_LISTINGS_FEED", "marketplaceIds": [Marketplace.US], "inputFeedDocumentId": "d"}
    return seller.feeds_2021_06_30.create_feed(body=body)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503, "body": "html"}, {"disconnect": "after"}], ids=str)
@pytest.mark.parametrize("call", [purchase_shipment, create_feed])
async def test_a_write_with_an_unknown_outcome_is_sent_once(fault: dict[str, Any], call: Any) -> None:
    """The caller gets OutcomeUnknownError."""
    async with running() as (emulator, app):
        emulator.faults({**fault, "times": None})
        with pytest.raises(OutcomeUnknownError, match="check before repeating"):
            await call(app.selling_partner("Atzr|a", region="na"))
        assert len(emulator.received) == 1


async def test_a_read_is_repeated_after_a_dropped_connection() -> None:
    """The connection may even drop in the middle of the reply."""
    async with running() as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        emulator.faults({"disconnect": "before"}, {"disconnect": "after"}, {"truncate": True})
        assert (await seller.call(GET_ORDERS, **ORDERS)).attempts == 4


@pytest.mark.parametrize("sku", ["a/b", "100%", "+&,;=#?", "sp ace", "!'()*", "Ünïcödé-日本", "%2F"])
async def test_any_sku_reaches_its_listing(sku: str) -> None:
    """Every SKU survives the path of a request, HTTP, and the way back."""
    async with running() as (_, app):
        listings = app.selling_partner("Atzr|a", region="na").listings_items_2021_08_01
        body = {"productType": "LUGGAGE", "attributes": {"item_name": [{"value": "x"}]}}
        await listings.put_listings_item("A1", sku, marketplace_ids=[Marketplace.US], body=body)
        assert (await listings.get_listings_item("A1", sku, marketplace_ids=[Marketplace.US])).sku == sku


async def test_all_versions_share_the_connections_of_a_region() -> None:
    """Sequential calls over six API versions use one connection."""
    async with running(throttle=False) as (emulator, app):
        seller = app.selling_partner("Atzr|a", region="na")
        for _ in range(3):
            await seller.orders_v0.get_orders(**ORDERS)
            await seller.orders_2026_01_01.search_orders(**ORDERS)
            await seller.sellers_v1.get_marketplace_participations()
            await seller.reports_2021_06_30.get_reports(report_types=["GET_FLAT_FILE_ORDERS_DATA"])
        assert emulator.stats()["open_connections"] == 2  # the other one is for tokens
