"""Look-ups that any of several sellers may make use the quota of all."""

from __future__ import annotations

import asyncio

import pytest

from spapi_async import Application, ConfigurationError, LWAError
from spapi_async.emulator import Emulator
from spapi_async.emulator.data.products import product_at
from spapi_async.workflows.bulk import pool


async def test_a_pool_spreads_look_ups_over_its_sellers() -> None:
    """Each has its own bucket: ten full requests leave five sellers at once, and none is throttled."""
    asins = [product_at(0, number).asin for number in range(200)]
    async with Emulator() as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        joined = pool([app.selling_partner(f"Atzr|{n}", marketplace="US") for n in range(5)])
        items = await asyncio.gather(*(joined.catalog.item(asin) for asin in asins))
        stats = emulator.stats()["operations"]["catalog_items_2022_04_01.search_catalog_items"]
    assert [item.asin for item in items] == asins
    assert stats == {"requests": 10, "throttled": 0, "errors": 0}


async def test_a_revoked_seller_is_left_out() -> None:
    """The others take its share; a pool of revoked sellers raises LWA's error."""
    async with Emulator() as emulator, Application("id", "secret", endpoint=emulator.url) as app:
        good = app.selling_partner("Atzr|good", marketplace="US")
        gone = app.selling_partner("no such grant", marketplace="US")
        item = await pool([gone, good]).catalog.item(product_at(0, 1).asin)
        assert item.asin == product_at(0, 1).asin
        with pytest.raises(LWAError):
            await pool([gone]).catalog.item(product_at(0, 1).asin)


async def test_look_ups_of_a_sellers_own_data_are_refused() -> None:
    """The error names them; sellers that cannot replace each other are refused, too."""
    async with Application("id", "secret") as app, Application("other", "secret") as other:
        us, uk = app.selling_partner("Atzr|1", marketplace="US"), app.selling_partner("Atzr|2", marketplace="UK")
        with pytest.raises(ConfigurationError, match="listings belongs to one seller"):
            pool([us]).listings  # type: ignore[attr-defined]  # noqa: B018
        with pytest.raises(ConfigurationError, match="one region"):
            pool([us, uk])
        with pytest.raises(ConfigurationError, match="one application"):
            pool([us, other.selling_partner("Atzr|3", marketplace="US")])
        with pytest.raises(ConfigurationError, match="at least one"):
            pool([])
        assert len(pool([us, us]).sellers) == 1
