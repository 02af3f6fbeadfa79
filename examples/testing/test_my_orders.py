"""Tests of your own code against the emulator: its result, and its behaviour when Amazon fails or throttles.

Copy it beside your own code and run it: ``pytest -o asyncio_mode=auto test_my_orders.py``, with pytest and
pytest-asyncio installed. The fixture ``spapi_emulator`` comes with spapi_async; nothing has to be imported or
configured for it.
"""

import asyncio

import pytest

from spapi_async import Application, RateLimitWaitError, SellingPartner, call_options
from spapi_async.emulator import Emulator


async def count_orders(seller: SellingPartner) -> int:
    """The code under test."""
    return len([order async for order in seller.orders_2026_01_01.iter_orders(created_after="2020-01-01")])


@pytest.mark.spapi_emulator(orders=50)
async def test_every_order_is_counted(spapi_emulator: Emulator) -> None:
    """The marker takes the arguments of ``Emulator``."""
    async with Application("any", "any", endpoint=spapi_emulator.url) as app:
        assert await count_orders(app.selling_partner("Atzr|one", region="NA")) == 50


@pytest.mark.spapi_emulator(orders=50)
async def test_two_failures_change_nothing(spapi_emulator: Emulator) -> None:
    """The client repeats idempotent calls; the emulator counts the requests."""
    spapi_emulator.faults({"operation": "orders_2026_01_01.search_orders", "status": 503, "times": 2})
    async with Application("any", "any", endpoint=spapi_emulator.url) as app:
        assert await count_orders(app.selling_partner("Atzr|one", region="NA")) == 50
    assert spapi_emulator.stats()["operations"]["orders_2026_01_01.search_orders"]["requests"] == 3


async def test_a_long_wait_for_quota_raises_at_once(spapi_emulator: Emulator) -> None:
    """The burst is twenty searches; the next one would have to wait for minutes."""
    async with Application("any", "any", endpoint=spapi_emulator.url) as app:
        seller = app.selling_partner("Atzr|one", region="NA")
        for _ in range(20):
            await seller.orders_2026_01_01.search_orders(created_after="2020-01-01", max_results_per_page=1)
        with call_options(max_wait=1.0), pytest.raises(RateLimitWaitError):
            await count_orders(seller)


def test_without_asyncio(spapi_emulator: Emulator) -> None:
    """The emulator runs in a thread, so synchronous code can be tested, too."""

    async def job() -> int:
        async with Application("any", "any", endpoint=spapi_emulator.url) as app:
            return await count_orders(app.selling_partner("Atzr|one", region="NA"))

    assert asyncio.run(job()) == 200
