"""What a caller of ``sync_orders`` may write, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from order_databases import query

from spapi_async import Application, ConfigurationError, Marketplace
from spapi_async.emulator.server import Emulator
from spapi_async.workflows.orders import sync_orders

pytest_plugins = ("sync_fixtures",)


@pytest.mark.parametrize("places", ["US", ["us"], [Marketplace.US], "ATVPDKIKX0DER"])
async def test_marketplaces_are_members_ids_or_countries(sqlite_url: str, places: Any) -> None:
    """One by itself is one, not its letters; all ways of writing it are one stream."""
    async with Emulator(orders=20) as running, Application("app", "secret", endpoint=running.url) as app:
        report = await sync_orders([app.selling_partner("Atzr|a", region="NA")], sqlite_url, marketplaces=places)
        assert report.failed == ()
        assert "marketplaceIds=ATVPDKIKX0DER&" in running.received[-1].target
    assert query(sqlite_url, "SELECT stream FROM checkpoints") == [("orders_2026_01_01:ATVPDKIKX0DER",)]


async def test_one_data_set_by_itself_is_one(sqlite_url: str) -> None:
    """Not its letters either."""
    async with Emulator(orders=5) as running, Application("app", "secret", endpoint=running.url) as app:
        seller = app.selling_partner("Atzr|a", region="NA")
        assert (await sync_orders([seller], sqlite_url, datasets="PACKAGES")).failed == ()
        assert running.received[-1].target.endswith("&includedData=PACKAGES")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency must be 1 or more"),
        ({"marketplaces": ["XX"]}, "unknown marketplace 'XX'"),
        ({"marketplaces": ["US", "DE"]}, "marketplace DE is in region EU, but none of the sellers is"),
    ],
)
async def test_arguments_that_cannot_work_are_refused(sqlite_url: str, options: Any, message: str) -> None:
    """By name, and before the database is made."""
    async with Application("app", "secret") as app:
        with pytest.raises(ConfigurationError, match=message):
            await sync_orders([app.selling_partner("Atzr|a", region="NA")], sqlite_url, **options)


async def test_each_seller_is_asked_for_the_marketplaces_of_its_region(sqlite_url: str) -> None:
    """One list serves sellers of several regions; an id that is not known here is sent to all of them."""
    async with Emulator(orders=5) as running, Application("app", "secret", endpoint=running.url) as app:
        sellers = [app.selling_partner("Atzr|a", region=region, seller_id=region) for region in ("NA", "EU")]
        await sync_orders(sellers, sqlite_url, marketplaces=["US", "A1PA6795UKMFR9", "A-NEWER-ONE"])
        targets = [received.target for received in running.received]
    assert {target.partition("marketplaceIds=")[2].partition("&")[0] for target in targets} == {
        "A-NEWER-ONE,A1PA6795UKMFR9",
        "A-NEWER-ONE,ATVPDKIKX0DER",
    }


async def test_a_seller_without_any_of_the_marketplaces_is_refused(sqlite_url: str) -> None:
    """It would be synced without a filter, or asked for what it cannot have."""
    async with Application("app", "secret") as app:
        sellers = [app.selling_partner("Atzr|a", region=region, seller_id="A1") for region in ("NA", "EU")]
        with pytest.raises(
            ConfigurationError, match="seller A1@eu is in region EU, but none of the given marketplaces is"
        ):
            await sync_orders(sellers, sqlite_url, marketplaces=["US"])
