"""Handles share one batcher for the same question, however it is worded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from batching import Numbers, NumbersSeller, numbers_rule, resources
from virtual_time import virtual_time

from spapi_async import Application, ClosedError, ConfigurationError, Marketplace, Priority
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.products import product_at
from spapi_async.workflows.lookups import _shared
from spapi_async.workflows.lookups._departure import shared_options
from spapi_async.workflows.lookups._queue import Ask

ASINS = [product_at(0, number).asin for number in range(9)]
SEARCH = "catalog_items_2022_04_01.search_catalog_items"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(rate_scale=50) as server:
        yield server


@pytest.fixture
async def app(emulator: Emulator) -> AsyncIterator[Application]:
    async with Application("id", "secret", endpoint=emulator.url) as application:
        yield application


async def test_a_marketplace_in_any_form_is_the_same_question(app: Application, emulator: Emulator) -> None:
    """It is the default, a country, an id or a member of the enumeration; data sets are a list or a tuple."""
    catalog = app.selling_partner("Atzr|1", marketplace="US").catalog
    places = (None, "US", "ATVPDKIKX0DER", Marketplace.US)
    for _ in range(2):
        first = [catalog.item(asin, marketplace=place) for asin, place in zip(ASINS, places, strict=False)]
        await asyncio.gather(*first, catalog.item(ASINS[5], included_data=["summaries"]))
    assert emulator.stats()["operations"][SEARCH]["requests"] == 2
    with pytest.raises(ConfigurationError):
        await catalog.item(ASINS[0], marketplace=["US"])  # type: ignore[arg-type]


async def test_handles_share_requests_after_a_batcher_was_forgotten(
    app: Application, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old handle does not keep a batcher that new handles do not use."""
    monkeypatch.setattr(_shared, "_MOST_KEPT", 2)
    old, new = (app.selling_partner("Atzr|1", marketplace="US").catalog for _ in range(2))
    await old.item(ASINS[0])
    for included in ("images", "dimensions"):
        await new.item(ASINS[0], included_data=[included])
    before = emulator.stats()["operations"][SEARCH]["requests"]
    await asyncio.gather(*(catalog.item(asin) for catalog, asin in zip((new, old), ASINS, strict=False)))
    assert emulator.stats()["operations"][SEARCH]["requests"] == before + 1


@virtual_time
async def test_the_max_wait_of_a_caller_that_left_does_not_count() -> None:
    """A request waits for quota as long as the least patient remaining caller allows."""
    loop = asyncio.get_running_loop()
    asks: list[Ask[int]] = []
    for number, patience in enumerate((1.0, 5.0, None)):
        asks.append(Ask(number, Priority.NORMAL, 0.0, [loop.create_future()]))
        if patience is not None:
            asks[-1].latest = {asks[-1].waiters[0]: patience}
    assert shared_options(asks, 0.0, None).max_wait == 1.0
    asks[0].waiters[0].cancel()
    assert shared_options(asks, 0.0, None).max_wait == 5.0
    asks[1].waiters[0].cancel()
    assert shared_options(asks, 0.0, None).max_wait is None


@virtual_time
async def test_a_retry_after_closing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An item was throttled in a reply that came after the application was closed: its caller gets an error."""
    shared, seller = resources(), NumbersSeller(busy={2: 1}, latency=1.0)
    numbers = Numbers(seller, rule=numbers_rule(single=False), shared=shared)
    waiting = asyncio.ensure_future(numbers.get(2))
    await asyncio.sleep(1)
    for kept in shared.shared.values():
        kept.close()

    def closed(*_: object, **__: object) -> float:
        raise ClosedError("the application is closed")

    monkeypatch.setattr(seller, "forecast", closed)
    with pytest.raises(ClosedError):
        await waiting
